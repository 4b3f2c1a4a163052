"""Participation in the System: registered by one person, approved by another (PS-8)."""

import datetime as dt
from dataclasses import asdict, dataclass

from django.db import connection, transaction
from django.utils import timezone

from senim.errors import BadInput
from senim.kernel import approvals, events
from senim.kernel.access.models import Staff
from senim.kernel.approvals.models import Approval
from senim.kernel.values import bin_iin, iban
from senim.roles.payments.models import Participant, ParticipantKey
from senim.roles.payments.rules.codes import participant_code
from senim.roles.payments.services import accounts

APPROVAL_KIND = "payments.participant"


class ParticipantRefused(BadInput):
    """The application cannot be registered as it is."""

    code = "payments.participant_refused"


@dataclass(frozen=True, slots=True)
class Application:
    """What a bank gives to join. Sums are in tiyn; ``settlement_iban`` is its account at the settlement bank."""

    role: str
    name_kk: str
    name_ru: str
    name_en: str
    bin: str
    bic: str
    bank_code: str
    contract_number: str
    contract_date: dt.date
    settlement_iban: str
    collateral_tiyn: int
    net_debit_cap_tiyn: int
    peer_code: str = ""


def check(application: Application) -> None:
    """Refuse an application by the name of its first wrong field.

    Raises:
        ParticipantRefused: with ``field`` and the remedy in the message (EM-55.3, PO-34.3).
    """
    for field, value in asdict(application).items():
        if value in ("", None) and field != "peer_code":
            raise ParticipantRefused(f"{field} is mandatory: fill it in.", field=field)
    if not bin_iin.is_valid_bin(application.bin):
        raise ParticipantRefused("The BIN has a wrong check digit: 12 digits are expected.", field="bin")
    if not iban.is_valid(application.settlement_iban):
        raise ParticipantRefused("The account is no valid IBAN of Kazakhstan.", field="settlement_iban")
    if application.net_debit_cap_tiyn > application.collateral_tiyn:
        raise ParticipantRefused("The net debit cap may not exceed the collateral.", field="net_debit_cap_tiyn")
    taken = Participant.objects.exclude(state=Participant.State.REFUSED)
    for field in ("bin", "bic", "bank_code"):
        if taken.filter(**{field: getattr(application, field)}).exists():
            raise ParticipantRefused("A participant with this value is registered already.", field=field)
    if application.role == Participant.Role.SETTLEMENT_BANK and taken.filter(role=application.role).exists():
        raise ParticipantRefused("The System has one settlement bank, and it is registered already.", field="role")


def next_code() -> str:
    """A digital code that nobody has or had: a sequence never gives a number twice (PS-8.3a)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('payments_participant_code')")
        row = cursor.fetchone()
    assert row is not None
    return participant_code(row[0])


@transaction.atomic
def register_participant(application: Application, maker: Staff) -> Participant:
    """Record an application and put it before a second person.

    Raises:
        ParticipantRefused: a field is missing, wrong or taken.
    """
    check(application)
    with events.act("payments.participant.register", events.Actor.staff(maker)) as act:
        participant = Participant.objects.create(code=next_code(), registered_by=maker, **asdict(application))
        act.record = ("participant", participant.code)
        approvals.propose(
            APPROVAL_KIND,
            maker=maker,
            record=("participant", participant.code),
            title=participant.name_en,
            payload={**asdict(application), "contract_date": application.contract_date.isoformat(), "code": participant.code},
        )
    return participant


@approvals.handler(APPROVAL_KIND)
class ParticipantApproval:
    """What the second person's word does."""

    permission = "payments.approve_participant"

    @staticmethod
    def on_approve(approval: Approval, checker: Staff) -> None:
        """Open the participant's accounts, post its cap, let it work."""
        participant = Participant.objects.select_for_update().get(code=approval.record_id)
        participant.state = Participant.State.ACTIVE
        participant.approved_by = checker
        participant.approved_at = timezone.now()
        participant.save(update_fields=["state", "approved_by", "approved_at"])
        accounts.open_participant_accounts(participant)

    @staticmethod
    def on_refuse(approval: Approval, checker: Staff) -> None:
        """Keep the application, refused, so that the decision stays on record."""
        Participant.objects.filter(code=approval.record_id).update(
            state=Participant.State.REFUSED, approved_by=checker, approved_at=timezone.now()
        )


@transaction.atomic
def add_key(participant: Participant, key_id: str, algorithm: str, material: bytes, actor: events.Actor) -> ParticipantKey:
    """Give a participant a key for signing its requests (RFC 9421).

    ``material`` is the raw ed25519 public key (32 bytes), or the shared HMAC secret (32 bytes at least), which is
    kept encrypted with the deployment's own key.

    Raises:
        ParticipantRefused: the material does not suit the algorithm.
    """
    from senim.kernel.access import sealed

    if algorithm == ParticipantKey.Algorithm.ED25519 and len(material) != 32:
        raise ParticipantRefused("An ed25519 public key has 32 bytes.", field="material")
    if algorithm == ParticipantKey.Algorithm.HMAC_SHA256 and len(material) < 32:
        raise ParticipantRefused("An HMAC secret has 32 bytes at least.", field="material")
    with events.act("payments.participant.key", actor, record=("participant", participant.code), key_id=key_id):
        kept = sealed.seal(material) if algorithm == ParticipantKey.Algorithm.HMAC_SHA256 else material
        return ParticipantKey.objects.create(
            key_id=key_id, participant=participant, algorithm=algorithm, material=kept, valid_from=timezone.now()
        )
