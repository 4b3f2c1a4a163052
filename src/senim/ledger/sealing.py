"""The hash chain, built behind the posting so that no writer waits for it.

A seal covers the rows of one table up to a timestamp. Rows become visible in the order of commits, not of timestamps,
so a seal may only reach as far as nothing can still appear: the frontier. It is found without any lock. Every writer
has its transaction number before it takes timestamps. A call reads the clock and then is given its own transaction
number, so whoever holds a timestamp up to that reading has a lower number. When a later call sees that all lower
numbers have ended, everything up to that reading is final.
"""

import time
from dataclasses import dataclass
from typing import Final

from psycopg import Connection, Cursor
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from senim.ledger import codec
from senim.ledger.errors import LedgerError
from senim.ledger.exact import take_timestamps

ACCOUNTS: Final = 0
TRANSFERS: Final = 1
# Ids used up by refusals lie among the transfers. They have a chain of their own, because an imported transfer may be
# older than a refusal, while a chain only ever goes forward in time.
REFUSALS: Final = 2
TABLES: Final = {ACCOUNTS: "ledger_account", TRANSFERS: "ledger_transfer", REFUSALS: "ledger_transfer"}
CHAINS: Final = {ACCOUNTS: "ledger_account", TRANSFERS: "ledger_transfer", REFUSALS: "refused_ids"}
ROWS: Final = {ACCOUNTS: "TRUE", TRANSFERS: "failed_status IS NULL", REFUSALS: "failed_status IS NOT NULL"}
ROWS_PER_SEAL: Final = 131_072
GENESIS: Final = bytes(32)

LOCK: Final = "SELECT pg_try_advisory_xact_lock(7248, 'ledger_clock'::regclass::oid::int)"
READ_FRONTIER: Final = "SELECT clock FROM ledger_tick WHERE transaction <= pg_snapshot_xmin(pg_current_snapshot())"
READ_CLOCK: Final = "SELECT last_value FROM ledger_clock"
WRITE_TICK: Final = (
    "INSERT INTO ledger_tick (clock, transaction) VALUES (%s, pg_current_xact_id()) "
    "ON CONFLICT (id) DO UPDATE SET clock = excluded.clock, transaction = excluded.transaction"
)
READ_REACHED: Final = "SELECT reached FROM ledger_tick"
WRITE_REACHED: Final = "UPDATE ledger_tick SET reached = %b"
READ_HEAD: Final = (
    "SELECT number, timestamp_last, frontier, root FROM ledger_seal WHERE kind = %s ORDER BY number DESC LIMIT 1"
)
# Any timestamp would do as the end of a seal; one that is ROWS_PER_SEAL rows away bounds a seal's work and memory.
READ_STEP: Final = (
    'SELECT "timestamp" FROM {table} WHERE "timestamp" > %(after)s AND "timestamp" <= %(frontier)s AND {rows} '
    'ORDER BY "timestamp" OFFSET %(rows)s LIMIT 1'
)
# A row at or before the previous frontier is none of ours, unless it was imported with an old timestamp: whatever else
# turns up there was put in behind the ledger's back, and must not get into the chain.
IN_SEAL: Final = (
    '"timestamp" > %(after)s AND "timestamp" <= %(until)s AND {rows} '
    'AND ("timestamp" > %(previous_frontier)s OR flags & {imported} <> 0)'
)
IMPORTED_FLAG: Final = {ACCOUNTS: 16, TRANSFERS: 256, REFUSALS: 0}
# root = SHA-256(previous root, kind, number, number of rows, SHA-256(digests of the rows in the order of timestamps))
ROOT: Final = (
    "sha256(%(previous)s::bytea || int2send(%(kind)s::smallint) || int8send(%(number)s::bigint) "
    "|| int4send(count(*)::integer) || sha256(string_agg(digest, ''::bytea)))"
)
LEAVES: Final = "string_agg(int8send(\"timestamp\") || substring(digest FROM 1 FOR 8), ''::bytea)"
DIGESTS: Final = (
    '(SELECT "timestamp", ledger_digest(t) AS digest FROM {table} t WHERE {in_seal} '
    'ORDER BY "timestamp", id) AS ordered'
)
WRITE_SEAL: Final = (
    "INSERT INTO ledger_seal "  # noqa: S608 constant parts
    "(kind, number, timestamp_first, timestamp_last, frontier, row_count, leaves, previous, root) "
    'SELECT %(kind)s, %(number)s, min("timestamp"), max("timestamp"), %(until)s, '
    f"count(*), {LEAVES}, %(previous)s, {ROOT} "
    f"FROM {DIGESTS} HAVING count(*) > 0 RETURNING row_count, timestamp_last, root"
)
WRITE_ENTRIES: Final = (
    "INSERT INTO ledger_entry (account_id, seal, timestamp_first, timestamp_last, transfer_ids) "
    'SELECT account_id, %(number)s, min("timestamp"), max("timestamp"), array_agg(id) FROM ('
    'SELECT s.account_id, t.id, t."timestamp" FROM ledger_transfer t '
    "CROSS JOIN LATERAL (VALUES (t.debit_account_id), (t.credit_account_id)) AS s (account_id) "
    "WHERE {in_seal} "
    'ORDER BY s.account_id, t."timestamp") AS touched GROUP BY account_id'
)


