"""Proving that the ledger is what was posted: the hash chain, every balance, every pending transfer.

All is read in one snapshot, so posting goes on meanwhile. Rows are compared inside PostgreSQL; what crosses to this
process is a hash per seal, and rows only where something differs. Memory stays flat.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from senim.ledger import codec, verify_sql
from senim.ledger.sealing import (
    ACCOUNTS,
    CHAINS,
    DIGESTS,
    GENESIS,
    IMPORTED_FLAG,
    LEAVES,
    REFUSALS,
    ROOT,
    ROWS,
    TABLES,
    TRANSFERS,
    in_seal,
    read_reached,
)
from senim.ledger.types import TIMESTAMP_MAX

FINDINGS_MAX: Final = 1_000
SEALS_PER_GROUP: Final = 100
BALANCE_NAMES: Final = ("debits_pending", "debits_posted", "credits_pending", "credits_posted", "ledger", "flags")
LEAF_BYTES: Final = 16
Progress = Callable[[str, int, int], None]

READ_SEALS: Final = (
    "SELECT number, timestamp_last, frontier, row_count, previous, root FROM ledger_seal "
    "WHERE kind = %s AND number > %s ORDER BY number LIMIT 1000"
)
RECOMPUTE: Final = (
    f"SELECT count(*), {ROOT}, {LEAVES} = "  # noqa: S608 constant parts
    f"(SELECT leaves FROM ledger_seal WHERE kind = %(kind)s AND number = %(number)s) FROM {DIGESTS}"
)
READ_LEAVES: Final = "SELECT leaves FROM ledger_seal WHERE kind = %s AND number = %s"
READ_ROWS: Final = (
    'SELECT t."timestamp", t.id, substring(ledger_digest(t) FROM 1 FOR 8) FROM {table} t '
    'WHERE "timestamp" > %(after)s AND "timestamp" <= %(until)s AND {rows} ORDER BY "timestamp", id'
)
READ_VANISHED: Final = (
    "SELECT DISTINCT u.id FROM ledger_entry e CROSS JOIN LATERAL unnest(e.transfer_ids) AS u (id) "
    "WHERE e.seal = %s AND NOT EXISTS (SELECT FROM ledger_transfer t WHERE t.id = u.id) LIMIT 1000"
)
READ_VANISHED_ACCOUNTS: Final = (
    "SELECT b.account_id FROM ledger_balance b WHERE NOT EXISTS "
    "(SELECT FROM ledger_account a WHERE a.id = b.account_id) LIMIT 1000"
)
READ_TAIL: Final = (
    'SELECT t."timestamp", t.id FROM {table} t WHERE t."timestamp" > %s AND t."timestamp" <= %s '
    "AND coalesce(t.flags, 0) & {imported} = 0 AND {rows} LIMIT 1000"
)
READ_FUTURE: Final = 'SELECT t."timestamp", t.id FROM {table} t WHERE t."timestamp" > %s AND {rows} LIMIT 1000'
# Ranges of about a million transfers each, by what the seals say of their sizes.
READ_BOUNDS: Final = (
    "SELECT max(timestamp_last) FROM (SELECT timestamp_last, sum(row_count) OVER (ORDER BY number) / 1000000 AS part "
    "FROM ledger_seal WHERE kind = 1) AS seals GROUP BY part ORDER BY part"
)
COUNT_TAIL: Final = 'SELECT count(*) FROM {table} WHERE "timestamp" > %s AND {rows}'


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was posted. ``id`` is the row's, decimal; ``timestamp`` in ns."""

    problem: str
    table: str
    id: str | None = None
    timestamp: int | None = None
    detail: str = ""


