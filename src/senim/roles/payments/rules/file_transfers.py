"""What a transfer of a participant's file asks for, and what speaks against it before the Centre sees it. Pure.

Decided here, in this order: the currency (AM03), an amount finer than a tiyn (AM02), the settlement date (DT01), and
the agents (RC01): a BIC that is no participant's, or that is not the bank of the account beside it. Everything else,
accounts, rights, funds and caps, is the Centre's to decide, for files as for single operations.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from senim.kernel.values import iban
from senim.kernel.values.almaty import minute_of_day, operating_day
from senim.kernel.values.money import CURRENCY, BadAmount, parse_amount
from senim.roles.payments.messages.values import CreditTransfer, Group
from senim.roles.payments.rules.authorisation import (
    CLOCK_AHEAD_MAX,
    INITIATED_AGE_MAX,
    OperationRequest,
    account_of,
    day_for,
)
from senim.roles.payments.rules.kinds import Kind, Means
from senim.roles.payments.rules.reasons import Reason

GRACE_MINUTES: Final = 60
"""A file dated yesterday is taken in the first hour of a day: it was on its way at midnight."""
ACCOUNT_MAX: Final = 34


@dataclass(frozen=True, slots=True)
class Terms:
    """What the transfers of one file are judged against.

    ``banks`` maps the first eight characters of each participant's BIC to the bank code in its clients' IBANs; ``days``
    are the settlement dates that are accepted.
    """

    initiator_id: int
    group: Group
    received_at: dt.datetime
    banks: Mapping[str, str]
    days: frozenset[dt.date]


def institution(bic: str) -> str:
    """The institution of a BIC, without its branch.

    >>> institution("AAAAKZKAXXX")
    'AAAAKZKA'
    """
    return bic[:8].upper()


def settlement_days(received_at: dt.datetime, open_days: Iterable[dt.date]) -> frozenset[dt.date]:
    """The settlement dates accepted in a file that arrived at this moment.

    The day of arrival, and the operating day into which its operations will fall (another one where that day was closed
    early); in the first hour after midnight also the day before.
    """
    arrived = operating_day(received_at)
    days = {arrived, day_for(arrived, list(open_days)) or arrived}
    if minute_of_day(received_at) < GRACE_MINUTES:
        days.add(arrived - dt.timedelta(days=1))
    return frozenset(days)


def identity(transfer: CreditTransfer, message_id: str) -> str:
    """The key under which a transfer is carried out once, whatever file it comes in.

    Its UETR; for want of one its TxId, then its InstrId; a transfer with none of them is told only by its place in the
    message. EndToEndId is the debtor's and need not be unique.
    """
    if transfer.uetr:
        return f"uetr:{transfer.uetr}"
    if transfer.transaction_id:
        return f"tx:{transfer.transaction_id}"
    if transfer.instruction_id:
        return f"instr:{transfer.instruction_id}"
    return position(message_id, transfer.index)


def position(message_id: str, index: int) -> str:
    """The key of a transfer's place in a message, which no other transfer of the participant has.

    Transfers that are refused for what the file says go under it, so that they may come again, mended, with the same
    identification.
    """
    return f"file:{message_id}:{index}"


def request_of(transfer: CreditTransfer, terms: Terms) -> OperationRequest:
    """What the Centre is asked for, with the objection to it where there is one."""
    amount_tiyn, objection = _amount(transfer)
    objection = objection or _against_date(transfer, terms) or _against_agents(transfer, terms.banks)
    message_id = terms.group.message_id
    return OperationRequest(
        id=position(message_id, transfer.index) if objection else identity(transfer, message_id),
        kind=Kind.TRANSFER,
        amount_tiyn=amount_tiyn,
        currency=transfer.currency,
        means=Means.DETAILS,
        initiated_at=_initiated_at(transfer, terms),
        initiator_id=terms.initiator_id,
        debit_account=transfer.debtor_account[:ACCOUNT_MAX],
        credit_account=transfer.creditor_account[:ACCOUNT_MAX],
        end_to_end_id=transfer.end_to_end_id,
        objection=objection,
    )


def _amount(transfer: CreditTransfer) -> tuple[int, str]:
    """The amount in tiyn and what speaks against it; zero where it is no amount in tenge."""
    if transfer.currency != CURRENCY:
        return 0, Reason.NOT_ALLOWED_CURRENCY.value
    try:
        return parse_amount(transfer.amount), ""
    except BadAmount:
        return 0, Reason.NOT_ALLOWED_AMOUNT.value


def _against_date(transfer: CreditTransfer, terms: Terms) -> str:
    date = transfer.settlement_date or terms.group.settlement_date
    return "" if date is None or date in terms.days else Reason.INVALID_DATE.value


def _against_agents(transfer: CreditTransfer, banks: Mapping[str, str]) -> str:
    for bic, account in (
        (transfer.debtor_bic, transfer.debtor_account),
        (transfer.creditor_bic, transfer.creditor_account),
    ):
        if not bic:
            continue
        bank = banks.get(institution(bic))
        if bank is None or (account_of(account) is not None and iban.bank_code(account) != bank):
            return Reason.BANK_IDENTIFIER_INCORRECT.value
    return ""


def _initiated_at(transfer: CreditTransfer, terms: Terms) -> dt.datetime:
    """When the client asked for it, where the file says so; else when the message was made, if that is believable."""
    if transfer.initiated_at is not None:
        return transfer.initiated_at
    created, received = terms.group.created_at, terms.received_at
    if created is not None and received - INITIATED_AGE_MAX <= created <= received + CLOCK_AHEAD_MAX:
        return min(created, received)
    return received