@dataclass(frozen=True, slots=True)
class SealReport:
    """What one call of ``seal`` did: rows sealed, and the timestamp (ns) up to which the ledger is final."""

    row_count: int
    frontier: int
    is_complete: bool


def in_seal(kind: int) -> str:
    """The condition that says which rows belong to a seal."""
    return IN_SEAL.format(imported=IMPORTED_FLAG[kind], rows=ROWS[kind])


def seal(connection: Connection[TupleRow], seals_max: int = 8) -> SealReport:
    """Seal what has become final, at most ``seals_max`` seals of a kind, in transactions of its own.

    A worker calls this each second; a call seals what the call before it saw. Where another sealer is at work it does
    nothing. Never blocks writers and never waits for them; a transaction left open for long holds the chain back.
    Raises ``LedgerError`` inside a transaction.
    """
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        raise LedgerError("sealing needs transactions of its own: call it outside of any")
    cur = codec.cursor(connection)
    with connection.transaction():
        # Moves the clock up to now: what is later put in with a time before now will stand out.
        take_timestamps(cur, 1)
    with connection.transaction():
        cur.execute("SET LOCAL jit = off")
        row = cur.execute(LOCK).fetchone()
        if row is None or not row[0]:
            return SealReport(0, 0, is_complete=False)
        row = cur.execute(READ_FRONTIER).fetchone()
        frontier = int(row[0]) if row else 0
        row = cur.execute(READ_CLOCK).fetchone()
        assert row is not None
        # The first write of this transaction: only now, after the clock was read, is its number given.
        cur.execute(WRITE_TICK, (row[0],))
        reached = read_reached(cur)
        counts = [_seal_kind(cur, kind, frontier, reached[kind], seals_max) for kind in TABLES]
        reached = [frontier if complete else before for before, (_, complete) in zip(reached, counts, strict=True)]
        cur.execute(WRITE_REACHED, (codec.int8_array(reached),))
        return SealReport(sum(count for count, _ in counts), frontier, all(complete for _, complete in counts))


def read_reached(cur: Cursor[TupleRow]) -> list[int]:
    """Up to where each kind is sealed whole: a row that is older, not imported and in no seal was put in."""
    row = cur.execute(READ_REACHED).fetchone()
    return list(row[0]) if row else [0] * len(TABLES)


def seal_all(connection: Connection[TupleRow], patience_seconds: float = 10.0) -> SealReport:
    """Seal everything that was committed before this call; waits up to ``patience_seconds`` for writers under way."""
    with connection.transaction():
        row = connection.execute(READ_CLOCK).fetchone()
    assert row is not None
    target, until, sealed = row[0], time.monotonic() + patience_seconds, 0
    while True:
        report = seal(connection)
        sealed += report.row_count
        if (report.frontier >= target and report.is_complete) or time.monotonic() > until:
            return SealReport(sealed, report.frontier, report.is_complete and report.frontier >= target)
        if not report.row_count:
            time.sleep(0.005)


def _seal_kind(cur: Cursor[TupleRow], kind: int, frontier: int, reached: int, seals_max: int) -> tuple[int, bool]:
    """Rows sealed, and whether the frontier was reached."""
    row = cur.execute(READ_HEAD, (kind,)).fetchone()
    number, after, previous_frontier, previous = row or (-1, 0, 0, GENESIS)
    previous_frontier = max(previous_frontier, reached)
    table, condition = TABLES[kind], in_seal(kind)
    sealed = 0
    for _ in range(seals_max):
        step = READ_STEP.format(table=table, rows=ROWS[kind])
        found = cur.execute(step, {"after": after, "frontier": frontier, "rows": ROWS_PER_SEAL}).fetchone()
        until = int(found[0]) if found else frontier
        parameters = {
            "kind": kind,
            "number": number + 1,
            "previous": bytes(previous),
            "previous_frontier": previous_frontier,
            "after": after,
            "until": until,
        }
        written = cur.execute(WRITE_SEAL.format(table=table, in_seal=condition), parameters).fetchone()
        if written is None:
            return sealed, True
        if kind == TRANSFERS:
            cur.execute(WRITE_ENTRIES.format(in_seal=condition), parameters)
        number += 1
        sealed += written[0]
        after, previous = written[1], written[2]
        previous_frontier = until
        if found is None:
            return sealed, True
    return sealed, False
