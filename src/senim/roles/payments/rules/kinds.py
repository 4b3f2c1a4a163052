"""The closed lists of the payment system, by the words of its rules. Stored as the numbers and words given here."""

from enum import IntEnum, StrEnum


class Kind(IntEnum):
    """Kinds of operation (PS-7.3.1 to PS-7.3.4); also the code of the ledger transfer that carries it."""

    TOP_UP = 1
    TRANSFER = 2
    PURCHASE = 3
    CASH_WITHDRAWAL = 4


class Means(IntEnum):
    """By what the operation was made (PS-1.1.11)."""

    DETAILS = 1
    QR = 2
    IIN = 3


class Source(IntEnum):
    """How the operation came to the Centre."""

    SINGLE = 1
    BATCH = 2
    FILE = 3


class Status(IntEnum):
    """The Centre's decision (PS-7.5.3)."""

    ACCEPTED = 1
    REFUSED = 2


class DayState(StrEnum):
    """How far an operating day has come; each state is reached in one transaction and never left backwards."""

    OPEN = "open"
    CLOSED = "closed"
    NETTED = "netted"
    INSTRUCTED = "instructed"
    SETTLED = "settled"
    REPORTED = "reported"


class InstructionState(StrEnum):
    """The settlement bank's word on one instruction."""

    SENT = "sent"
    SETTLED = "settled"
    REFUSED = "refused"


class FileState(StrEnum):
    """Life of a received file; a refused file has recorded nothing."""

    RECEIVED = "received"
    CHECKING = "checking"
    RECORDING = "recording"
    RECORDED = "recorded"
    REFUSED = "refused"


class AccountCode(IntEnum):
    """What a ledger account is for."""

    CUSTOMER = 1
    CLEARING = 2
    CASH = 3
    SETTLEMENT = 4
    CAP_CONTROL = 5
    CLEARING_HUB = 6


class TransferCode(IntEnum):
    """What a ledger transfer is for, beside the kinds of operation."""

    POSITION = 10
    CAP_CHANGE = 11
    SETTLEMENT = 12
    OPENING_BALANCE = 13
    CLOSING = 14


LEDGER_KZT = 398
"""The ledger of tenge: ISO 4217 numeric code."""
