"""Participation in the System: registered by one person, approved by another (PS-8)."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from senim.errors import BadInput
from senim.kernel import approvals, delivery, events
from senim.kernel.access.models import Staff
from senim.kernel.approvals.models import Approval
from senim.kernel.delivery.models import Peer
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


# ISO 9362: party prefix, country, suffix, and the branch where there is one.
BIC_FORM = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
BANK_CODE_FORM = re.compile(r"[0-9]{3}")


def faults(application: Application) -> Iterator[ParticipantRefused]:
    """All that speaks against an application: each fault by the name of its field, with the remedy (EM-55.3, PO-34.3).

    A field that is empty has that one fault; what is wrong in several fields is told at once, not one by one.
    """
    empty = {name for name, value in asdict(application).items() if value in ("", None) and name != "peer_code"}
    yield from (_refuse(name, _("This field is mandatory: fill it in.")) for name in sorted(empty))
    for field, is_good, remedy in _forms(application):
        if field not in empty and not is_good:
            yield _refuse(field, remedy)
    taken = Participant.objects.exclude(state=Participant.State.REFUSED)
    for field in ("bin", "bic", "bank_code"):
        if field not in empty and taken.filter(**{field: getattr(application, field)}).exists():
            yield _refuse(field, _("A participant with this value is registered already."))
    if application.role == Participant.Role.SETTLEMENT_BANK and taken.filter(role=application.role).exists():
        yield _refuse("role", _("The System has one settlement bank, and it is registered already."))


def _forms(given: Application) -> tuple[tuple[str, bool, str], ...]:
    """Field by field: whether its value is well formed, and the remedy if not."""
    return (
        (
            "bin",
            bin_iin.is_valid_bin(given.bin),
            _("A BIN has 12 digits, and the last one checks the others: look for a slip."),
        ),
        (
            "bic",
            BIC_FORM.fullmatch(given.bic) is not None,
            _("A BIC has 8 or 11 letters and digits, the country in the fifth and sixth place."),
        ),
        ("bank_code", BANK_CODE_FORM.fullmatch(given.bank_code) is not None, _("A bank code has three digits.")),
        (
            "settlement_iban",
            iban.is_valid(given.settlement_iban),
            _("This is no valid IBAN of Kazakhstan: KZ, two check digits, 16 characters."),
        ),
        ("collateral_tiyn", given.collateral_tiyn >= 0, _("The collateral may not be negative.")),
        (
            "net_debit_cap_tiyn",
            0 <= given.net_debit_cap_tiyn <= max(given.collateral_tiyn, 0),
            _("The net debit cap is from zero to the collateral."),
        ),
    )


def check(application: Application) -> None:
    """Refuse an application by the name of its first wrong field.

    Raises:
        ParticipantRefused: with ``field`` and the remedy in the message (EM-55.3, PO-34.3).
    """
    for fault in faults(application):
        raise fault


def _refuse(field: str, remedy: str) -> ParticipantRefused:
    """The refusal of one field, named in the reader's language and by its own name."""
    label = getattr(Participant._meta.get_field(field), "verbose_name", field)
    return ParticipantRefused(f"{label}: {remedy}", field=field, remedy=remedy)


def next_code() -> str:
    """A digital code that nobody has or had: a sequence never gives a number twice (PS-8.3a)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('payments_participant_code')")
        row = cursor.fetchone()
    assert row is not None
    return participant_code(row[0])


def register_participant(application: Application, maker: Staff) -> Participant:
    """Record an application and put it before a second person, in one transaction.

    Raises:
        ParticipantRefused: a field is missing, wrong or taken.
    """
    with events.act("payments.participant.register", events.Actor.staff(maker), bin=application.bin) as act:
        check(application)
        participant = Participant.objects.create(code=next_code(), registered_by=maker, **asdict(application))
        act.record = ("participant", participant.code)
        approvals.propose(
            APPROVAL_KIND,
            maker=maker,
            record=("participant", participant.code),
            title=participant.name_en,
            payload={
                **asdict(application),
                "contract_date": application.contract_date.isoformat(),
                "code": participant.code,
            },
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


def add_key(
    participant: Participant, key_id: str, algorithm: str, material: bytes, actor: events.Actor
) -> ParticipantKey:
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


def revoke_key(key_id: str, actor: events.Actor) -> ParticipantKey:
    """Take a key out of use at once; requests signed with it are refused within a second. Twice does nothing more.

    Raises:
        ParticipantRefused: there is no such key.
    """
    with events.act("payments.participant.key.revoke", actor, record=("participant_key", key_id)):
        key = ParticipantKey.objects.select_for_update().filter(key_id=key_id).first()
        if key is None:
            raise ParticipantRefused(_("There is no key of this name."), field="key_id")
        if key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
    return key


def connect(
    participant: Participant,
    url: str,
    signing_jwk: dict[str, object],
    encryption_jwk: dict[str, object],
    actor: events.Actor,
) -> Peer:
    """Tell where and under which public keys a participant receives its messages (PS-9.3.7, PS-14.2).

    Raises:
        ParticipantRefused: the address is none of the web.
        BadInput: a key is no public key of the kind that is used here.
    """
    if not url.startswith(("https://", "http://")):
        raise ParticipantRefused(_("The address begins with https://."), field="url")
    with events.act("payments.participant.connect", actor, record=("participant", participant.code), url=url):
        code = participant.peer_code or participant.code
        peer = delivery.add_peer(
            code, participant.name_kk, url, signing_jwk=signing_jwk, encryption_jwk=encryption_jwk, actor=actor
        )
        if participant.peer_code != code:
            participant.peer_code = code
            participant.save(update_fields=["peer_code"])
    return peer
