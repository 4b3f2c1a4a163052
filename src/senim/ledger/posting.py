"""Posting: read and lock what a batch touches, let the rules decide, write the outcome. All inside the caller's
transaction, one round of statements for the whole batch.

There are two ways to the same end. The short way serves batches of plain transfers: their sums go to the balances in
one UPDATE, whose answer proves that no order of these transfers could cross a limit; then the transfers are copied in.
Where the proof fails, or for anything but plain transfers, the exact way decides every transfer by the rules.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import Connection, Cursor, DatabaseError
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from senim.ledger import codec
from senim.ledger.columns import columns_of, transfers_of
from senim.ledger.exact import Deltas, post_exactly
from senim.ledger.types import Column, Results, Transfer, TransferColumns


class NeedsDecisions(DatabaseError, code="SL001"):
    """A batch cannot be proven to succeed as a whole; raised by the database in ``post_alone`` only."""


# Below this total no sum of a batch can come near the 63 bits of a column.
PLAIN_TOTAL_MAX: Final = 2**60
# Above this, COPY is cheaper than a statement with arrays, in spite of its round trips.
ONE_STATEMENT_MAX: Final = 1_000
POST_PLAIN: Final = "SELECT ledger_post_plain(%b, %b, %b, %s, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)"
TOUCH: Final = "SELECT ledger_touch(%b, %b, %b, %s, %s)"


def post(connection: Connection[TupleRow], transfers: Sequence[Transfer] | TransferColumns) -> Results:
    """Create ``transfers`` in order, inside the caller's open transaction; one result per transfer, in order.

    ``connection`` is a raw psycopg connection (with Django: ``connection.connection``) in READ COMMITTED. Nothing is
    visible to others until the caller commits, and all of it vanishes if the caller rolls back. Any number of
    processes may post at the same time: touched accounts are locked in the order of their ids until the transaction
    ends, so a later ``post`` in the same transaction may deadlock with another writer (PostgreSQL then aborts one of
    them: retry the transaction). Prefer one ``post`` with a whole batch; for many transfers use ``TransferColumns``.

    Refusals are statuses, not exceptions. Raises ``LedgerContention`` when concurrent writers kept creating the same
    ids; the transaction may be tried again.
    """
    count = transfers.count if isinstance(transfers, TransferColumns) else len(transfers)
    if count == 0:
        return Results(0, 0)
    cur = codec.cursor(connection)
    columns = transfers if isinstance(transfers, TransferColumns) else columns_of(transfers)
    if columns is None or not _is_plain(columns):
        return post_exactly(cur, _objects(transfers), None)
    deltas = _sum_by_account(columns)
    try:
        first_timestamp = _post_plain(cur, deltas, columns)
        if first_timestamp > 0:
            return Results(count, first_timestamp)
        return post_exactly(cur, _objects(transfers), deltas if first_timestamp == 0 else None)
    except BaseException:
        _abort(cur)
        raise


def _objects(transfers: Sequence[Transfer] | TransferColumns) -> Sequence[Transfer]:
    return transfers_of(transfers) if isinstance(transfers, TransferColumns) else transfers


def _abort(cur: Cursor[TupleRow]) -> None:
    """Make the caller's transaction fail: sums may be in without their transfers, and must never be committed."""
    with suppress(psycopg.Error):
        cur.execute("DO $$ BEGIN RAISE EXCEPTION 'ledger: a posting was broken off'; END $$")


def _post_plain(cur: Cursor[TupleRow], deltas: Deltas, columns: TransferColumns) -> int:
    """The short way: the first timestamp, or 0 (the sums are in, nothing else), or -1 (nothing is)."""
    if columns.count <= ONE_STATEMENT_MAX:
        return _post_in_one_statement(cur, deltas, columns, is_alone=False)
    first_timestamp = _touch(cur, deltas, columns)
    if first_timestamp > 0 and not _copy_plain(cur, columns, first_timestamp):
        return 0
    return first_timestamp


def post_alone(connection: Connection[TupleRow], transfers: Sequence[Transfer]) -> Results:
    """Post a batch in a transaction of its own, on an autocommit connection; as ``post`` otherwise.

    A small plain batch takes one statement and so one trip to the server.
    """
    if 0 < len(transfers) <= ONE_STATEMENT_MAX:
        columns = columns_of(transfers)
        if columns is not None and _is_plain(columns):
            deltas = _sum_by_account(columns)
            try:
                first = _post_in_one_statement(codec.cursor(connection), deltas, columns, is_alone=True)
                return Results(len(transfers), first)
            except (NeedsDecisions, UniqueViolation):
                pass  # the statement left nothing behind: decide one by one below
    with connection.transaction():
        return post(connection, transfers)


def _is_plain(columns: TransferColumns) -> bool:
    """Whether the short way may try: nothing but amounts between different accounts, all valid by form."""
    flags = columns.flags
    if not isinstance(flags, int):
        # A chain whose every transfer succeeds is no different from single transfers, if it is closed.
        every = np.asarray(flags)
        flags = int(np.bitwise_or.reduce(every)) & ~1 | int(every[-1] & 1)
    if flags or columns.pending_id or not _is_zero(columns.timeout):
        return False
    if not isinstance(columns.ledger, int) or not 0 < columns.ledger < 2**32:
        return False
    codes = np.asarray(columns.code)
    if codes.min() < 1 or codes.max() > 2**16 - 1:
        return False
    amounts = np.asarray(columns.amount, dtype=np.int64)
    if amounts.min() < 0 or int(amounts.max()) * columns.count > PLAIN_TOTAL_MAX:
        return False
    ids = np.frombuffer(columns.id, dtype=np.uint64).reshape(-1, 2)
    high_or_low, high_and_low = ids[:, 0] | ids[:, 1], ids[:, 0] & ids[:, 1]
    if not high_or_low.all() or int(high_and_low.max()) == 2**64 - 1:
        return False
    debits = np.frombuffer(columns.debit_account_id, dtype=np.uint64).reshape(-1, 2)
    credits_ = np.frombuffer(columns.credit_account_id, dtype=np.uint64).reshape(-1, 2)
    return not bool((debits == credits_).all(axis=1).any())


