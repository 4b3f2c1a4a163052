"""A participant is registered by one person and approved by another."""

import datetime as dt
from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction
from tests.people import staff

from senim import ledger
from senim.kernel import approvals, events
from senim.kernel.access.models import Staff
from senim.kernel.approvals.models import Approval
from senim.kernel.approvals.services import OwnAct
from senim.kernel.events.models import Event
from senim.kernel.values import iban, luhn
from senim.roles.payments.models import Participant, ParticipantKey
from senim.roles.payments.rules.accounts import Purpose, participant_account_id
from senim.roles.payments.services import accounts, participants

pytestmark = pytest.mark.django_db

APPLICATION = participants.Application(
    role="bank",
    name_kk="«Мысал» банкі",
    name_ru="Банк «Мысал»",
    name_en="Mysal Bank",
    bin="990140000017",
    bic="MYSLKZKA",
    bank_code="913",
    contract_number="7-C",
    contract_date=dt.date(2026, 4, 1),
    settlement_iban=iban.make("914", "0000000000913"),
    collateral_tiyn=500_000_000_00,
    net_debit_cap_tiyn=400_000_000_00,
)


@pytest.fixture
def maker() -> Staff:
    return staff("maker", "duty_officer")


@pytest.fixture
def checker() -> Staff:
    return staff("checker", "controller")


def register(maker: Staff, **changes: object) -> tuple[Participant, Approval]:
    participant = participants.register_participant(replace(APPLICATION, **changes), maker)  # type: ignore[arg-type]
    return participant, Approval.objects.get(record_id=participant.code)


@pytest.mark.clause("PS-8.3a")
def test_a_code_is_given_by_itself_and_never_twice(maker: Staff, checker: Staff) -> None:
    first, approval = register(maker)
    approvals.decide(approval.pk, checker, approve=False, comment="contract not signed")
    second, _ = register(maker)
    assert first.code != second.code
    assert luhn.is_valid(first.code)
    assert luhn.is_valid(second.code)


def test_a_second_person_opens_the_accounts_and_sets_the_cap(maker: Staff, checker: Staff) -> None:
    participant, approval = register(maker)
    clearing = participant_account_id(participant.bank_code, Purpose.CLEARING)
    assert participant.state == Participant.State.PROPOSED
    assert ledger.lookup_accounts(accounts.raw_connection(), [clearing]) == []
    approvals.decide(approval.pk, checker, approve=True)
    participant.refresh_from_db()
    assert (participant.state, participant.approved_by) == (Participant.State.ACTIVE, checker)
    account = ledger.lookup_accounts(accounts.raw_connection(), [clearing])[0]
    assert account.debits_posted == APPLICATION.net_debit_cap_tiyn


def test_nobody_approves_an_application_of_their_own(maker: Staff) -> None:
    maker.is_superuser = True
    maker.save()
    participant, approval = register(maker)
    with pytest.raises(OwnAct):
        approvals.decide(approval.pk, maker, approve=True)
    participant.refresh_from_db()
    assert participant.state == Participant.State.PROPOSED
    participant.approved_by = maker
    with pytest.raises(IntegrityError, match="participant_approved_by_another"), transaction.atomic():
        participant.save()


@pytest.mark.clause("EM-55.3")
@pytest.mark.clause("PO-34.3")
@pytest.mark.parametrize(
    "field", ["name_kk", "name_ru", "name_en", "bin", "bic", "bank_code", "contract_number", "settlement_iban"]
)
def test_a_missing_field_is_named_and_nothing_is_kept(maker: Staff, field: str) -> None:
    with pytest.raises(participants.ParticipantRefused) as refusal:
        register(maker, **{field: ""})
    assert refusal.value.fields["field"] == field
    assert str(Participant._meta.get_field(field).verbose_name) in refusal.value.message
    assert not Participant.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bin", "990140000013"),
        ("settlement_iban", "KZ000000000000000000"),
        ("net_debit_cap_tiyn", 500_000_000_01),
        ("collateral_tiyn", -1),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(maker: Staff, field: str, value: object) -> None:
    with pytest.raises(participants.ParticipantRefused) as refusal:
        register(maker, **{field: value})
    assert refusal.value.fields["field"] == field


def test_what_is_taken_is_refused_until_the_other_is_refused(maker: Staff, checker: Staff) -> None:
    _, approval = register(maker)
    with pytest.raises(participants.ParticipantRefused):
        register(maker)
    approvals.decide(approval.pk, checker, approve=False)
    again, _ = register(maker)
    assert again.state == Participant.State.PROPOSED


@pytest.mark.clause("EM-55.11")
@pytest.mark.clause("PO-34.11")
def test_registering_and_refusing_leave_events_with_six_attributes(maker: Staff) -> None:
    participant, _ = register(maker)
    with pytest.raises(participants.ParticipantRefused):
        register(maker)
    done, refused = Event.objects.filter(name="payments.participant.register").order_by("id")
    assert (done.actor, done.record_id, done.outcome) == (maker.get_username(), participant.code, "succeeded")
    assert refused.outcome == "refused"
    assert done.began_at <= done.ended_at


def test_a_shared_secret_is_never_kept_in_clear(maker: Staff) -> None:
    participant, _ = register(maker)
    secret = bytes(range(32))
    key = participants.add_key(
        participant, "mysal-1", ParticipantKey.Algorithm.HMAC_SHA256, secret, events.Actor.command()
    )
    key.refresh_from_db()
    assert secret not in bytes(key.material)
    with pytest.raises(participants.ParticipantRefused):
        participants.add_key(participant, "mysal-2", ParticipantKey.Algorithm.ED25519, b"short", events.Actor.command())
