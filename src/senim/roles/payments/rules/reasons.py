"""Why an operation is refused: ISO 20022 codes (external code set ExternalStatusReason1Code) and their meaning.

The meanings are English message ids; whoever shows them to people translates them with gettext.
"""

from enum import StrEnum
from typing import Final


def gettext_noop(message: str) -> str:
    """Mark a text for the translators' catalogue; rules know no Django, so the mark is made here."""
    return message


class Reason(StrEnum):
    """The codes that Senim gives; the value is what goes over the wire and into the database."""

    INCORRECT_ACCOUNT_NUMBER = "AC01"
    INVALID_CREDITOR_ACCOUNT_NUMBER = "AC03"
    CLOSED_ACCOUNT_NUMBER = "AC04"
    CLOSED_CREDITOR_ACCOUNT_NUMBER = "AC07"
    TRANSACTION_FORBIDDEN = "AG01"
    ZERO_AMOUNT = "AM01"
    NOT_ALLOWED_AMOUNT = "AM02"
    NOT_ALLOWED_CURRENCY = "AM03"
    INSUFFICIENT_FUNDS = "AM04"
    DUPLICATION = "AM05"
    INVALID_CONTROL_SUM = "AM10"
    INVALID_NUMBER_OF_TRANSACTIONS = "AM18"
    AMOUNT_EXCEEDS_SETTLEMENT_LIMIT = "AM23"
    INVALID_DATE = "DT01"
    DUPLICATE_MESSAGE_ID = "DU01"
    SETTLEMENT_FAILED = "ED05"
    INVALID_FILE_FORMAT = "FF01"
    NARRATIVE = "NARR"
    BANK_IDENTIFIER_INCORRECT = "RC01"


MEANINGS: Final[dict[Reason, str]] = {
    Reason.INCORRECT_ACCOUNT_NUMBER: gettext_noop("The debit account does not exist or is written wrongly."),
    Reason.INVALID_CREDITOR_ACCOUNT_NUMBER: gettext_noop("The credit account does not exist or is written wrongly."),
    Reason.CLOSED_ACCOUNT_NUMBER: gettext_noop("The debit account is closed."),
    Reason.CLOSED_CREDITOR_ACCOUNT_NUMBER: gettext_noop("The credit account is closed."),
    Reason.TRANSACTION_FORBIDDEN: gettext_noop("The participant may not carry out this operation."),
    Reason.ZERO_AMOUNT: gettext_noop("The amount is zero."),
    Reason.NOT_ALLOWED_AMOUNT: gettext_noop("The amount is not allowed."),
    Reason.NOT_ALLOWED_CURRENCY: gettext_noop("The currency is not allowed."),
    Reason.INSUFFICIENT_FUNDS: gettext_noop("There is not enough money in the debit account."),
    Reason.DUPLICATION: gettext_noop("The operation has come before."),
    Reason.INVALID_CONTROL_SUM: gettext_noop("The control sum does not agree with the transactions."),
    Reason.INVALID_NUMBER_OF_TRANSACTIONS: gettext_noop("The number of transactions does not agree with the message."),
    Reason.AMOUNT_EXCEEDS_SETTLEMENT_LIMIT: gettext_noop("The payer's bank would exceed its net debit cap."),
    Reason.INVALID_DATE: gettext_noop("The date is not valid."),
    Reason.DUPLICATE_MESSAGE_ID: gettext_noop("A message with this identifier has come before."),
    Reason.SETTLEMENT_FAILED: gettext_noop("Settlement has failed."),
    Reason.INVALID_FILE_FORMAT: gettext_noop("The file format is not valid."),
    Reason.NARRATIVE: gettext_noop("The reason is given in words."),
    Reason.BANK_IDENTIFIER_INCORRECT: gettext_noop("The account's bank is not a participant of the System."),
}
