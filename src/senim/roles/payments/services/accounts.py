"""Opening and closing ledger accounts of participants and customers, and moving a net debit cap."""

import datetime as dt
from collections.abc import Iterable, Sequence
from itertools import islice

from django.db import connection, transaction
from django.utils import timezone
from psycopg import Connection
from psycopg.rows import TupleRow

from senim import ledger
from senim.errors import BadInput, SenimError
from senim.kernel import events
from senim.kernel.values import iban
from senim.ledger.types import Account, AccountFlags, Status, Transfer, TransferFlags
from senim.roles.payments.models import CustomerAccount, Participant
from senim.roles.payments.rules.accounts import CAP_CONTROL_ID, CLEARING_HUB_ID, Purpose, participant_account_id
from senim.roles.payments.rules.kinds import LEDGER_KZT, AccountCode, TransferCode
from senim.roles.payments.services.centre_lock import hold_centre

PORTION = 5_000
_DONE = (Status.OK, Status.EXISTS)


class AccountRefused(BadInput):
    """The account cannot be opened or closed as asked."""

    code = "payments.account_refused"


class CapRefused(BadInput):
    """The net debit cap cannot be set to this sum."""

    code = "payments.cap_refused"


class LedgerRefused(SenimError):
    """The ledger refused an entry that should have been possible."""

    code = "payments.ledger_refused"


def raw_connection() -> Connection[TupleRow]:
    """Django's psycopg connection, on which the ledger posts inside the transaction that is open."""
    connection.ensure_connection()
    raw: Connection[TupleRow] = connection.connection
    return raw


def new_id() -> int:
    """A time-ordered id (RFC 9562, version 7) for an account entry made by hand."""
    from senim.roles.payments.services.authorise import operation_ids

    return int.from_bytes(next(operation_ids(dt.datetime.now(dt.UTC))), "big")


def open_participant_accounts(participant: Participant) -> None:
    """Open a participant's clearing, cash and settlement accounts and put its net debit cap on the clearing account.

    Also opens the operator's own two accounts where this is the first participant. Runs in the caller's transaction;
    calling it twice does nothing more.

    Raises:
        LedgerRefused: an account of these ids exists with other properties.
    """

    def account(purpose: Purpose, code: AccountCode) -> Account:
        number = participant_account_id(participant.bank_code, purpose)
        return Account(id=number, ledger=LEDGER_KZT, code=code, user_data_64=participant.pk)

    limited = AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS
    wanted = [
        Account(id=CAP_CONTROL_ID, ledger=LEDGER_KZT, code=AccountCode.CAP_CONTROL),
        Account(id=CLEARING_HUB_ID, ledger=LEDGER_KZT, code=AccountCode.CLEARING_HUB),
        account(Purpose.CLEARING, AccountCode.CLEARING)._replace(flags=limited),
        account(Purpose.CASH, AccountCode.CASH),
        account(Purpose.SETTLEMENT, AccountCode.SETTLEMENT),
    ]
    with transaction.atomic():
        results = ledger.create_accounts(raw_connection(), wanted)
        statuses = [result.status for result in results]
        if any(status not in _DONE for status in statuses):
            raise LedgerRefused(participant=participant.code, statuses=[str(status) for status in statuses])
        if statuses[2] is Status.OK and participant.net_debit_cap_tiyn:
            _move_cap(participant, participant.net_debit_cap_tiyn)


def change_cap(participant_id: int, cap_tiyn: int, actor: events.Actor) -> None:
    """Set a participant's net debit cap, in tiyn, at once.

    Raises:
        CapRefused: the cap is negative, exceeds the collateral, or is below what the participant owes at this moment.
    """
    with transaction.atomic():
        hold_centre(raw_connection())
        participant = Participant.objects.select_for_update().get(pk=participant_id)
        if not 0 <= cap_tiyn <= participant.collateral_tiyn:
            raise CapRefused("The cap may not be negative or exceed the collateral.", field="net_debit_cap_tiyn")
        before = participant.net_debit_cap_tiyn
        record = ("participant", participant.code)
        with events.act("payments.participant.cap", actor, record=record, before_tiyn=before, after_tiyn=cap_tiyn):
            participant.net_debit_cap_tiyn = cap_tiyn
            participant.save(update_fields=["net_debit_cap_tiyn"])
            if cap_tiyn != before:
                _move_cap(participant, cap_tiyn - before)


