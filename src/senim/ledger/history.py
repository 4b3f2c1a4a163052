"""An account's past: its balances as of any moment, and its statement between two."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from senim.ledger import codec
from senim.ledger.queries import get_account_transfers, timestamp_of
from senim.ledger.rules.transfers import PENDING, VOID
from senim.ledger.types import STORAGE_MAX, AccountBalance, AccountFilter, FilterFlags, Transfer

# A posted amount is that of any transfer that is neither pending (2) nor voiding (8); a pending one counts from its
# timestamp to the moment of its resolution.
READ_BALANCES: Final = """
WITH frontier AS (
    SELECT coalesce((SELECT timestamp_last FROM ledger_seal WHERE kind = 1 ORDER BY number DESC LIMIT 1), 0) AS sealed
),
mine AS (
    SELECT t.id, t.amount, t.flags, t.debit_account_id = %(account)s AS is_debit
    FROM frontier f, ledger_entry e CROSS JOIN LATERAL unnest(e.transfer_ids) AS u (id)
    JOIN ledger_transfer t ON t.id = u.id
    WHERE e.account_id = %(account)s AND e.timestamp_first <= %(moment)s AND e.timestamp_last <= f.sealed
    AND t."timestamp" <= %(moment)s
    UNION ALL
    SELECT t.id, t.amount, t.flags, t.debit_account_id = %(account)s
    FROM ledger_transfer t
    WHERE t."timestamp" > (SELECT sealed FROM frontier) AND t."timestamp" <= %(moment)s
    AND (t.debit_account_id = %(account)s OR t.credit_account_id = %(account)s)
)
SELECT
    coalesce(sum(m.amount) FILTER (WHERE m.is_debit AND p.transfer_id IS NOT NULL), 0)::bigint,
    coalesce(sum(m.amount) FILTER (WHERE m.is_debit AND m.flags & 10 = 0), 0)::bigint,
    coalesce(sum(m.amount) FILTER (WHERE NOT m.is_debit AND p.transfer_id IS NOT NULL), 0)::bigint,
    coalesce(sum(m.amount) FILTER (WHERE NOT m.is_debit AND m.flags & 10 = 0), 0)::bigint
FROM mine m LEFT JOIN ledger_pending p
ON m.flags & 2 <> 0 AND p.transfer_id = m.id AND (p.resolved_at IS NULL OR p.resolved_at > %(moment)s)
"""
PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One transfer in a statement, and the posted balances (minor units) after it."""

    transfer: Transfer
    debits_posted: int
    credits_posted: int


@dataclass(frozen=True, slots=True)
class Statement:
    """An account's statement: balances at both ends and the transfers between. ``lines`` may be walked once."""

    account_id: int
    opening: AccountBalance
    closing: AccountBalance
    lines: Iterator[StatementLine]


def balance_at(connection: Connection[TupleRow], account_id: int, moment: datetime | int) -> AccountBalance:
    """The account's balances as they stood at ``moment`` (an aware datetime or a timestamp in ns), that one included.

    An expired pending transfer counts until the ledger released it. Unknown accounts have zero balances.
    """
    timestamp = min(moment if isinstance(moment, int) else timestamp_of(moment), STORAGE_MAX)
    return _balance_at(codec.cursor(connection), account_id, timestamp)


def _balance_at(cur: Cursor[TupleRow], account_id: int, timestamp: int) -> AccountBalance:
    row = cur.execute(READ_BALANCES, {"account": UUID(int=account_id), "moment": timestamp}).fetchone()
    assert row is not None
    return AccountBalance(row[0], row[1], row[2], row[3], timestamp)


def statement(
    connection: Connection[TupleRow], account_id: int, since: datetime | int, until: datetime | int
) -> Statement:
    """The account's statement for ``since <= moment < until`` (aware datetimes or timestamps in ns)."""
    first = since if isinstance(since, int) else timestamp_of(since)
    last = (until if isinstance(until, int) else timestamp_of(until)) - 1
    opening = balance_at(connection, account_id, first - 1)
    closing = balance_at(connection, account_id, last)
    return Statement(account_id, opening, closing, _lines(connection, opening, account_id, first, last))


def _lines(
    connection: Connection[TupleRow], opening: AccountBalance, account_id: int, first: int, last: int
) -> Iterator[StatementLine]:
    debits, credits_ = opening.debits_posted, opening.credits_posted
    both = int(FilterFlags.DEBITS | FilterFlags.CREDITS)
    while True:
        chosen = AccountFilter(account_id=account_id, timestamp_min=first, timestamp_max=last, limit=PAGE, flags=both)
        page = get_account_transfers(connection, chosen)
        for transfer in page:
            if not transfer.flags & (PENDING | VOID):
                is_debit = transfer.debit_account_id == account_id
                debits += transfer.amount if is_debit else 0
                credits_ += 0 if is_debit else transfer.amount
            yield StatementLine(transfer, debits, credits_)
        if len(page) < PAGE:
            return
        first = page[-1].timestamp + 1
