"""Opening accounts and looking them up."""

from collections.abc import Iterable, Sequence
from typing import Final

from psycopg import Connection, Cursor
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from senim.ledger import codec
from senim.ledger.errors import LedgerContention
from senim.ledger.exact import ATTEMPTS_MAX, LOCK_EXCLUSIVE, LOCK_SHARED, take_timestamps
from senim.ledger.rows import ACCOUNT_COLUMNS, account_of
from senim.ledger.rules.accounts import IMPORTED, AccountBook, decide_accounts
from senim.ledger.types import TIMESTAMP_MAX, Account, Results

READ_ACCOUNTS: Final = (
    f"SELECT {ACCOUNT_COLUMNS} FROM ledger_account a JOIN ledger_balance b ON b.account_id = a.id "  # noqa: S608
    "WHERE a.id = ANY (%b)"
)
READ_TRANSFER_TIMESTAMPS: Final = (
    'SELECT "timestamp" FROM ledger_transfer WHERE "timestamp" = ANY (%b) AND failed_status IS NULL'
)


def create_accounts(connection: Connection[TupleRow], accounts: Sequence[Account]) -> Results:
    """Create ``accounts`` in order, inside the caller's open transaction; one result per account, in order.

    Idempotent by id (``exists``, ``exists_with_different_*``). Raises ``LedgerContention`` when concurrent writers
    kept creating the same ids.
    """
    if not accounts:
        return Results(0, 0)
    cur = codec.cursor(connection)
    is_imported = any(account.flags & IMPORTED for account in accounts)
    cur.execute(LOCK_EXCLUSIVE if is_imported else LOCK_SHARED)
    for _ in range(ATTEMPTS_MAX):
        cur.execute("SAVEPOINT ledger_accounts")
        try:
            results = _attempt(cur, accounts, is_imported=is_imported)
        except UniqueViolation:
            cur.execute("ROLLBACK TO SAVEPOINT ledger_accounts")
            continue
        cur.execute("RELEASE SAVEPOINT ledger_accounts")
        return results
    raise LedgerContention(event_count=len(accounts), attempts=ATTEMPTS_MAX)


def _attempt(cur: Cursor[TupleRow], events: Sequence[Account], *, is_imported: bool) -> Results:
    book = AccountBook({account.id: account for account in _read(cur, {event.id for event in events})})
    if is_imported:
        row = cur.execute('SELECT coalesce(max("timestamp"), 0) FROM ledger_account').fetchone()
        assert row is not None
        book.last_timestamp = int(row[0])
        timestamps = codec.int8_array([e.timestamp for e in events if 0 < e.timestamp <= TIMESTAMP_MAX])
        book.transfer_timestamps = frozenset(row[0] for row in cur.execute(READ_TRANSFER_TIMESTAMPS, (timestamps,)))
    first_timestamp = take_timestamps(cur, len(events))
    decision = decide_accounts(events, book, first_timestamp)
    if decision.created:
        _write(cur, decision.created)
    return Results(len(events), first_timestamp, decision.statuses, decision.timestamps)


def _write(cur: Cursor[TupleRow], accounts: Sequence[Account]) -> None:
    count = len(accounts)
    ids = codec.joined(account.id for account in accounts)
    ledgers = codec.signed32(account.ledger for account in accounts)
    flags = codec.signed16(account.flags for account in accounts)
    static: list[codec.CopyColumn] = [
        ("id", codec.UUID, ids),
        ("timestamp", codec.UINT8, [account.timestamp for account in accounts]),
        ("user_data_64", codec.UINT8, codec.signed64(account.user_data_64 for account in accounts)),
        ("ledger", codec.UINT4, ledgers),
        ("user_data_32", codec.UINT4, codec.signed32(account.user_data_32 for account in accounts)),
        ("code", codec.UINT2, codec.signed16(account.code for account in accounts)),
        ("flags", codec.UINT2, flags),
        ("user_data_128", codec.UUID, codec.joined(account.user_data_128 for account in accounts)),
    ]
    codec.copy_rows(cur, "ledger_account", count, static)
    balances: list[codec.CopyColumn] = [
        ("account_id", codec.UUID, ids),
        ("debits_pending", codec.UINT8, 0),
        ("debits_posted", codec.UINT8, 0),
        ("credits_pending", codec.UINT8, 0),
        ("credits_posted", codec.UINT8, 0),
        ("ledger", codec.UINT4, ledgers),
        ("flags", codec.UINT2, flags),
    ]
    codec.copy_rows(cur, "ledger_balance", count, balances)


def _read(cur: Cursor[TupleRow], ids: Iterable[int]) -> list[Account]:
    return [account_of(row) for row in cur.execute(READ_ACCOUNTS, (codec.uuid_array(codec.joined(ids)),))]


def lookup_accounts(connection: Connection[TupleRow], ids: Sequence[int]) -> list[Account]:
    """The accounts with these ids, in the order asked; unknown ids are left out."""
    if not ids:
        return []
    found = {account.id: account for account in _read(codec.cursor(connection), set(ids))}
    return [found[account_id] for account_id in ids if account_id in found]