def _move_cap(participant: Participant, difference_tiyn: int) -> None:
    """Post a change of the cap: up is a debit of the clearing account, down a credit, which its limit may refuse."""
    clearing = participant_account_id(participant.bank_code, Purpose.CLEARING)
    debit, credit = (clearing, CAP_CONTROL_ID) if difference_tiyn > 0 else (CAP_CONTROL_ID, clearing)
    move = Transfer(
        id=new_id(),
        debit_account_id=debit,
        credit_account_id=credit,
        amount=abs(difference_tiyn),
        ledger=LEDGER_KZT,
        code=TransferCode.CAP_CHANGE,
        user_data_64=participant.pk,
    )
    status = ledger.post(raw_connection(), [move])[0].status
    if status is Status.EXCEEDS_DEBITS:
        raise CapRefused("The participant owes more than this cap at the moment.", field="net_debit_cap_tiyn")
    if status is not Status.OK:
        raise LedgerRefused(participant=participant.code, status=str(status))


def open_customer_accounts(
    participant: Participant, holders: Iterable[tuple[str, str]], actor: events.Actor
) -> list[CustomerAccount]:
    """Open accounts for (IBAN, holder's name) pairs of one bank, all or none.

    Raises:
        AccountRefused: an IBAN is wrong, another bank's, or has an account already; ``iban`` names the first.
    """
    opened: list[CustomerAccount] = []
    record = ("participant", participant.code)
    with transaction.atomic(), events.act("payments.account.open", actor, record=record) as act:
        rest = iter(holders)
        while portion := list(islice(rest, PORTION)):
            opened += _open_portion(participant, portion)
        act.data["accounts"] = len(opened)
    return opened


def open_customer_account(
    participant: Participant, number: str, holder_name: str, actor: events.Actor
) -> CustomerAccount:
    """Open one customer's account.

    Raises:
        AccountRefused: the IBAN is wrong, another bank's, or has an account already.
    """
    return open_customer_accounts(participant, [(number, holder_name)], actor)[0]


def _open_portion(participant: Participant, holders: Sequence[tuple[str, str]]) -> list[CustomerAccount]:
    wanted = []
    for number, holder_name in holders:
        if not holder_name.strip():
            raise AccountRefused("holder_name is mandatory: fill it in.", field="holder_name", iban=number)
        if not iban.is_valid(number) or iban.bank_code(number) != participant.bank_code:
            raise AccountRefused("The IBAN is not a valid one of this bank.", field="iban", iban=number)
        wanted.append(
            Account(
                id=iban.account_id(number),
                ledger=LEDGER_KZT,
                code=AccountCode.CUSTOMER,
                flags=AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS,
                user_data_64=participant.pk,
            )
        )
    for (number, _), result in zip(holders, ledger.create_accounts(raw_connection(), wanted), strict=True):
        if result.status is not Status.OK:
            raise AccountRefused("This account is open already.", field="iban", iban=number)
    now = timezone.now()
    return CustomerAccount.objects.bulk_create(
        [
            CustomerAccount(iban=number, participant=participant, holder_name=holder_name, opened_at=now)
            for number, holder_name in holders
        ]
    )


def close_customer_account(number: str, actor: events.Actor) -> CustomerAccount:
    """Close a customer's empty account: from now on the ledger itself refuses to move money in or out of it.

    Raises:
        AccountRefused: there is no such account, it is closed already, or money is left in it.
    """
    with transaction.atomic():
        account = CustomerAccount.objects.select_for_update().select_related("participant").filter(iban=number).first()
        if account is None or account.closed_at is not None:
            raise AccountRefused("There is no open account with this IBAN.", field="iban", iban=number)
        with events.act("payments.account.close", actor, record=("account", number)):
            _close_in_ledger(account)
            account.closed_at = timezone.now()
            account.save(update_fields=["closed_at"])
    return account


def _close_in_ledger(account: CustomerAccount) -> None:
    """Mark the ledger account closed, by a pending closing transfer of nothing (voiding it would open it again)."""
    raw = raw_connection()
    number = iban.account_id(account.iban)
    closing = Transfer(
        id=new_id(),
        debit_account_id=number,
        credit_account_id=participant_account_id(account.participant.bank_code, Purpose.CASH),
        amount=0,
        ledger=LEDGER_KZT,
        code=TransferCode.CLOSING,
        flags=TransferFlags.PENDING | TransferFlags.CLOSING_DEBIT,
    )
    status = ledger.post(raw, [closing])[0].status
    if status is not Status.OK:
        raise LedgerRefused(iban=account.iban, status=str(status))
    # Read after the closing, whose row lock keeps everybody else from moving money in between.
    [balance] = ledger.lookup_accounts(raw, [number])
    if balance.debits_posted != balance.credits_posted or balance.debits_pending or balance.credits_pending:
        raise AccountRefused("Money is left in the account.", field="iban", iban=account.iban)
