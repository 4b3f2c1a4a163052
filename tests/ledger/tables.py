"""Small tables of events for tests: one line an event, words for flags, ``key=value`` for the rest."""

from collections.abc import Sequence

import psycopg
from psycopg.rows import TupleRow

from senim import ledger
from senim.ledger import Account, AccountFlags, Status, Transfer, TransferFlags

MAX = 2**128 - 1
ACCOUNT_WORDS = {
    "linked": AccountFlags.LINKED,
    "dr<=cr": AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS,
    "cr<=dr": AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS,
    "history": AccountFlags.HISTORY,
    "imported": AccountFlags.IMPORTED,
    "closed": AccountFlags.CLOSED,
    "reserved": 1 << 15,
}
TRANSFER_WORDS = {
    "linked": TransferFlags.LINKED,
    "pending": TransferFlags.PENDING,
    "post": TransferFlags.POST_PENDING_TRANSFER,
    "void": TransferFlags.VOID_PENDING_TRANSFER,
    "bal_dr": TransferFlags.BALANCING_DEBIT,
    "bal_cr": TransferFlags.BALANCING_CREDIT,
    "close_dr": TransferFlags.CLOSING_DEBIT,
    "close_cr": TransferFlags.CLOSING_CREDIT,
    "imported": TransferFlags.IMPORTED,
    "reserved": 1 << 15,
}


def number(text: str) -> int:
    """``max`` is 2^128-1, ``max-5`` five less."""
    if text.startswith("max"):
        return MAX - int(text[4:] or 0)
    return int(text)


def account(text: str) -> Account:
    """``ID [word...] [key=value...]``; ledger 1 and code 1 unless said."""
    first, *words = text.split()
    fields = {"id": number(first), "ledger": 1, "code": 1, "flags": 0}
    for word in words:
        name, _, value = word.partition("=")
        if value and word not in ACCOUNT_WORDS:
            fields[name] = number(value)
        else:
            fields["flags"] |= int(ACCOUNT_WORDS[word])
    return Account(**fields)


def transfer(text: str) -> Transfer:
    """``ID DEBIT CREDIT AMOUNT [word...] [key=value...]``; ledger 1 and code 1 unless said."""
    first, debit, credit, amount, *words = text.split()
    fields = {
        "id": number(first),
        "debit_account_id": number(debit),
        "credit_account_id": number(credit),
        "amount": number(amount),
        "ledger": 1,
        "code": 1,
        "flags": 0,
    }
    for word in words:
        name, _, value = word.partition("=")
        if value:
            fields[name] = number(value)
        else:
            fields["flags"] |= int(TRANSFER_WORDS[word])
    return Transfer(**fields)


def lines(table: str) -> list[tuple[str, str]]:
    """(event, expected) of each line ``event -> expected``; ``#`` begins a remark."""
    found = []
    for line in table.splitlines():
        text = line.partition("#")[0].strip()
        if text:
            event, _, expected = text.partition("->")
            found.append((event.strip(), expected.strip()))
    return found


def open_accounts(connection: psycopg.Connection[TupleRow], table: str) -> None:
    """Create a batch of accounts and check each status (``ok`` unless said)."""
    rows = lines(table)
    with connection.transaction():
        results = ledger.create_accounts(connection, [account(event) for event, _ in rows])
    assert [r.status.value for r in results] == [expected or "ok" for _, expected in rows]


def post(connection: psycopg.Connection[TupleRow], table: str) -> Sequence[ledger.Result]:
    """Post a batch and check each status (``ok`` unless said)."""
    rows = lines(table)
    with connection.transaction():
        results = list(ledger.post(connection, [transfer(event) for event, _ in rows]))
    got = [f"{event} -> {r.status}" for (event, _), r in zip(rows, results, strict=True)]
    assert got == [f"{event} -> {expected or Status.OK}" for event, expected in rows]
    return results


def balances(connection: psycopg.Connection[TupleRow], account_id: int) -> tuple[int, int, int, int]:
    """Debits pending and posted, credits pending and posted."""
    (found,) = ledger.lookup_accounts(connection, [account_id])
    return found.debits_pending, found.debits_posted, found.credits_pending, found.credits_posted


def is_closed(connection: psycopg.Connection[TupleRow], account_id: int) -> bool:
    """Whether the account is closed now."""
    (found,) = ledger.lookup_accounts(connection, [account_id])
    return bool(found.flags & AccountFlags.CLOSED)