@dataclass(slots=True)
class Report:
    """What ``verify`` saw. ``heads`` are the newest roots of the chains: note them elsewhere now and then."""

    accounts: int = 0
    transfers: int = 0
    refused_ids: int = 0
    seals: int = 0
    unsealed_transfers: int = 0
    heads: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    findings_count: int = 0
    _entries: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return self.findings_count == 0

    def add(self, finding: Finding) -> None:
        """Count a finding and keep it while there are not too many."""
        self.findings_count += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON has it."""
        fields = asdict(self)
        del fields["_entries"]
        return {"sound": self.is_sound, **fields}

    def expect_entries(self, seal: int, wanted: tuple[int, int]) -> None:
        """Add what the index by account has to say of a seal's transfers: how many entries, and their mixed hash."""
        group = seal // SEALS_PER_GROUP
        count, mixed = self._entries.get(group, (0, 0))
        self._entries[group] = (count + wanted[0], mixed ^ wanted[1])

    def expected_entries(self) -> dict[int, tuple[int, int]]:
        """The sums of what was added, by group of seals."""
        return self._entries


def verify(connection: Connection[TupleRow], progress: Progress | None = None) -> Report:
    """Recompute the hash chain and every balance; the report names each changed, removed or inserted row.

    ``progress(what, done, total)`` is called as it goes. The connection must not be inside a transaction. Nothing is
    written. Transfers newer than the last seal are proven by the balances alone, and counted as unsealed.
    """
    report = Report()
    tell = progress or (lambda _what, _done, _total: None)
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SET LOCAL jit = off")
        cur = codec.cursor(connection)
        for kind in TABLES:
            _verify_chain(cur, kind, report, tell)
        for check in (_verify_entries, _verify_balances, _verify_pendings, _verify_history):
            check(cur, report, tell)
    return report


def _verify_chain(cur: Cursor[TupleRow], kind: int, report: Report, tell: Progress) -> None:
    chain = CHAINS[kind]
    total = _count(cur, "SELECT count(*) FROM ledger_seal WHERE kind = %s", kind)
    previous, after, previous_frontier, expected_number, sealed = GENESIS, 0, 0, 0, 0
    for done, seal in enumerate(_seals(cur, kind), start=1):
        number, until, frontier, row_count, stored_previous, root = seal
        if number != expected_number:
            report.add(Finding("removed", "ledger_seal", detail=f"{chain}: seals {expected_number} to {number - 1}"))
            previous = bytes(stored_previous)
        elif bytes(stored_previous) != previous:
            detail = f"{chain}: not chained to the seal before"
            report.add(Finding("changed", "ledger_seal", str(number), detail=detail))
        parameters: dict[str, object] = {
            "kind": kind,
            "number": number,
            "previous": previous,
            "previous_frontier": previous_frontier,
            "after": after,
            "until": until,
        }
        _verify_seal(cur, kind, parameters, (row_count, root), report)
        previous, after, previous_frontier, expected_number = bytes(root), until, frontier, number + 1
        sealed += row_count
        tell(f"{chain}: seals", done, total)
    report.seals += total
    report.heads[chain] = previous.hex()
    tail = _verify_tail(cur, kind, after, max(previous_frontier, read_reached(cur)[kind]), report)
    if kind == TRANSFERS:
        report.transfers, report.unsealed_transfers = sealed + tail, tail
    elif kind == REFUSALS:
        report.refused_ids = sealed + tail
    else:
        report.accounts = sealed + tail


def _seals(cur: Cursor[TupleRow], kind: int) -> Iterator[tuple[Any, ...]]:
    """All seals of a kind in order, a page at a time."""
    page = cur.execute(READ_SEALS, (kind, -1)).fetchall()
    while page:
        yield from page
        page = cur.execute(READ_SEALS, (kind, page[-1][0])).fetchall()


def _verify_seal(
    cur: Cursor[TupleRow], kind: int, parameters: dict[str, object], stored: tuple[int, bytes], report: Report
) -> None:
    """Recompute one seal from its rows; where it differs, find the rows."""
    number = int(str(parameters["number"]))
    query = RECOMPUTE.format(table=TABLES[kind], in_seal=in_seal(kind))
    counted, recomputed, leaves_match = cur.execute(query, parameters).fetchone() or (0, None, False)
    if (counted, recomputed) != stored or _has_strangers(cur, kind, parameters):
        for finding in _differences(cur, kind, number, parameters):
            report.add(finding)
    elif not leaves_match:
        report.add(
            Finding("changed", "ledger_seal", str(number), detail=f"{CHAINS[kind]}: its leaves are not its rows'")
        )
    if kind == TRANSFERS:
        row = cur.execute(verify_sql.ENTRIES_WANTED.format(in_seal=in_seal(kind)), parameters).fetchone()
        assert row is not None
        report.expect_entries(number, (row[0], row[1] or 0))


