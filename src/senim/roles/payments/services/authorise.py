"""The Centre's one verb: decide a batch of operations, post it and record it, in the caller's transaction.

Single requests, batch requests and files all come through here (PS-7.5.2, PS-7.5.3). Nothing is true before the caller
commits: an answer may be given out only then.
"""

import datetime as dt
import secrets
import uuid
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from psycopg import Connection, Cursor, pq
from psycopg.rows import TupleRow, tuple_row

from senim import ledger
from senim.errors import SenimError
from senim.ledger.types import Results, TransferColumns
from senim.ledger.types import Status as LedgerStatus
from senim.roles.payments.rules.accounts import CLEARING_HUB_ID, day_number
from senim.roles.payments.rules.authorisation import (
    Answer,
    Directory,
    OperationRequest,
    Outcome,
    Plan,
    admit,
    arrival,
    day_for,
    directory,
    plan,
    positions,
    reason_of,
)
from senim.roles.payments.rules.kinds import LEDGER_KZT, DayState, Source, TransferCode
from senim.roles.payments.rules.reasons import Reason
from senim.roles.payments.services.centre_lock import TAKE_LOCK
from senim.roles.payments.services.recording import MICROSECOND, Arrival, Decision, arrive, record

BATCH_MAX: Final = 20_000
_HUB: Final = CLEARING_HUB_ID.to_bytes(16, "big")
_UNIX_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# The tables grow from nothing to millions within one plan's life: a plan made while they were small must not scan them.
# Forbidding it makes plans look dear, for which PostgreSQL would compile them anew each time. The lock comes before the
# clock, and what is read by the statements after this one is what all earlier holders wrote.
_HOLD: Final = f"""
SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true), {TAKE_LOCK}, clock_timestamp()
"""
_OPEN_DAYS: Final = f"SELECT day FROM payments_operatingday WHERE state = '{DayState.OPEN}' ORDER BY day FOR SHARE"  # noqa: S608
_BANKS: Final = """
SELECT id, bank_code, state = 'active' FROM payments_participant WHERE state IN ('active', 'suspended')
"""
_KNOWN: Final = """
SELECT asked.position, o.id, o.request_digest, o.status, o.reason, o.day, o.decided_at
FROM unnest(%b::int8[], %b::text[]) WITH ORDINALITY AS asked (initiator_id, key, position)
CROSS JOIN LATERAL (
    SELECT * FROM payments_operation
    WHERE initiator_id = asked.initiator_id AND key = asked.key
    LIMIT 1
) AS o
"""


class AuthorisationError(SenimError):
    """The Centre could not decide."""

    code = "payments.authorisation"


class NoOpenDay(AuthorisationError):
    """No operating day is open that the operations could belong to. Try again: the next day opens when one closes."""

    code = "payments.no_open_day"


class UnknownInitiator(AuthorisationError):
    """The initiator takes no part in the System."""

    code = "payments.unknown_initiator"


class LedgerDisagrees(AuthorisationError):
    """The ledger refused what was found allowed a moment before; roll back and try again."""

    code = "payments.ledger_disagrees"


class State(NamedTuple):
    """What a batch is judged against, read under the Centre's lock."""

    clock: dt.datetime
    open_days: list[dt.date]
    banks: Directory
    known: dict[int, tuple[bytes, Answer]]


def authorise(
    connection: Connection[TupleRow],
    requests: Sequence[OperationRequest],
    *,
    received_at: dt.datetime,
    source: Source,
    file_id: uuid.UUID | None = None,
    first_index: int = 0,
) -> list[Answer]:
    """Decide requests that came together; one answer for each, in order.

    ``connection`` is a psycopg connection in a transaction (with Django: ``connection.connection`` inside ``atomic``).
    From here to the end of that transaction the Centre's other batches wait, so commit soon: for long files in portions
    of a few thousand. ``file_id`` and ``first_index`` tie the operations to a file and number them on.

    Raises:
        NoOpenDay: nothing is recorded; try again.
        LedgerDisagrees, psycopg.Error: roll the transaction back and try again.
    """
    file_bytes = file_id.bytes if file_id else b""
    arrivals = [
        arrive(request, received_at, source, file_bytes, first_index + position)
        for position, request in enumerate(requests)
    ]
    return authorise_arrivals(connection, arrivals)


