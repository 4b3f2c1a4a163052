"""The exact way of posting: every transfer decided by the rules, against locked accounts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg import Cursor
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from senim.ledger import codec
from senim.ledger.errors import LedgerContention
from senim.ledger.rows import MASK_16, MASK_32, TRANSFER_COLUMNS, transfer_of
from senim.ledger.rules.transfers import (
    IMPORTED,
    PENDING,
    POST_OR_VOID,
    AccountState,
    Book,
    Decision,
    decide_transfers,
    expire,
    expires_at,
)
from senim.ledger.types import (
    STORAGE_MAX,
    TIMESTAMP_MAX,
    TRANSIENT_STATUSES,
    PendingStatus,
    Results,
    Transfer,
)

ATTEMPTS_MAX: Final = 10

LOCK_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(7247, 'ledger_clock'::regclass::oid::int)"
LOCK_EXCLUSIVE: Final = "SELECT pg_advisory_xact_lock(7247, 'ledger_clock'::regclass::oid::int)"
READ_TRANSFERS: Final = (
    f"SELECT {TRANSFER_COLUMNS}, t.failed_status, p.status FROM ledger_transfer t "  # noqa: S608 constant columns
    "LEFT JOIN ledger_pending p ON p.transfer_id = t.id AND t.flags & 2 <> 0 WHERE t.id = ANY (%b)"
)
READ_ALL_DUE: Final = (
    "SELECT p.transfer_id, p.debit_account_id, p.credit_account_id, p.amount, p.flags FROM ledger_pending p "
    "WHERE p.status = 0 AND p.expires_at <= ledger_now() ORDER BY p.expires_at LIMIT %s"
)
READ_DUE: Final = READ_ALL_DUE.replace(
    "ORDER BY", "AND (p.debit_account_id = ANY (%b) OR p.credit_account_id = ANY (%b)) ORDER BY"
)
DUE_MAX: Final = 10_000
LOCK_ACCOUNTS: Final = (
    "SELECT b.account_id, b.ledger, b.flags, b.debits_pending, b.debits_posted, b.credits_pending, b.credits_posted "
    "FROM ledger_balance b WHERE b.account_id = ANY (%b) ORDER BY b.account_id FOR UPDATE"
)
READ_ACCOUNT_TIMESTAMPS: Final = 'SELECT id, "timestamp" FROM ledger_account WHERE id = ANY (%b)'
# Ids used up by refusals do not count: an import may begin after one of its transfers was refused.
READ_LAST_TIMESTAMP: Final = 'SELECT coalesce(max("timestamp"), 0) FROM ledger_transfer WHERE failed_status IS NULL'
WRITE_BALANCES: Final = (
    "UPDATE ledger_balance b SET debits_pending = d.debits_pending, debits_posted = d.debits_posted, "
    "credits_pending = d.credits_pending, credits_posted = d.credits_posted, flags = d.flags "
    "FROM unnest(%b, %b, %b, %b, %b, %b) "
    "AS d (account_id, debits_pending, debits_posted, credits_pending, credits_posted, flags) "
    "WHERE b.account_id = d.account_id"
)
WRITE_RESOLVED: Final = (
    "UPDATE ledger_pending p SET status = d.status, resolved_at = d.resolved_at "
    "FROM unnest(%b, %b, %b) AS d (id, status, resolved_at) WHERE p.transfer_id = d.id AND p.status = 0"
)


@dataclass(slots=True)
class Deltas:
    """Sums that the short way has already added: accounts (joined ids, ascending), debits and credits of each."""

    account_ids: bytes
    debits: NDArray[np.int64]
    credits: NDArray[np.int64]

    def by_account(self) -> dict[int, tuple[int, int]]:
        """Debits and credits by account id."""
        ids = codec.split(self.account_ids)
        return dict(zip(ids, zip(self.debits.tolist(), self.credits.tolist(), strict=True), strict=True))


class _StateMoved(Exception):
    """Something that decided which accounts to lock was created meanwhile: start again."""


def post_exactly(cur: Cursor[TupleRow], events: Sequence[Transfer], deltas: Deltas | None) -> Results:
    """Decide and write ``events``; ``deltas`` are the sums that the short way added before it gave up.

    A concurrent writer may take one of our ids between our look and our write; then everything since the savepoint is
    undone and decided again, and the look finds that id. Ten such losses in a row raise ``LedgerContention``.
    """
    applied = deltas.by_account() if deltas else {}
    is_imported = any(event.flags & IMPORTED for event in events)
    # An imported event brings an old timestamp; no other posting may be under way while its order is checked.
    cur.execute(LOCK_EXCLUSIVE if is_imported else LOCK_SHARED)
    for _ in range(ATTEMPTS_MAX):
        cur.execute("SAVEPOINT ledger_exact")
        try:
            results = _attempt(cur, events, applied, is_imported=is_imported)
        except (UniqueViolation, _StateMoved):
            cur.execute("ROLLBACK TO SAVEPOINT ledger_exact")
            continue
        cur.execute("RELEASE SAVEPOINT ledger_exact")
        return results
    raise LedgerContention(event_count=len(events), attempts=ATTEMPTS_MAX)


def _attempt(
    cur: Cursor[TupleRow], events: Sequence[Transfer], applied: dict[int, tuple[int, int]], *, is_imported: bool
) -> Results:
    resolving = {event.pending_id for event in events if event.flags & POST_OR_VOID and event.pending_id}
    account_ids = {event.debit_account_id for event in events} | {event.credit_account_id for event in events}
    if resolving:
        for transfer in _read_transfers(cur, resolving)[0].values():
            account_ids |= {transfer.debit_account_id, transfer.credit_account_id}
    due = _read_due(cur, account_ids)
    for pending in due:
        account_ids |= {pending.debit_account_id, pending.credit_account_id}
    accounts, before = _lock_accounts(cur, account_ids, applied)
    book = _read_book(cur, events, resolving, accounts)
    if is_imported:
        _read_for_imports(cur, events, book)
    first_timestamp = take_timestamps(cur, len(due) + len(events))
    expired = _expire(due, book, accounts, cur)
    decision = decide_transfers(events, book, first_timestamp + len(due))
    _write_balances(cur, accounts, before)
    _write_expired(cur, expired, first_timestamp)
    _write_decision(cur, decision)
    return Results(len(events), first_timestamp + len(due), decision.statuses, decision.timestamps)


def take_timestamps(cur: Cursor[TupleRow], count: int) -> int:
    """The first of ``count`` fresh timestamps."""
    row = cur.execute("SELECT ledger_take_timestamps(%s)", (count,)).fetchone()
    assert row is not None
    return int(row[0])


def _read_transfers(
    cur: Cursor[TupleRow], ids: Iterable[int]
) -> tuple[dict[int, Transfer], dict[int, PendingStatus], set[int]]:
    transfers: dict[int, Transfer] = {}
    pendings: dict[int, PendingStatus] = {}
    failed: set[int] = set()
    for row in cur.execute(READ_TRANSFERS, (codec.uuid_array(codec.joined(ids)),)):
        *columns, failed_status, pending_status = row
        if failed_status is not None:
            failed.add(columns[0].int)
            continue
        transfer = transfer_of(tuple(columns))
        transfers[transfer.id] = transfer
        if pending_status is not None:
            pendings[transfer.id] = PendingStatus(pending_status)
    return transfers, pendings, failed


def _read_due(cur: Cursor[TupleRow], account_ids: Iterable[int] | None, limit: int = DUE_MAX) -> list[Transfer]:
    """Pending transfers (of these accounts, or of all) whose time has passed; they still hold balances."""
    if account_ids is None:
        rows = cur.execute(READ_ALL_DUE, (limit,))
    else:
        ids = codec.uuid_array(codec.joined(account_ids))
        rows = cur.execute(READ_DUE, (ids, ids, limit))
    return [
        Transfer(id=row[0].int, debit_account_id=row[1].int, credit_account_id=row[2].int, amount=row[3], flags=row[4])
        for row in rows
    ]


def expire_due(cur: Cursor[TupleRow], limit: int) -> int:
    """Release up to ``limit`` due pending transfers of any account; returns how many."""
    due = _read_due(cur, None, limit)
    if not due:
        return 0
    account_ids = {pending.debit_account_id for pending in due} | {pending.credit_account_id for pending in due}
    accounts, before = _lock_accounts(cur, account_ids, {})
    expired = _expire(due, Book(accounts), accounts, cur)
    if expired:
        _write_balances(cur, accounts, before)
        _write_expired(cur, expired, take_timestamps(cur, len(expired)))
    return len(due)


def _lock_accounts(
    cur: Cursor[TupleRow], account_ids: Iterable[int], applied: dict[int, tuple[int, int]]
) -> tuple[dict[int, AccountState], dict[int, tuple[int, int, int, int, int]]]:
    """The accounts as they were before the batch, and the balances that are stored now."""
    accounts: dict[int, AccountState] = {}
    before: dict[int, tuple[int, int, int, int, int]] = {}
    for row in cur.execute(LOCK_ACCOUNTS, (codec.uuid_array(codec.joined(account_ids)),)):
        account_id = row[0].int
        state = AccountState(account_id, row[1] & MASK_32, row[2] & MASK_16, 0, *row[3:])
        before[account_id] = state.balances()
        debits, credits_ = applied.get(account_id, (0, 0))
        state.debits_posted -= debits
        state.credits_posted -= credits_
        accounts[account_id] = state
    return accounts, before


def _read_book(
    cur: Cursor[TupleRow], events: Sequence[Transfer], resolving: set[int], accounts: dict[int, AccountState]
) -> Book:
    ids = {event.id for event in events} | resolving
    transfers, pendings, failed = _read_transfers(cur, ids)
    # A known posting or voiding transfer is compared together with the pending transfer that it resolved.
    missing = {transfer.pending_id for transfer in transfers.values() if transfer.pending_id} - transfers.keys()
    if missing:
        more_transfers, more_pendings, _ = _read_transfers(cur, missing)
        transfers |= more_transfers
        pendings |= more_pendings
    for pending_id in resolving & pendings.keys():
        if transfers[pending_id].debit_account_id not in accounts:
            raise _StateMoved
    return Book(accounts, transfers, pendings, failed)


def _read_for_imports(cur: Cursor[TupleRow], events: Sequence[Transfer], book: Book) -> None:
    row = cur.execute(READ_LAST_TIMESTAMP).fetchone()
    assert row is not None
    book.last_timestamp = int(row[0])
    ids = codec.uuid_array(codec.joined(book.accounts))
    for account_id, timestamp in cur.execute(READ_ACCOUNT_TIMESTAMPS, (ids,)):
        book.accounts[account_id.int].timestamp = timestamp
    timestamps = codec.int8_array([e.timestamp for e in events if 0 < e.timestamp <= TIMESTAMP_MAX])
    rows = cur.execute('SELECT "timestamp" FROM ledger_account WHERE "timestamp" = ANY (%b)', (timestamps,))
    book.account_timestamps = frozenset(row[0] for row in rows)


def _expire(
    due: Sequence[Transfer], book: Book, accounts: dict[int, AccountState], cur: Cursor[TupleRow]
) -> list[Transfer]:
    """Release the due ones that nobody resolved while we waited for the locks."""
    if not due:
        return []
    ids = codec.uuid_array(codec.joined(pending.id for pending in due))
    rows = cur.execute("SELECT transfer_id FROM ledger_pending WHERE transfer_id = ANY (%b) AND status = 0", (ids,))
    still_pending = {row[0].int for row in rows}
    expired = [pending for pending in due if pending.id in still_pending]
    for pending in expired:
        expire(pending, accounts[pending.debit_account_id], accounts[pending.credit_account_id])
        if pending.id in book.pendings:
            book.pendings[pending.id] = PendingStatus.EXPIRED
    return expired


def _write_balances(
    cur: Cursor[TupleRow],
    accounts: dict[int, AccountState],
    before: dict[int, tuple[int, int, int, int, int]],
) -> None:
    changed = [state for state in accounts.values() if state.balances() != before[state.id]]
    if not changed:
        return
    columns = zip(*(state.balances() for state in changed), strict=True)
    arrays = [codec.int8_array(column) for column in columns]
    cur.execute(WRITE_BALANCES, (codec.uuid_array(codec.joined(state.id for state in changed)), *arrays))
    assert cur.rowcount == len(changed)


def _write_expired(cur: Cursor[TupleRow], expired: Sequence[Transfer], first_timestamp: int) -> None:
    if expired:
        count = len(expired)
        _write_resolved(
            cur,
            [pending.id for pending in expired],
            [int(PendingStatus.EXPIRED)] * count,
            list(range(first_timestamp, first_timestamp + count)),
        )


def _write_resolved(cur: Cursor[TupleRow], ids: list[int], statuses: list[int], moments: list[int]) -> None:
    parameters = (codec.uuid_array(codec.joined(ids)), codec.int8_array(statuses), codec.int8_array(moments))
    cur.execute(WRITE_RESOLVED, parameters)
    assert cur.rowcount == len(ids)


def _write_decision(cur: Cursor[TupleRow], decision: Decision) -> None:
    if decision.created:
        _copy_transfers(cur, decision.created)
        _copy_pendings(cur, [transfer for transfer in decision.created if transfer.flags & PENDING])
    if decision.failed:
        ids, timestamps, statuses = zip(*decision.failed, strict=True)
        codec.copy_rows(
            cur,
            "ledger_transfer",
            len(ids),
            [
                ("timestamp", codec.UINT8, timestamps),
                ("failed_status", codec.UINT2, [TRANSIENT_STATUSES[status] for status in statuses]),
                ("id", codec.UUID, codec.joined(ids)),
            ],
        )
    if decision.resolved:
        resolved_ids, outcomes, moments = zip(*decision.resolved, strict=True)
        _write_resolved(cur, list(resolved_ids), [int(outcome) for outcome in outcomes], list(moments))
    if decision.history:
        account_ids, balances = zip(*decision.history, strict=True)
        names = ("debits_pending", "debits_posted", "credits_pending", "credits_posted", "timestamp")
        columns = zip(names, zip(*balances, strict=True), strict=True)
        copied: list[codec.CopyColumn] = [(name, codec.UINT8, values) for name, values in columns]
        codec.copy_rows(
            cur, "ledger_history", len(account_ids), [("account_id", codec.UUID, codec.joined(account_ids)), *copied]
        )


def _copy_transfers(cur: Cursor[TupleRow], transfers: Sequence[Transfer]) -> None:
    """Rows of created transfers; columns that are zero throughout are left out and stay null."""
    (
        ids,
        debits,
        credits_,
        amounts,
        pendings,
        data_128,
        data_64,
        data_32,
        timeouts,
        ledgers,
        codes,
        flags,
        timestamps,
    ) = zip(*transfers, strict=True)
    assert max(amounts) <= STORAGE_MAX
    written: list[codec.CopyColumn] = [
        ("timestamp", codec.UINT8, timestamps),
        ("amount", codec.UINT8, amounts),
        ("ledger", codec.UINT4, codec.signed32(ledgers)),
        ("code", codec.UINT2, codec.signed16(codes)),
        ("flags", codec.UINT2, codec.signed16(flags)),
        ("id", codec.UUID, codec.joined(ids)),
        ("debit_account_id", codec.UUID, codec.joined(debits)),
        ("credit_account_id", codec.UUID, codec.joined(credits_)),
    ]
    if any(pendings):
        written.append(("pending_id", codec.UUID, codec.joined(pendings)))
    if any(data_128):
        written.append(("user_data_128", codec.UUID, codec.joined(data_128)))
    if any(data_64):
        written.append(("user_data_64", codec.UINT8, codec.signed64(data_64)))
    if any(data_32):
        written.append(("user_data_32", codec.UINT4, codec.signed32(data_32)))
    if any(timeouts):
        written.append(("timeout", codec.UINT4, codec.signed32(timeouts)))
    codec.copy_rows(cur, "ledger_transfer", len(transfers), written)


def _copy_pendings(cur: Cursor[TupleRow], pendings: Sequence[Transfer]) -> None:
    for timed in (True, False):
        chosen = [pending for pending in pendings if bool(pending.timeout) is timed]
        if not chosen:
            continue
        written: list[codec.CopyColumn] = [
            ("transfer_id", codec.UUID, codec.joined(pending.id for pending in chosen)),
            ("timestamp", codec.UINT8, [pending.timestamp for pending in chosen]),
            ("amount", codec.UINT8, [pending.amount for pending in chosen]),
            ("flags", codec.UINT2, codec.signed16(pending.flags for pending in chosen)),
            ("status", codec.UINT2, int(PendingStatus.PENDING)),
            ("debit_account_id", codec.UUID, codec.joined(pending.debit_account_id for pending in chosen)),
            ("credit_account_id", codec.UUID, codec.joined(pending.credit_account_id for pending in chosen)),
        ]
        if timed:
            written.append(("expires_at", codec.UINT8, [expires_at(pending) for pending in chosen]))
        codec.copy_rows(cur, "ledger_pending", len(chosen), written)
