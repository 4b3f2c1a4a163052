"""The ledger: double-entry accounts and transfers with TigerBeetle's semantics, on PostgreSQL.

This is the whole door; what is not named here is the ledger's own business. Every function works on a raw psycopg
connection inside the caller's transaction, so money moves together with whatever else the caller writes, or not at all:

    with transaction.atomic():
        ...
        results = ledger.post(connection.connection, transfers)
"""

from senim.ledger.accounts import create_accounts, lookup_accounts
from senim.ledger.expiry import expire_pending
from senim.ledger.history import Statement, StatementLine, balance_at, statement
from senim.ledger.posting import post
from senim.ledger.queries import get_account_balances, get_account_transfers, lookup_transfers
from senim.ledger.sealing import SealReport, seal, seal_all
from senim.ledger.types import (
    Account,
    AccountBalance,
    AccountFilter,
    AccountFlags,
    FilterFlags,
    Result,
    Results,
    Status,
    Transfer,
    TransferColumns,
    TransferFlags,
)
from senim.ledger.verify import Finding, Report, verify

__all__ = [
    "Account",
    "AccountBalance",
    "AccountFilter",
    "AccountFlags",
    "FilterFlags",
    "Finding",
    "Report",
    "Result",
    "Results",
    "SealReport",
    "Statement",
    "StatementLine",
    "Status",
    "Transfer",
    "TransferColumns",
    "TransferFlags",
    "balance_at",
    "create_accounts",
    "expire_pending",
    "get_account_balances",
    "get_account_transfers",
    "lookup_accounts",
    "lookup_transfers",
    "post",
    "seal",
    "seal_all",
    "statement",
    "verify",
]
