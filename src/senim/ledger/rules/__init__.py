"""What the ledger decides: pure functions from events and the state they meet to results and effects.

This package is the single home of the ledger's semantics. The order of the checks is the order of precedence of
TigerBeetle's documentation: where several refusals apply, the first one is the answer. All arithmetic is on Python's
integers, so checks hold for the whole range of 128 bits; only then comes what the storage (63 bits) can hold.
"""

from senim.ledger.rules.accounts import AccountBook, AccountDecision, decide_accounts
from senim.ledger.rules.transfers import AccountState, Book, Decision, decide_transfers, expire

__all__ = [
    "AccountBook",
    "AccountDecision",
    "AccountState",
    "Book",
    "Decision",
    "decide_accounts",
    "decide_transfers",
    "expire",
]
