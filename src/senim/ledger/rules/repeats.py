"""What a transfer with a known id is told: the same again, or how it differs from the first."""

from typing import Final

from senim.ledger.types import UINT128_MAX, Status, Transfer, TransferFlags

POST: Final = int(TransferFlags.POST_PENDING_TRANSFER)
VOID: Final = int(TransferFlags.VOID_PENDING_TRANSFER)
BALANCING: Final = int(TransferFlags.BALANCING_DEBIT | TransferFlags.BALANCING_CREDIT)


def compare(event: Transfer, existing: Transfer, pending: Transfer | None) -> Status:
    """``exists`` or the first field, in the order of precedence, in which ``event`` differs from ``existing``.

    ``pending`` is the pending transfer that ``existing`` posted or voided, if it did.
    """
    if event.flags != existing.flags:
        return Status.EXISTS_WITH_DIFFERENT_FLAGS
    if event.pending_id != existing.pending_id:
        return Status.EXISTS_WITH_DIFFERENT_PENDING_ID
    if event.timeout != existing.timeout:
        return Status.EXISTS_WITH_DIFFERENT_TIMEOUT
    if existing.flags & (POST | VOID):
        assert pending is not None
        return _compare_resolution(event, existing, pending)
    checks = (
        (event.debit_account_id != existing.debit_account_id, Status.EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID),
        (event.credit_account_id != existing.credit_account_id, Status.EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID),
        # A balancing transfer's amount is the most that it may move, so a repeat may name any amount not below it.
        (
            event.amount < existing.amount if event.flags & BALANCING else event.amount != existing.amount,
            Status.EXISTS_WITH_DIFFERENT_AMOUNT,
        ),
        (event.user_data_128 != existing.user_data_128, Status.EXISTS_WITH_DIFFERENT_USER_DATA_128),
        (event.user_data_64 != existing.user_data_64, Status.EXISTS_WITH_DIFFERENT_USER_DATA_64),
        (event.user_data_32 != existing.user_data_32, Status.EXISTS_WITH_DIFFERENT_USER_DATA_32),
        (event.ledger != existing.ledger, Status.EXISTS_WITH_DIFFERENT_LEDGER),
        (event.code != existing.code, Status.EXISTS_WITH_DIFFERENT_CODE),
    )
    return next((status for differs, status in checks if differs), Status.EXISTS)


def _compare_resolution(event: Transfer, existing: Transfer, pending: Transfer) -> Status:
    """Fields left zero in a posting or voiding transfer were taken from the pending one: compare with that."""
    whole = event.amount == (0 if event.flags & VOID else UINT128_MAX)
    checks = (
        (
            event.debit_account_id not in (0, existing.debit_account_id),
            Status.EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID,
        ),
        (
            event.credit_account_id not in (0, existing.credit_account_id),
            Status.EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID,
        ),
        ((pending.amount if whole else event.amount) != existing.amount, Status.EXISTS_WITH_DIFFERENT_AMOUNT),
        (
            (event.user_data_128 or pending.user_data_128) != existing.user_data_128,
            Status.EXISTS_WITH_DIFFERENT_USER_DATA_128,
        ),
        (
            (event.user_data_64 or pending.user_data_64) != existing.user_data_64,
            Status.EXISTS_WITH_DIFFERENT_USER_DATA_64,
        ),
        (
            (event.user_data_32 or pending.user_data_32) != existing.user_data_32,
            Status.EXISTS_WITH_DIFFERENT_USER_DATA_32,
        ),
        (event.ledger not in (0, existing.ledger), Status.EXISTS_WITH_DIFFERENT_LEDGER),
        (event.code not in (0, existing.code), Status.EXISTS_WITH_DIFFERENT_CODE),
    )
    return next((status for differs, status in checks if differs), Status.EXISTS)
