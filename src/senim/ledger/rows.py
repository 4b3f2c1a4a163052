"""Reading rows of the ledger's tables as its values."""

from typing import Any, Final

from senim.ledger.types import Account, Transfer

TRANSFER_COLUMNS: Final = (
    "t.id, t.debit_account_id, t.credit_account_id, t.amount, t.pending_id, t.user_data_128, t.user_data_64, "
    't.user_data_32, t.timeout, t.ledger, t.code, t.flags, t."timestamp"'
)
ACCOUNT_COLUMNS: Final = (
    "a.id, b.debits_pending, b.debits_posted, b.credits_pending, b.credits_posted, a.user_data_128, a.user_data_64, "
    'a.user_data_32, a.ledger, a.code, b.flags, a."timestamp"'
)

MASK_64: Final = 2**64 - 1
MASK_32: Final = 2**32 - 1
MASK_16: Final = 2**16 - 1


def transfer_of(row: tuple[Any, ...]) -> Transfer:
    """A row of ``TRANSFER_COLUMNS``."""
    (id_, debit, credit, amount, pending, data_128, data_64, data_32, timeout, ledger, code, flags, timestamp) = row
    return Transfer(
        id_.int,
        debit.int,
        credit.int,
        amount,
        pending.int if pending else 0,
        data_128.int if data_128 else 0,
        (data_64 or 0) & MASK_64,
        (data_32 or 0) & MASK_32,
        (timeout or 0) & MASK_32,
        ledger & MASK_32,
        code & MASK_16,
        flags & MASK_16,
        timestamp,
    )


def account_of(row: tuple[Any, ...]) -> Account:
    """A row of ``ACCOUNT_COLUMNS``."""
    id_, debits_pending, debits_posted, credits_pending, credits_posted, data_128, data_64, data_32, *rest = row
    ledger, code, flags, timestamp = rest
    return Account(
        id_.int,
        debits_pending,
        debits_posted,
        credits_pending,
        credits_posted,
        data_128.int,
        data_64 & MASK_64,
        data_32 & MASK_32,
        0,
        ledger & MASK_32,
        code & MASK_16,
        flags & MASK_16,
        timestamp,
    )
