"""Questions about transfers and balances: by id, by account, as of a moment."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from senim.ledger import codec
from senim.ledger.rows import TRANSFER_COLUMNS, transfer_of
from senim.ledger.types import (
    FILTER_FLAGS_ALL,
    TIMESTAMP_MAX,
    UINT128_MAX,
    AccountBalance,
    AccountFilter,
    AccountFlags,
    FilterFlags,
    Transfer,
)

PAGE: Final = 1_000
BYTES_PER_ID: Final = 20
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

LOOKUP_TRANSFERS: Final = (
    f"SELECT {TRANSFER_COLUMNS} FROM ledger_transfer t WHERE t.id = ANY (%b) AND t.failed_status IS NULL"  # noqa: S608
)
READ_FRONTIER: Final = (
    "SELECT coalesce((SELECT timestamp_last FROM ledger_seal WHERE kind = 1 ORDER BY number DESC LIMIT 1), 0)"
)
# Sealed transfers are found through the entries of the account, the others (the last second's) by their timestamps.
READ_SEALS: Final = (
    "SELECT seal, pg_column_size(transfer_ids) FROM ledger_entry "
    "WHERE account_id = %(account)s AND timestamp_last >= %(least)s "
    "AND timestamp_first <= %(most)s AND timestamp_last <= %(frontier)s AND {after} ORDER BY seal {direction} LIMIT 64"
)
READ_SEALED: Final = (
    f"SELECT {TRANSFER_COLUMNS} FROM ledger_entry e CROSS JOIN LATERAL unnest(e.transfer_ids) AS u (id) "  # noqa: S608
    "JOIN ledger_transfer t ON t.id = u.id WHERE e.account_id = %(account)s AND e.seal BETWEEN %(first)s AND %(last)s "
    'AND {conditions} ORDER BY t."timestamp" {direction} LIMIT %(limit)s'
)
READ_TAIL: Final = (
    f'SELECT {TRANSFER_COLUMNS} FROM ledger_transfer t WHERE t."timestamp" > %(frontier)s '  # noqa: S608
    'AND {conditions} ORDER BY t."timestamp" {direction} LIMIT %(limit)s'
)
READ_HISTORY: Final = (
    'SELECT debits_pending, debits_posted, credits_pending, credits_posted, "timestamp" FROM ledger_history '
    'WHERE account_id = %s AND "timestamp" = ANY (%b)'
)


def lookup_transfers(connection: Connection[TupleRow], ids: Sequence[int]) -> list[Transfer]:
    """The transfers with these ids, in the order asked; unknown ids are left out."""
    if not ids:
        return []
    rows = codec.cursor(connection).execute(LOOKUP_TRANSFERS, (codec.uuid_array(codec.joined(set(ids))),))
    found = {transfer.id: transfer for transfer in map(transfer_of, rows)}
    return [found[transfer_id] for transfer_id in ids if transfer_id in found]


def is_valid(chosen: AccountFilter) -> bool:
    """Whether a filter can match anything: an invalid one has an empty answer, not an error."""
    return (
        0 < chosen.account_id < UINT128_MAX
        and 0 <= chosen.timestamp_min <= TIMESTAMP_MAX
        and 0 <= chosen.timestamp_max <= TIMESTAMP_MAX
        and (chosen.timestamp_max == 0 or chosen.timestamp_min <= chosen.timestamp_max)
        and chosen.limit > 0
        and bool(chosen.flags & (FilterFlags.DEBITS | FilterFlags.CREDITS))
        and not chosen.flags & ~FILTER_FLAGS_ALL
        and chosen.reserved == 0
    )


def get_account_transfers(connection: Connection[TupleRow], chosen: AccountFilter) -> list[Transfer]:
    """The account's transfers by timestamp (newest first with ``reversed``), at most ``limit``."""
    if not is_valid(chosen):
        return []
    found: list[Transfer] = []
    for transfer in _walk(codec.cursor(connection), chosen):
        found.append(transfer)
        if len(found) == chosen.limit:
            break
    return found


