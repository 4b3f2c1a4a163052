"""Writing decided operations: one binary COPY for the rows, one statement for the counters of the minute."""

import datetime as dt
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from psycopg import Cursor
from psycopg.rows import TupleRow

from senim.roles.payments.rules.authorisation import OperationRequest, Outcome, Plan, arrival, request_digest

MICROSECOND: Final = dt.timedelta(microseconds=1)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
_MINUTE: Final = dt.timedelta(minutes=1)
ACCEPTED: Final = int(Outcome.ACCEPTED)
REFUSED: Final = int(Outcome.REFUSED)
_POSTGRES_EPOCH: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_POSTGRES_EPOCH_DAY: Final = _POSTGRES_EPOCH.toordinal()
_UNIX_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_COLUMNS: Final = (
    "id, day, status, decided_at, payer_id, payee_id, reason, kind, means, source, amount_tiyn, initiator_id, "
    "initiated_at, received_at, request_digest, file_id, file_index, debit_account, credit_account, key, end_to_end_id"
)
_COPY: Final = f"COPY payments_operation ({_COLUMNS}) FROM STDIN (FORMAT binary)"
_COLUMN_COUNT: Final = 21
# Columns of fixed width are packed in one call each: length, then value.
_DECIDED: Final = struct.Struct("!h i16s ii ih iq")
_ARRIVED: Final = struct.Struct("!ih ih ih iq iq iq iq i16s")
_INT8: Final = struct.Struct("!iq")
_FILE: Final = struct.Struct("!i16sii")
_LENGTHS: Final = [struct.pack("!i", length) for length in range(1_024)]

_COUNT: Final = """
INSERT INTO payments_operationminute AS m (day, minute, kind, status, reason, operations, amount_tiyn, latency_ms)
SELECT * FROM unnest(%b::date[], %b::int2[], %b::int2[], %b::int2[], %b::text[], %b::int8[], %b::int8[], %b::int8[])
ON CONFLICT (day, minute, kind, status, reason) DO UPDATE SET
    operations = m.operations + excluded.operations,
    amount_tiyn = m.amount_tiyn + excluded.amount_tiyn,
    latency_ms = m.latency_ms + excluded.latency_ms
"""


class Arrival(NamedTuple):
    """One request with the circumstances of its coming; made by :func:`arrive`.

    ``row`` is what is known of the operation's row before the decision, in PostgreSQL's binary form: written when the
    request arrives, so that nothing of it is left to do while other batches wait for the lock.
    """

    request: OperationRequest
    digest: bytes
    received_at: dt.datetime
    row: bytes


class Decision(NamedTuple):
    """What was decided on one arrival; ``operation`` is the id, 16 bytes."""

    operation: bytes
    day: dt.date
    reason: str
    plan: Plan


def arrive(
    request: OperationRequest, received_at: dt.datetime, source: int, file_id: bytes = b"", file_index: int = 0
) -> Arrival:
    """Note a request and when it came (PS-7.5.2); ``file_id`` is 16 bytes, or nothing."""
    digest = request_digest(request)
    fixed = _ARRIVED.pack(
        2, request.kind,
        2, request.means,
        2, source,
        8, request.amount_tiyn,
        8, request.initiator_id,
        8, (request.initiated_at - _POSTGRES_EPOCH) // MICROSECOND,
        8, (received_at - _POSTGRES_EPOCH) // MICROSECOND,
        16, digest,
    )  # fmt: skip
    debit, credit = request.debit_account.encode(), request.credit_account.encode()
    key, end_to_end_id = request.id.encode(), request.end_to_end_id.encode()
    row = b"".join(
        (
            fixed,
            _FILE.pack(16, file_id, 4, file_index) if file_id else _NULL + _NULL,
            _LENGTHS[len(debit)],
            debit,
            _LENGTHS[len(credit)],
            credit,
            _LENGTHS[len(key)],
            key,
            _LENGTHS[len(end_to_end_id)],
            end_to_end_id,
        )
    )
    return Arrival(request, digest, received_at, row)


def record(
    cursor: Cursor[TupleRow], arrivals: Sequence[Arrival], decisions: Sequence[Decision], decided_at: dt.datetime
) -> None:
    """Write one row for each decided arrival, accepted or refused (PS-7.5.1 to PS-7.5.3), and count its minute."""
    moment = (decided_at - _POSTGRES_EPOCH) // MICROSECOND
    pieces = [_HEADER]
    for arrived, (operation, day, reason, planned) in zip(arrivals, decisions, strict=True):
        status = REFUSED if reason else ACCEPTED
        number = day.toordinal() - _POSTGRES_EPOCH_DAY
        pieces += (
            _DECIDED.pack(_COLUMN_COUNT, 16, operation, 4, number, 2, status, 8, moment),
            _number(planned.payer),
            _number(planned.payee),
            _word(reason),
            arrived.row,
        )
    pieces.append(_TRAILER)
    with cursor.copy(_COPY) as copy:
        copy.write(b"".join(pieces))
    _count(cursor, arrivals, decisions, decided_at)


@lru_cache(maxsize=4_096)
def _number(value: int | None) -> bytes:
    """A nullable bigint."""
    return _NULL if value is None else _INT8.pack(8, value)


@lru_cache(maxsize=256)
def _word(value: str) -> bytes:
    """A short text."""
    raw = value.encode()
    return _LENGTHS[len(raw)] + raw


def _count(
    cursor: Cursor[TupleRow], arrivals: Sequence[Arrival], decisions: Sequence[Decision], decided_at: dt.datetime
) -> None:
    """Add the batch to the counters of its minutes; they feed the dashboard and measure the delay (PS-7.4)."""
    sums: dict[tuple[dt.date, int, int, str], list[int]] = {}
    before: dt.datetime | None = None
    minute = delay_ms = 0
    for (request, _, received_at, _), (_, day, reason, _) in zip(arrivals, decisions, strict=True):
        if received_at is not before:  # requests of one batch came at one moment
            before = received_at
            minute = arrival((received_at - _UNIX_EPOCH) // _MINUTE)[1]
            delay_ms = (decided_at - received_at) // _MILLISECOND
        counted = sums.setdefault((day, minute, request.kind, reason), [0, 0, 0])
        counted[0] += 1
        counted[1] += request.amount_tiyn
        counted[2] += delay_ms
    rows = [
        (day, minute, int(kind), REFUSED if reason else ACCEPTED, reason, *sums[day, minute, kind, reason])
        for day, minute, kind, reason in sorted(sums)
    ]
    cursor.execute(_COUNT, [list(column) for column in zip(*rows, strict=True)])
