"""Messages as values: what is read from the wire and what is written to it. Money in tiyn, moments aware."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class GroupStatus(StrEnum):
    """What became of a message as a whole (ExternalPaymentGroupStatus1Code)."""

    ACCEPTED = "ACCP"
    PARTLY = "PART"
    REJECTED = "RJCT"


class TransactionStatus(StrEnum):
    """What became of one transaction (ExternalPaymentTransactionStatus1Code).

    ``IN_PROCESS``: the customers' accounts are posted and the banks settle at the close of the operating day.
    ``SETTLED``: settled between the banks.
    """

    IN_PROCESS = "ACSP"
    SETTLED = "ACSC"
    REJECTED = "RJCT"


@dataclass(frozen=True, slots=True)
class Agent:
    """A financial institution, by its BIC; the operator, which may have none, by its name."""

    bic: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class BusinessHeader:
    """What is used of the business application header (head.001)."""

    from_bic: str
    to_bic: str
    message_id: str
    definition: str


@dataclass(frozen=True, slots=True)
class Group:
    """The group header of pacs.008 and pacs.009.

    ``control_sum`` adds up amounts whatever their currency; ``total`` is amount and currency as written.
    ``line`` is where the header begins in the file.
    """

    message_id: str
    created_at: dt.datetime | None
    transactions: int | None
    control_sum: Decimal | None
    total: Decimal | None
    total_currency: str
    settlement_date: dt.date | None
    instructing_bic: str
    instructed_bic: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class CreditTransfer:
    """One transaction of pacs.008 as it is on the wire: well formed by the schema, not yet judged.

    ``index`` counts from 1. ``amount`` is the decimal text, in ``currency``. Accounts are IBANs or whatever other
    identification was given; agents are BICs. Identifications that are absent are empty.
    """

    index: int
    line: int | None
    instruction_id: str
    end_to_end_id: str
    transaction_id: str
    uetr: str
    amount: str
    currency: str
    settlement_date: dt.date | None
    initiated_at: dt.datetime | None
    instructing_bic: str
    debtor_name: str
    debtor_account: str
    debtor_bic: str
    creditor_name: str
    creditor_account: str
    creditor_bic: str

    @property
    def path(self) -> str:
        """Where in the message it stands."""
        return f"CdtTrfTxInf[{self.index}]"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One line of a settlement message (pacs.009): an amount to be moved from one institution's account to another's.

    ``transaction_id`` is the identification that stays with it to the end; empty on the wire of those who give none.
    """

    instruction_id: str
    end_to_end_id: str
    amount_tiyn: int
    debtor: Agent
    debtor_account: str
    creditor: Agent
    creditor_account: str
    transaction_id: str = ""


@dataclass(frozen=True, slots=True)
class SettlementMessage:
    """A settlement message (pacs.009): from the operator of the payment system to the settlement bank."""

    message_id: str
    created_at: dt.datetime
    settlement_date: dt.date
    sender: Agent
    receiver: Agent
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Original:
    """The message that a status report answers, by its own words.

    ``control_sum`` in units of its currency, or None.
    """

    message_id: str
    definition: str
    created_at: dt.datetime | None = None
    transactions: int | None = None
    control_sum: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The status of one transaction in a status report (pacs.002).

    ``reason`` is an ISO code, empty when accepted; ``information`` plain words, 105 characters a piece on the wire.
    """

    status: TransactionStatus
    reason: str = ""
    information: tuple[str, ...] = ()
    instruction_id: str = ""
    end_to_end_id: str = ""
    transaction_id: str = ""
    uetr: str = ""
    accepted_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A status report (pacs.002) without its transactions, which are streamed.

    ``group_status`` is None where only transactions are reported on. ``accepted`` and ``rejected`` are written as
    numbers of transactions by status, the accepted ones under ``accepted_as``.
    """

    message_id: str
    created_at: dt.datetime
    sender: Agent
    receiver: Agent
    original: Original
    group_status: GroupStatus | None
    reason: str = ""
    information: tuple[str, ...] = ()
    accepted: int | None = None
    rejected: int | None = None
    accepted_as: TransactionStatus = TransactionStatus.IN_PROCESS