def get_account_balances(connection: Connection[TupleRow], chosen: AccountFilter) -> list[AccountBalance]:
    """The balances after each of the account's transfers; empty unless the account was created with ``history``."""
    if not is_valid(chosen):
        return []
    cur = codec.cursor(connection)
    account = UUID(int=chosen.account_id)
    row = cur.execute("SELECT flags FROM ledger_account WHERE id = %s", (account,)).fetchone()
    if row is None or not row[0] & AccountFlags.HISTORY:
        return []
    timestamps = [transfer.timestamp for transfer in get_account_transfers(connection, chosen)]
    rows = cur.execute(READ_HISTORY, (account, codec.int8_array(timestamps)))
    balances = {row[4]: AccountBalance(*row) for row in rows}
    return [balances[timestamp] for timestamp in timestamps]


def _conditions(chosen: AccountFilter) -> tuple[str, dict[str, object]]:
    sides = []
    if chosen.flags & FilterFlags.DEBITS:
        sides.append("t.debit_account_id = %(account)s")
    if chosen.flags & FilterFlags.CREDITS:
        sides.append("t.credit_account_id = %(account)s")
    conditions = [f"({' OR '.join(sides)})", 't."timestamp" BETWEEN %(least)s AND %(most)s']
    parameters: dict[str, object] = {
        "account": UUID(int=chosen.account_id),
        "least": chosen.timestamp_min,
        "most": chosen.timestamp_max or TIMESTAMP_MAX,
    }
    if chosen.user_data_128:
        conditions.append("t.user_data_128 = %(data_128)s")
        parameters["data_128"] = UUID(int=chosen.user_data_128)
    for name, bits in (("user_data_64", 64), ("user_data_32", 32), ("code", 16)):
        value = getattr(chosen, name)
        if value:
            conditions.append(f"t.{name} = %({name})s")
            parameters[name] = value - 2**bits if value >= 2 ** (bits - 1) else value
    return " AND ".join(conditions), parameters


def _walk(cur: Cursor[TupleRow], chosen: AccountFilter) -> Iterator[Transfer]:
    """The matching transfers in order, a few seals at a time: memory stays flat however long the history is."""
    conditions, parameters = _conditions(chosen)
    row = cur.execute(READ_FRONTIER).fetchone()
    assert row is not None
    parameters |= {"frontier": row[0], "limit": chosen.limit}
    direction = "DESC" if chosen.flags & FilterFlags.REVERSED else "ASC"
    tail = READ_TAIL.format(conditions=conditions, direction=direction)
    if direction == "DESC":
        yield from map(transfer_of, cur.execute(tail, parameters).fetchall())
    yield from _walk_sealed(cur, conditions, parameters, direction)
    if direction == "ASC":
        yield from map(transfer_of, cur.execute(tail, parameters).fetchall())


def _walk_sealed(
    cur: Cursor[TupleRow], conditions: str, parameters: dict[str, object], direction: str
) -> Iterator[Transfer]:
    after = "TRUE"
    while True:
        query = READ_SEALS.format(after=after, direction=direction)
        found = cur.execute(query, parameters).fetchall()
        if not found:
            return
        seals = _enough(found, int(str(parameters["limit"])))
        parameters |= {"first": min(seals), "last": max(seals), "reached": seals[-1]}
        query = READ_SEALED.format(conditions=conditions, direction=direction)
        yield from map(transfer_of, cur.execute(query, parameters).fetchall())
        after = "seal < %(reached)s" if direction == "DESC" else "seal > %(reached)s"


def _enough(found: list[tuple[int, int]], limit: int) -> list[int]:
    """The first seals that together may hold ``limit`` transfers: a busy account has thousands in each."""
    seals = []
    bytes_left = max(limit, PAGE) * BYTES_PER_ID
    for seal, size_bytes in found:
        seals.append(seal)
        bytes_left -= size_bytes
        if bytes_left <= 0:
            break
    return seals


def timestamp_of(moment: datetime) -> int:
    """Nanoseconds since 1970 of an aware moment."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def moment_of(timestamp: int) -> datetime:
    """The UTC moment of a timestamp, to the microsecond."""
    return EPOCH + timedelta(microseconds=timestamp // 1000)