def authorise_arrivals(
    connection: Connection[TupleRow], arrivals: Sequence[Arrival], *, looks_up_keys: bool = True
) -> list[Answer]:
    """As :func:`authorise`, for requests that came at different moments and in different ways.

    ``looks_up_keys`` may be false where repeated requests are not expected: one that is there all the same raises
    ``psycopg.errors.UniqueViolation`` at the record of its key, and the transaction is to be run again with it true.
    """
    assert len(arrivals) <= BATCH_MAX, f"a batch holds at most {BATCH_MAX} operations"
    if not arrivals:
        return []
    state = _enter(connection, arrivals if looks_up_keys else ())
    answers: list[Answer | None] = [None] * len(arrivals)
    fresh = _answer_repeated(arrivals, state, answers)
    if fresh:
        first = _decide(connection, [arrivals[index] for index in fresh], state)
        for index, answer in zip(fresh, first, strict=True):
            answers[index] = answer
    places = {_key(arrivals[index]): index for index in fresh}
    return [
        answer or _repeated(arrived, arrivals[places[_key(arrived)]], answers[places[_key(arrived)]])
        for arrived, answer in zip(arrivals, answers, strict=True)
    ]


def _key(arrived: Arrival) -> tuple[int, str]:
    return arrived.request.initiator_id, arrived.request.id


def _cursor(connection: Connection[TupleRow]) -> Cursor[TupleRow]:
    """A cursor that binds on the server and reads binary, whatever the connection makes (Django's do neither)."""
    cursor = Cursor(connection, row_factory=tuple_row)
    cursor.format = pq.Format.BINARY
    return cursor


def _enter(connection: Connection[TupleRow], arrivals: Sequence[Arrival]) -> State:
    """Take the Centre's lock and read, in one round trip, all that the batch is judged against.

    ``arrivals`` are those whose keys are looked up; there may be none.
    """
    assert connection.info.transaction_status != pq.TransactionStatus.INERROR
    initiators = [arrived.request.initiator_id for arrived in arrivals]
    keys = [arrived.request.id for arrived in arrivals]
    with connection.pipeline():
        clock = _cursor(connection).execute(_HOLD)
        days = _cursor(connection).execute(_OPEN_DAYS)
        banks = _cursor(connection).execute(_BANKS)
        known = _cursor(connection).execute(_KNOWN, (initiators, keys)) if keys else None
    row = clock.fetchone()
    assert row is not None
    answers: dict[int, tuple[bytes, Answer]] = {}
    for position, operation, digest, status, reason, day, decided_at in known.fetchall() if known else ():
        index = position - 1
        answer = Answer(operation.bytes, keys[index], Outcome(status), reason, day, decided_at, replayed=True)
        answers[index] = (bytes(digest), answer)
    return State(row[3], [day for (day,) in days.fetchall()], directory(banks.fetchall()), answers)


def _again(first: Answer, *, same: bool) -> Answer:
    """The answer to a request that has come before; a conflict when it said something else then."""
    outcome = first.outcome if same else Outcome.CONFLICT
    return msgspec.structs.replace(first, outcome=outcome, replayed=True)


def _answer_repeated(arrivals: Sequence[Arrival], state: State, answers: list[Answer | None]) -> list[int]:
    """Fill in the answers to requests that were decided earlier; give the indexes of those that are new.

    A key that stands twice in the batch is decided at its first place and answered from there at the others.
    """
    fresh: list[int] = []
    seen: set[tuple[int, str]] = set()
    for index, arrived in enumerate(arrivals):
        found = state.known.get(index)
        if found is not None:
            digest, answer = found
            answers[index] = _again(answer, same=digest == arrived.digest)
            continue
        key = _key(arrived)
        if key not in seen:
            seen.add(key)
            fresh.append(index)
    return fresh


