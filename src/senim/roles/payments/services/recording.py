"""Writing decided operations: one binary COPY for the rows, one statement for the counters of the minute."""

import datetime as dt
import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from psycopg import Cursor
from psycopg.rows import TupleRow

from senim.roles.payments.rules.authorisation import OperationRequest, Outcome, Plan, arrival

MICROSECOND: Final = dt.timedelta(microseconds=1)
_POSTGRES_EPOCH: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_POSTGRES_EPOCH_DAY: Final = _POSTGRES_EPOCH.toordinal()
_UNIX_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_COLUMNS: Final = (
    "id, day, kind, means, source, status, amount_tiyn, initiator_id, initiated_at, received_at, decided_at, "
    "request_digest, payer_id, payee_id, file_id, file_index, reason, debit_account, credit_account, key, end_to_end_id"
)
_COPY: Final = f"COPY payments_operation ({_COLUMNS}) FROM STDIN (FORMAT binary)"
# All columns of fixed width in one call: the count of columns, then length and value of each.
_FIXED: Final = struct.Struct("!h i16s ii ih ih ih ih iq iq iq iq iq i16s")
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
    """One request with the circumstances of its coming; ``digest`` is what ``request_digest`` gives for it."""

    request: OperationRequest
    digest: bytes
    received_at: dt.datetime
    source: int
    file_id: bytes = b""
    file_index: int = 0


class Decision(NamedTuple):
    """What was decided on one arrival; ``operation`` is the id, 16 bytes."""

    operation: bytes
    day: dt.date
    reason: str
    plan: Plan


def record(
    cursor: Cursor[TupleRow], arrivals: Sequence[Arrival], decisions: Sequence[Decision], decided_at: dt.datetime
) -> None:
    """Write one row for each decided arrival, accepted or refused (PS-7.5.1 to PS-7.5.3), and count its minute."""
    rows = [_HEADER]
    rows.extend(_row(arrival_, decision, decided_at) for arrival_, decision in zip(arrivals, decisions, strict=True))
    rows.append(_TRAILER)
    with cursor.copy(_COPY) as copy:
        copy.write(b"".join(rows))
    _count(cursor, arrivals, decisions, decided_at)


def _row(arrived: Arrival, decision: Decision, decided_at: dt.datetime) -> bytes:
    """One row of ``_COLUMNS`` in PostgreSQL's binary COPY format."""
    request, planned = arrived.request, decision.plan
    fixed = _FIXED.pack(
        21,
        16, decision.operation,
        4, decision.day.toordinal() - _POSTGRES_EPOCH_DAY,
        2, request.kind,
        2, request.means,
        2, arrived.source,
        2, Outcome.REFUSED if decision.reason else Outcome.ACCEPTED,
        8, request.amount_tiyn,
        8, request.initiator_id,
        8, (request.initiated_at - _POSTGRES_EPOCH) // MICROSECOND,
        8, (arrived.received_at - _POSTGRES_EPOCH) // MICROSECOND,
        8, (decided_at - _POSTGRES_EPOCH) // MICROSECOND,
        16, arrived.digest,
    )  # fmt: skip
    return b"".join(
        (
            fixed,
            _NULL if planned.payer is None else _INT8.pack(8, planned.payer),
            _NULL if planned.payee is None else _INT8.pack(8, planned.payee),
            _FILE.pack(16, arrived.file_id, 4, arrived.file_index) if arrived.file_id else _NULL + _NULL,
            _text(decision.reason),
            _text(request.debit_account),
            _text(request.credit_account),
            _text(request.id),
            _text(request.end_to_end_id),
        )
    )


def _text(value: str) -> bytes:
    raw = value.encode()
    return _LENGTHS[len(raw)] + raw


def _count(
    cursor: Cursor[TupleRow], arrivals: Iterable[Arrival], decisions: Iterable[Decision], decided_at: dt.datetime
) -> None:
    """Add the batch to the counters of its minutes; they feed the dashboard and measure the delay (PS-7.4)."""
    sums: dict[tuple[dt.date, int, int, int, str], list[int]] = {}
    for arrived, decision in zip(arrivals, decisions, strict=True):
        since_epoch = (arrived.received_at - _UNIX_EPOCH) // MICROSECOND
        status = Outcome.REFUSED if decision.reason else Outcome.ACCEPTED
        minute = arrival(since_epoch // 60_000_000)[1]
        key = (decision.day, minute, int(arrived.request.kind), int(status), decision.reason)
        counted = sums.get(key)
        if counted is None:
            sums[key] = counted = [0, 0, 0]
        counted[0] += 1
        counted[1] += arrived.request.amount_tiyn
        counted[2] += (decided_at - arrived.received_at) // (1_000 * MICROSECOND)
    keys = sorted(sums)
    columns = [list(column) for column in zip(*keys, strict=True)]
    columns += [list(column) for column in zip(*(sums[key] for key in keys), strict=True)]
    cursor.execute(_COUNT, columns)
