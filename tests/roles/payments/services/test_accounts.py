"""Opening and closing accounts, and moving a net debit cap."""

import datetime as dt
from typing import Any

import pytest
from django.db import transaction

from senim import ledger
from senim.kernel import events
from senim.kernel.events.models import Event
from senim.kernel.values import iban
from senim.ledger.types import AccountFlags, Transfer
from senim.roles.payments.models import CustomerAccount, Participant
from senim.roles.payments.rules.accounts import CAP_CONTROL_ID, CLEARING_HUB_ID, Purpose, participant_account_id
from senim.roles.payments.rules.kinds import LEDGER_KZT, TransferCode
from senim.roles.payments.services import accounts

pytestmark = pytest.mark.django_db
ACTOR = events.Actor.command()
CLEARING = participant_account_id("901", Purpose.CLEARING)
NUMBER = iban.make("901", "A000000000001")


@pytest.fixture
def participant() -> Participant:
    made = Participant.objects.create(
        code="000018",
        state=Participant.State.ACTIVE,
        name_kk="Банк",
        name_ru="Банк",
        name_en="Bank",
        bin="1",
        bic="EXAMKZ22",
        bank_code="901",
        contract_number="1",
        contract_date=dt.date(2026, 1, 1),
        settlement_iban="",
        collateral_tiyn=1_000,
        net_debit_cap_tiyn=600,
    )
    accounts.open_participant_accounts(made)
    return made


def account(number: int) -> Any:
    [found] = ledger.lookup_accounts(accounts.raw_connection(), [number])
    return found


def room() -> int:
    found = account(CLEARING)
    return int(found.debits_posted - found.credits_posted)


def pay_in(number: str, amount_tiyn: int) -> None:
    move = Transfer(
        id=accounts.new_id(),
        debit_account_id=participant_account_id("901", Purpose.CASH),
        credit_account_id=iban.account_id(number),
        amount=amount_tiyn,
        ledger=LEDGER_KZT,
        code=TransferCode.OPENING_BALANCE,
    )
    assert ledger.post(accounts.raw_connection(), [move]).all_ok


def owe(amount_tiyn: int) -> None:
    """The bank comes to owe others."""
    move = Transfer(
        id=accounts.new_id(),
        debit_account_id=CLEARING_HUB_ID,
        credit_account_id=CLEARING,
        amount=amount_tiyn,
        ledger=LEDGER_KZT,
        code=TransferCode.POSITION,
    )
    assert ledger.post(accounts.raw_connection(), [move]).all_ok


def test_a_participant_gets_its_accounts_and_its_cap_once(participant: Participant) -> None:
    accounts.open_participant_accounts(participant)
    assert room() == 600
    assert account(CLEARING).flags == AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS
    assert account(CAP_CONTROL_ID).credits_posted == 600
    for purpose in (Purpose.CASH, Purpose.SETTLEMENT):
        assert account(participant_account_id("901", purpose)).user_data_64 == participant.pk


@pytest.mark.parametrize("cap", [1_000, 0, 600])
def test_a_cap_moves_up_and_down_on_record(participant: Participant, cap: int) -> None:
    accounts.change_cap(participant.pk, cap, ACTOR)
    participant.refresh_from_db()
    assert (room(), participant.net_debit_cap_tiyn) == (cap, cap)
    event = Event.objects.get(name="payments.participant.cap")
    assert (event.record_id, event.outcome) == ("000018", "succeeded")
    assert event.data["before_tiyn"] == 600


@pytest.mark.parametrize("cap", [-1, 1_001])
def test_a_cap_stays_within_the_collateral(participant: Participant, cap: int) -> None:
    with pytest.raises(accounts.CapRefused):
        accounts.change_cap(participant.pk, cap, ACTOR)
    assert room() == 600


def test_a_cap_cannot_go_below_what_is_owed(participant: Participant) -> None:
    owe(500)
    with pytest.raises(accounts.CapRefused), transaction.atomic():
        accounts.change_cap(participant.pk, 499, ACTOR)
    accounts.change_cap(participant.pk, 500, ACTOR)
    assert room() == 0


def test_a_customer_account_is_opened_in_both_books(participant: Participant) -> None:
    opened = accounts.open_customer_account(participant, NUMBER, "Example Holder", ACTOR)
    assert (opened.iban, opened.closed_at) == (NUMBER, None)
    found = account(iban.account_id(NUMBER))
    assert found.flags == AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS
    assert Event.objects.filter(name="payments.account.open", outcome="succeeded").count() == 1


@pytest.mark.parametrize(
    ("holders", "field"),
    [
        ([("KZ00", "Holder")], "iban"),
        ([(iban.make("902", "A000000000001"), "Holder")], "iban"),
        ([(NUMBER, " ")], "holder_name"),
        ([(NUMBER, "Holder"), (NUMBER, "Holder")], "iban"),
    ],
)
def test_a_wrong_account_opens_none(participant: Participant, holders: list[tuple[str, str]], field: str) -> None:
    with pytest.raises(accounts.AccountRefused) as refused:
        accounts.open_customer_accounts(participant, holders, ACTOR)
    assert refused.value.fields["field"] == field
    assert not CustomerAccount.objects.exists()
    assert not ledger.lookup_accounts(accounts.raw_connection(), [iban.account_id(NUMBER)])


def test_a_closed_account_moves_no_money(participant: Participant) -> None:
    accounts.open_customer_account(participant, NUMBER, "Example Holder", ACTOR)
    closed = accounts.close_customer_account(NUMBER, ACTOR)
    assert closed.closed_at is not None
    assert account(iban.account_id(NUMBER)).flags & AccountFlags.CLOSED
    with pytest.raises(AssertionError):
        pay_in(NUMBER, 1)
    with pytest.raises(accounts.AccountRefused):
        accounts.close_customer_account(NUMBER, ACTOR)


def test_an_account_with_money_stays_open(participant: Participant) -> None:
    accounts.open_customer_account(participant, NUMBER, "Example Holder", ACTOR)
    pay_in(NUMBER, 5)
    with pytest.raises(accounts.AccountRefused):
        accounts.close_customer_account(NUMBER, ACTOR)
    pay_in(NUMBER, 5)
    assert CustomerAccount.objects.get().closed_at is None