def _repeated(arrived: Arrival, before: Arrival, first: Answer | None) -> Answer:
    """The answer to a request whose key another request of the same batch had first."""
    assert first is not None
    return _again(first, same=before.digest == arrived.digest)


def _decide(connection: Connection[TupleRow], arrivals: Sequence[Arrival], state: State) -> list[Answer]:
    """Decide new requests, move the money of the accepted, record all."""
    days = _days(arrivals, state.open_days)
    try:
        plans = [plan(arrived.request, arrived.received_at, state.banks) for arrived in arrivals]
    except KeyError as error:
        raise UnknownInitiator(initiator=error.args[0]) from None
    ids = operation_ids(state.clock)
    operations = [next(ids) for _ in arrivals]
    amounts = [arrived.request.amount_tiyn for arrived in arrivals]
    reasons = _carry_out(connection, arrivals, plans, amounts, operations, days, state.banks)
    _post_positions(connection, reasons, plans, amounts, days, ids, state.banks)
    latest = max(arrived.received_at for arrived in arrivals)
    decided_at = max(dt.datetime.now(dt.UTC), latest)
    decisions = list(map(Decision, operations, days, reasons, plans))
    record(_cursor(connection), arrivals, decisions, decided_at)
    return [
        Answer(
            operation,
            arrived.request.id,
            Outcome.REFUSED if reason else Outcome.ACCEPTED,
            reason,
            day,
            decided_at,
        )
        for arrived, operation, reason, day in zip(arrivals, operations, reasons, days, strict=True)
    ]