def _is_zero(column: Column) -> bool:
    return not column if isinstance(column, int) else not np.asarray(column).any()


def _sum_by_account(columns: TransferColumns) -> Deltas:
    """The touched accounts in the order of their ids, with the sums of their debits and credits."""
    count = columns.count
    joined = columns.debit_account_id + columns.credit_account_id
    keys = np.frombuffer(joined, dtype=">u8").reshape(-1, 2).astype(np.uint64)
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    is_first = np.empty(2 * count, dtype=bool)
    is_first[0] = True
    np.any(ordered[1:] != ordered[:-1], axis=1, out=is_first[1:])
    starts = np.flatnonzero(is_first)
    both: NDArray[np.int64] = np.zeros((2, 2 * count), dtype=np.int64)
    both[0, :count] = columns.amount
    both[1, count:] = columns.amount
    sums = np.add.reduceat(both[:, order], starts, axis=1)
    ids = np.frombuffer(joined, dtype=codec.UUID)[order[starts]].tobytes()
    return Deltas(ids, sums[0], sums[1])


def _touch(cur: Cursor[TupleRow], deltas: Deltas, columns: TransferColumns) -> int:
    assert isinstance(columns.ledger, int)
    parameters = (
        codec.uuid_array(deltas.account_ids),
        codec.int8_array(deltas.debits),
        codec.int8_array(deltas.credits),
        _wrapped(columns.ledger, 32),
        columns.count,
    )
    row = cur.execute(TOUCH, parameters).fetchone()
    assert row is not None
    return int(row[0])


def _post_in_one_statement(cur: Cursor[TupleRow], deltas: Deltas, columns: TransferColumns, *, is_alone: bool) -> int:
    assert isinstance(columns.ledger, int)
    parameters = (
        codec.uuid_array(deltas.account_ids),
        codec.int8_array(deltas.debits),
        codec.int8_array(deltas.credits),
        _wrapped(columns.ledger, 32),
        codec.uuid_array(columns.id),
        codec.uuid_array(columns.debit_account_id),
        codec.uuid_array(columns.credit_account_id),
        _array_of(columns.amount, columns.count, 64),
        _array_of(columns.code, columns.count, 16),
        _array_of(columns.flags, columns.count, 16),
        codec.uuid_array(columns.user_data_128),
        _array_of(columns.user_data_64, columns.count, 64, empty_for_zero=True),
        _array_of(columns.user_data_32, columns.count, 32, empty_for_zero=True),
        is_alone,
    )
    row = cur.execute(POST_PLAIN, parameters).fetchone()
    assert row is not None
    return int(row[0])


def _array_of(column: Column, count: int, bits: int, *, empty_for_zero: bool = False) -> codec.Int8Array:
    if empty_for_zero and _is_zero(column):
        return codec.int8_array(())
    values = _wrapped(column, bits)
    return codec.int8_array(np.full(count, values) if isinstance(values, int) else np.asarray(values, dtype=np.int64))


def _copy_plain(cur: Cursor[TupleRow], columns: TransferColumns, first_timestamp: int) -> bool:
    """Write the proven transfers; False (and nothing written) when one of the ids is taken."""
    count = columns.count
    written: list[codec.CopyColumn] = [
        ("timestamp", codec.UINT8, np.arange(first_timestamp, first_timestamp + count)),
        ("amount", codec.UINT8, columns.amount),
        ("ledger", codec.UINT4, _wrapped(columns.ledger, 32)),
        ("code", codec.UINT2, _wrapped(columns.code, 16)),
        ("flags", codec.UINT2, columns.flags),
        ("id", codec.UUID, columns.id),
        ("debit_account_id", codec.UUID, columns.debit_account_id),
        ("credit_account_id", codec.UUID, columns.credit_account_id),
    ]
    if columns.user_data_128:
        written.append(("user_data_128", codec.UUID, columns.user_data_128))
    if not _is_zero(columns.user_data_64):
        written.append(("user_data_64", codec.UINT8, _wrapped(columns.user_data_64, 64)))
    if not _is_zero(columns.user_data_32):
        written.append(("user_data_32", codec.UINT4, _wrapped(columns.user_data_32, 32)))
    cur.execute("SAVEPOINT ledger_copy")
    try:
        codec.copy_rows(cur, "ledger_transfer", count, written)
    except UniqueViolation:
        cur.execute("ROLLBACK TO SAVEPOINT ledger_copy")
        cur.execute("RELEASE SAVEPOINT ledger_copy")
        return False
    cur.execute("RELEASE SAVEPOINT ledger_copy")
    return True


def _wrapped(column: Column, bits: int) -> Column | NDArray[np.int32] | NDArray[np.int16]:
    """Unsigned values in two's complement of ``bits``."""
    if isinstance(column, int):
        return column - 2**bits if column >= 2 ** (bits - 1) else column
    if bits == 64:
        return codec.signed64(column)
    return codec.signed32(column) if bits == 32 else codec.signed16(column)
