"""Which ledger account stands for what. Pure: an id is computed, never looked up.

A customer's account id is its IBAN, packed (:func:`senim.kernel.values.iban.account_id`). The accounts of participants
and of the operator are packed alike under type tags of their own: tag, bank code, and in the low bits the purpose.

How an operation moves money, Dr/Cr (the transfer's id is the operation's id, its code the kind):

- top-up: Dr cash of the initiator, Cr the customer;
- transfer and purchase: Dr the payer, Cr the payee;
- cash withdrawal: Dr the customer, Cr cash of the initiator.

Where payer and payee are clients of different banks, one bank comes to owe another. The obligations of one authorised
batch are posted by bank through the operator's clearing hub: first Dr clearing(payee's bank) Cr hub, then Dr hub
Cr clearing(payer's bank). So all that comes in counts before a bank's cap is tested, whatever order the operations of a
ring of banks stand in, and the hub is level again at the end of each batch.
"""

import datetime as dt
from enum import IntEnum
from typing import Final

from senim.kernel.values import iban

PARTICIPANT_TAG: Final = 2
OPERATOR_TAG: Final = 3
_BANK_CODE_LENGTH: Final = 3


class Purpose(IntEnum):
    """What an account of a participant or of the operator is for; the numbers are part of the account ids."""

    CLEARING = 2
    CASH = 3
    SETTLEMENT = 4
    CAP_CONTROL = 5
    CLEARING_HUB = 6


def participant_account_id(bank_code: str, purpose: Purpose) -> int:
    """The ledger account of the bank with these three digits in its IBANs.

    Raises:
        ValueError: the code is not three digits, or the purpose is the operator's.
    """
    if len(bank_code) != _BANK_CODE_LENGTH or not (bank_code.isascii() and bank_code.isdigit()):
        raise ValueError(f"a bank code has three digits, not {bank_code!r}")
    if purpose not in (Purpose.CLEARING, Purpose.CASH, Purpose.SETTLEMENT):
        raise ValueError(f"{purpose.name} is the operator's")
    return PARTICIPANT_TAG << iban.TAG_SHIFT | int(bank_code) << iban.BANK_SHIFT | purpose


def operator_account_id(purpose: Purpose) -> int:
    """The operator's own account for a purpose."""
    return OPERATOR_TAG << iban.TAG_SHIFT | purpose


CAP_CONTROL_ID: Final = operator_account_id(Purpose.CAP_CONTROL)
"""The other side of every net debit cap."""

CLEARING_HUB_ID: Final = operator_account_id(Purpose.CLEARING_HUB)
"""The central counterparty through which obligations are posted; level outside a transaction."""


def day_number(day: dt.date) -> int:
    """The operating day as YYYYMMDD: ``user_data_32`` of every transfer of that day."""
    return day.year * 10_000 + day.month * 100 + day.day