def _days(arrivals: Sequence[Arrival], open_days: Sequence[dt.date]) -> list[dt.date]:
    """The operating day of each arrival (PS-3.1.1, PS-5.2)."""
    found: dict[dt.date, dt.date] = {}
    days: list[dt.date] = []
    for arrived in arrivals:
        came = arrival((arrived.received_at - _UNIX_EPOCH) // MICROSECOND // 60_000_000)[0]
        if came not in found:
            day = day_for(came, open_days)
            if day is None:
                raise NoOpenDay(arrived=came.isoformat())
            found[came] = day
        days.append(found[came])
    return days


def operation_ids(clock: dt.datetime) -> Iterator[bytes]:
    """Ids of version 7 (RFC 9562) that rise within a batch, and from batch to batch with the database's clock.

    Batches stand in line behind one lock and take the time under it, so the order of ids is the order of commits:
    whoever reads on from the last id it has seen misses nothing. The fraction of the millisecond stands in ``rand_a``
    (method 3), a counter in the high bits of ``rand_b``, chance in the others.
    """
    microseconds = (clock - _UNIX_EPOCH) // MICROSECOND
    milliseconds, fraction = divmod(microseconds, 1_000)
    base = milliseconds << 80 | 7 << 76 | (fraction * 4_096 // 1_000) << 64 | 2 << 62 | secrets.randbits(40)
    for count in range(2**22):
        yield (base + (count << 40)).to_bytes(16, "big")


def _carry_out(
    connection: Connection[TupleRow],
    arrivals: Sequence[Arrival],
    plans: Sequence[Plan],
    amounts: Sequence[int],
    operations: Sequence[bytes],
    days: Sequence[dt.date],
    banks: Directory,
) -> list[str]:
    """Post what may be posted; give the reason of each operation, empty for the accepted.

    What a cap stops is tried again as long as the round before made room: by money that came in, or by a transfer that
    the ledger refused. Each round posts something, so there are at most as many as operations; one is usual.
    """
    reasons = [planned.reason for planned in plans]
    waiting = [index for index, reason in enumerate(reasons) if not reason]
    rooms = _rooms(connection, plans, waiting, banks)
    while waiting:
        through, waiting = admit(waiting, plans, amounts, rooms)
        if not through:
            break
        results = ledger.post(connection, _transfers(through, arrivals, plans, amounts, operations, days))
        if waiting or not results.all_ok:
            _settle_round(through, results, plans, amounts, reasons, rooms)
    for index in waiting:
        reasons[index] = Reason.AMOUNT_EXCEEDS_SETTLEMENT_LIMIT.value
    return reasons


def _settle_round(
    posted: Sequence[int],
    results: Results,
    plans: Sequence[Plan],
    amounts: Sequence[int],
    reasons: list[str],
    rooms: dict[int, int],
) -> None:
    """Take in the ledger's word: refusals give room back to the payer's bank, the others make room for the payee's."""
    for index, status in zip(posted, results.statuses, strict=True):
        payer, payee = plans[index].payer, plans[index].payee
        if status is LedgerStatus.OK:
            if payer != payee and payee in rooms:
                rooms[payee] += amounts[index]
            continue
        reason = reason_of(status)
        if reason is None:
            raise LedgerDisagrees(status=str(status))
        reasons[index] = reason
        if payer != payee and payer is not None:
            rooms[payer] += amounts[index]


def _rooms(
    connection: Connection[TupleRow], plans: Sequence[Plan], waiting: Sequence[int], banks: Directory
) -> dict[int, int]:
    """How much more each paying bank may come to owe: what is left of its net debit cap, in tiyn."""
    payers = {plans[index].payer for index in waiting if plans[index].payer != plans[index].payee}
    accounts = {int.from_bytes(banks.by_id[payer].clearing, "big"): payer for payer in payers if payer is not None}
    rooms = dict.fromkeys(accounts.values(), 0)
    if accounts:
        for account in ledger.lookup_accounts(connection, list(accounts)):
            left = account.debits_posted - account.credits_posted - account.credits_pending
            rooms[accounts[account.id]] = left
    return rooms


def _transfers(
    through: Sequence[int],
    arrivals: Sequence[Arrival],
    plans: Sequence[Plan],
    amounts: Sequence[int],
    operations: Sequence[bytes],
    days: Sequence[dt.date],
) -> TransferColumns:
    """One ledger transfer for each operation, with the operation's id and its kind as the code."""
    numbers = {day: day_number(day) for day in set(days)}
    return TransferColumns(
        id=b"".join([operations[index] for index in through]),
        debit_account_id=b"".join([plans[index].debit for index in through]),
        credit_account_id=b"".join([plans[index].credit for index in through]),
        amount=[amounts[index] for index in through],
        ledger=LEDGER_KZT,
        code=[arrivals[index].request.kind for index in through],
        user_data_32=next(iter(numbers.values())) if len(numbers) == 1 else [numbers[days[index]] for index in through],
    )


def _post_positions(
    connection: Connection[TupleRow],
    reasons: Sequence[str],
    plans: Sequence[Plan],
    amounts: Sequence[int],
    days: Sequence[dt.date],
    ids: Iterator[bytes],
    banks: Directory,
) -> None:
    """Post what banks owe each other from the batch through the hub: all that comes in before anything that goes out.

    Raises:
        LedgerDisagrees: a cap was changed by someone who does not hold the Centre's lock.
    """
    incoming: list[tuple[bytes, bytes, int, int]] = []
    outgoing: list[tuple[bytes, bytes, int, int]] = []
    for day in sorted(set(days)):
        accepted = [index for index, reason in enumerate(reasons) if not reason and days[index] == day]
        for bank_id, (owed, owes) in positions(accepted, plans, amounts).items():
            clearing = banks.by_id[bank_id].clearing
            if owed:
                incoming.append((clearing, _HUB, owed, day_number(day)))
            if owes:
                outgoing.append((_HUB, clearing, owes, day_number(day)))
    movements = incoming + outgoing
    if not movements:
        return
    debits, credits_, sums, numbers = zip(*movements, strict=True)
    results = ledger.post(
        connection,
        TransferColumns(
            id=b"".join([next(ids) for _ in movements]),
            debit_account_id=b"".join(debits),
            credit_account_id=b"".join(credits_),
            amount=sums,
            ledger=LEDGER_KZT,
            code=TransferCode.POSITION.value,
            user_data_32=numbers,
        ),
    )
    if not results.all_ok:
        refused = sorted({str(status) for status in results.statuses if status is not LedgerStatus.OK})
        raise LedgerDisagrees(statuses=refused)