def _count(cur: Cursor[TupleRow], query: str, parameter: int) -> int:
    row = cur.execute(query, (parameter,)).fetchone()
    assert row is not None
    return int(row[0])


def _has_strangers(cur: Cursor[TupleRow], kind: int, parameters: dict[str, object]) -> bool:
    """Whether rows lie in the seal's range that the sealing would not have taken."""
    if parameters["after"] == parameters["previous_frontier"]:
        return False
    query = READ_TAIL.format(table=TABLES[kind], imported=IMPORTED_FLAG[kind], rows=ROWS[kind])
    return cur.execute(query, (parameters["after"], parameters["previous_frontier"])).fetchone() is not None


def _differences(cur: Cursor[TupleRow], kind: int, number: int, parameters: dict[str, object]) -> Iterator[Finding]:
    """Which rows of a seal's range are not those that were sealed."""
    table = TABLES[kind]
    row = cur.execute(READ_LEAVES, (kind, number)).fetchone()
    leaves = bytes(row[0]) if row else b""
    sealed = Counter(leaves[at : at + LEAF_BYTES] for at in range(0, len(leaves), LEAF_BYTES))
    extra: dict[int, list[int]] = {}
    for timestamp, row_id, digest in cur.execute(READ_ROWS.format(table=table, rows=ROWS[kind]), parameters).fetchall():
        leaf = timestamp.to_bytes(8, "big") + bytes(digest)
        if sealed[leaf] > 0:
            sealed[leaf] -= 1
        else:
            extra.setdefault(timestamp, []).append(row_id.int)
    found = False
    missing = [int.from_bytes(leaf[:8], "big") for leaf, count in sealed.items() for _ in range(count)]
    gone: list[int] = []
    for timestamp in missing:
        found = True
        if extra.get(timestamp):
            yield Finding("changed", table, str(extra[timestamp].pop(0)), timestamp)
        else:
            gone.append(timestamp)
    if gone:
        yield from _removed(cur, kind, number, gone)
    for timestamp, ids in extra.items():
        for row_id in ids:
            found = True
            yield Finding("inserted", table, str(row_id), timestamp)
    if not found:
        yield Finding(
            "changed", "ledger_seal", str(number), detail=f"{CHAINS[kind]}: the seal does not match its own rows"
        )


def _removed(cur: Cursor[TupleRow], kind: int, number: int, timestamps: list[int]) -> Iterator[Finding]:
    """Removed rows, by the ids that the accounts' entries still name (or, beyond those, by timestamp)."""
    ids: list[str | None] = []
    if kind == TRANSFERS:
        ids = [str(row[0].int) for row in cur.execute(READ_VANISHED, (number,)).fetchall()]
    elif kind == ACCOUNTS:
        ids = [str(row[0].int) for row in cur.execute(READ_VANISHED_ACCOUNTS).fetchall()]
    known = len(timestamps) == 1 == len(ids)
    for at, timestamp in enumerate(timestamps):
        row_id = ids[at] if at < len(ids) else None
        yield Finding("removed", TABLES[kind], row_id, timestamp if known or row_id is None else None)


def _verify_tail(cur: Cursor[TupleRow], kind: int, after: int, frontier: int, report: Report) -> int:
    """Rows newer than the last seal: none may lie before ``frontier`` unless imported, nor after the clock."""
    table = TABLES[kind]
    query = READ_TAIL.format(table=table, imported=IMPORTED_FLAG[kind], rows=ROWS[kind])
    for timestamp, row_id in cur.execute(query, (after, frontier)).fetchall():
        report.add(Finding("inserted", table, str(row_id.int), timestamp, "its timestamp was already sealed"))
    row = cur.execute("SELECT last_value FROM ledger_clock").fetchone()
    assert row is not None
    for timestamp, row_id in cur.execute(READ_FUTURE.format(table=table, rows=ROWS[kind]), (row[0],)).fetchall():
        report.add(Finding("inserted", table, str(row_id.int), timestamp, "the clock never gave this timestamp"))
    return _count(cur, COUNT_TAIL.format(table=table, rows=ROWS[kind]), after)


def _verify_entries(cur: Cursor[TupleRow], report: Report, tell: Progress) -> None:
    """The index by account must name each sealed transfer under both of its accounts."""
    tell("transfers by account", 0, 1)
    rows = cur.execute(verify_sql.ENTRIES_STORED, (SEALS_PER_GROUP,)).fetchall()
    stored = {group: (count, mixed) for group, count, mixed in rows}
    wanted = {group: pair for group, pair in report.expected_entries().items() if pair[0]}
    for group in sorted(stored.keys() | wanted.keys()):
        if stored.get(group) != wanted.get(group):
            first = group * SEALS_PER_GROUP
            detail = f"the transfers by account of seals {first} to {first + SEALS_PER_GROUP - 1} are not those sealed"
            report.add(Finding("changed", "ledger_entry", detail=detail))
    tell("transfers by account", 1, 1)


def _verify_balances(cur: Cursor[TupleRow], report: Report, tell: Progress) -> None:
    """Sum the transfers a range at a time, then compare every account."""
    bounds = [row[0] for row in cur.execute(READ_BOUNDS).fetchall()]
    sealed_until = bounds[-1] if bounds else 0
    bounds.append(TIMESTAMP_MAX)
    cur.execute(verify_sql.CREATE_SUMS)
    after = -1
    for done, until in enumerate(bounds, start=1):
        cur.execute(verify_sql.ADD_SUMS, (after, until))
        after = until
        tell("balances: ranges of transfers", done, len(bounds))
    wrong = bytearray()
    for account_id, *values in cur.execute(verify_sql.BALANCES).fetchall():
        pairs = zip(BALANCE_NAMES, values[::2], values[1::2], strict=True)
        detail = ", ".join(f"{name} is {have}, by the transfers {want}" for name, have, want in pairs if have != want)
        # A transfer may have lost its accounts.
        report.add(Finding("changed", "ledger_balance", str(account_id.int) if account_id else None, detail=detail))
        wrong += account_id.bytes if account_id else b""
    if wrong:
        _name_unsealed(cur, bytes(wrong), sealed_until, report)


def _name_unsealed(cur: Cursor[TupleRow], wrong: bytes, sealed_until: int, report: Report) -> None:
    """Transfers that no seal covers yet, between accounts whose balances are wrong: one of them may be the cause."""
    ids = codec.uuid_array(wrong)
    for row_id, timestamp in cur.execute(verify_sql.UNSEALED_BETWEEN, (sealed_until, ids, ids)).fetchall():
        detail = "not sealed yet, and its accounts' balances do not agree with their transfers"
        report.add(Finding("suspect", "ledger_transfer", str(row_id.int), timestamp, detail))


def _verify_pendings(cur: Cursor[TupleRow], report: Report, tell: Progress) -> None:
    tell("pending transfers", 0, 1)
    for transfer_id, detail in cur.execute(verify_sql.PENDINGS).fetchall():
        report.add(Finding("changed", "ledger_pending", str(transfer_id.int), detail=detail))
    tell("pending transfers", 1, 1)


def _verify_history(cur: Cursor[TupleRow], report: Report, tell: Progress) -> None:
    tell("histories of balances", 0, 1)
    for account_id, timestamp, problem in cur.execute(verify_sql.HISTORY).fetchall():
        report.add(Finding(problem, "ledger_history", str(account_id.int), timestamp))
    tell("histories of balances", 1, 1)
