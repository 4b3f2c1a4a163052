"""The first start of the sandbox market, and every later one: what is missing is made, what is there is left alone.

Everything goes through the services that people use: participants are registered by one person and approved by another,
accounts are opened in the ledger, opening balances are posted.
"""

import json
import os
import secrets
import uuid
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import transaction
from django.utils import timezone

from senim import ledger
from senim.kernel import approvals, delivery, events
from senim.kernel.access.models import Staff
from senim.kernel.approvals.models import Approval
from senim.kernel.delivery import keys
from senim.kernel.delivery.models import Peer
from senim.kernel.values import iban
from senim.ledger.types import Status, Transfer
from senim.roles.payments.models import CustomerAccount, Participant, ParticipantKey
from senim.roles.payments.rules import settlement
from senim.roles.payments.rules.accounts import Purpose, participant_account_id
from senim.roles.payments.rules.kinds import LEDGER_KZT, TransferCode
from senim.roles.payments.services import accounts, day, participants
from senim.sandbox import credentials, world
from senim.sandbox.layout import Layout
from senim.sandbox.simulators.bank import CLIENTS, SIGNING_KEY
from senim.sandbox.simulators.office import SETTINGS
from senim.sandbox.world import BANKS, SETTLEMENT_BANK, Bank, Customer

ACTOR: Final = events.Actor.command()
MAKER: Final = "kezekshi"
CHECKER: Final = "baqylaushy"
SETTLEMENT_FUNDS_TIYN: Final = 25_000 * world.MILLION_TENGE
"""What each bank has at the settlement bank on the first day."""
FOREIGN_KNOWN_MAX: Final = 2_000


def prepare(
    layout: Layout, *, address: str, operator_url: str, centre_url: str, customers: int, options: dict[str, Any]
) -> None:
    """Bring the market to where it can start. ``address`` is for people, the URLs are for machines.

    ``options`` go to the simulators' settings: ``pace`` and ``traffic`` at least, ``settlement_bank`` its behaviour.
    """
    layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    day.open_days(timezone.now())
    credentials.ensure(layout.credentials, address)
    people = {bank.slug: list(world.customers(bank, customers * bank.share // 100)) for bank in BANKS}
    for bank in (SETTLEMENT_BANK, *BANKS):
        _peer(layout, bank)
        participant = _participant(bank)
        if bank in BANKS:
            _key(layout, bank, participant)
            _customers(participant, people[bank.slug])
            _write_json(layout.folder(bank) / CLIENTS, _directory(bank, people))
        _write_json(layout.folder(bank) / SETTINGS, _settings(layout, bank, operator_url, centre_url, options))


def _peer(layout: Layout, bank: Bank) -> None:
    """Exchange keys with the organisation, as a contract would."""
    own = keys.load_or_create(layout.folder(bank) / "keys" / "delivery.json", bank.slug)
    public = own.public
    known = Peer.objects.filter(code=bank.slug).first()
    if known and (known.url, known.signing_kid) == (layout.url_of(bank), public.signing.thumbprint()):
        return
    delivery.add_peer(
        bank.slug,
        bank.name_kk,
        layout.url_of(bank),
        signing_jwk=dict(public.signing.as_dict(private=False)),
        encryption_jwk=dict(public.encryption.as_dict(private=False)),
        actor=ACTOR,
    )


def _participant(bank: Bank) -> Participant:
    """Register by one person, approve by another, and no more than is still missing."""
    live = Participant.objects.exclude(state=Participant.State.REFUSED)
    participant = live.filter(bic=bank.bic).first()
    if participant is None:
        participant = participants.register_participant(_application(bank), Staff.objects.get(login=MAKER))
    if participant.state == Participant.State.PROPOSED:
        waiting = Approval.objects.get(
            kind=participants.APPROVAL_KIND, record_id=participant.code, state=Approval.State.WAITING
        )
        checker = Staff.objects.get(login=CHECKER)
        approvals.decide(waiting.pk, checker=checker, approve=True, comment="Келісімшарт тексерілді")
        participant.refresh_from_db()
    return participant


def _application(bank: Bank) -> participants.Application:
    return participants.Application(
        role=Participant.Role.SETTLEMENT_BANK if bank is SETTLEMENT_BANK else Participant.Role.BANK,
        name_kk=bank.name_kk,
        name_ru=bank.name_ru,
        name_en=bank.name_en,
        bin=bank.bin,
        bic=bank.bic,
        bank_code=bank.bank_code,
        contract_number=f"ТЖ-{bank.bank_code}/2026",
        contract_date=timezone.localdate(),
        settlement_iban=bank.settlement_account,
        collateral_tiyn=bank.collateral_tiyn,
        net_debit_cap_tiyn=bank.net_debit_cap_tiyn,
        peer_code=bank.slug,
    )


def _key_id(bank: Bank) -> str:
    return f"{bank.slug}-1"


def _key(layout: Layout, bank: Bank, participant: Participant) -> None:
    """The bank's key for signing its requests: the private half in its own folder, the public half registered."""
    path = layout.folder(bank) / "keys" / SIGNING_KEY
    if not path.exists():
        _write(path, secrets.token_bytes(32))
    public = Ed25519PrivateKey.from_private_bytes(path.read_bytes()).public_key()
    material = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    if not ParticipantKey.objects.filter(key_id=_key_id(bank)).exists():
        participants.add_key(participant, _key_id(bank), ParticipantKey.Algorithm.ED25519, material, ACTOR)


def _customers(participant: Participant, people: list[Customer]) -> None:
    """Open the missing accounts, with their opening balances in the same transaction; close the closed ones."""
    known = set(CustomerAccount.objects.filter(participant=participant).values_list("iban", flat=True))
    missing = [customer for customer in people if customer.iban not in known]
    if missing:
        with transaction.atomic():
            accounts.open_customer_accounts(participant, [(one.iban, one.holder) for one in missing], ACTOR)
            _post_openings(participant, [one for one in missing if one.opening_tiyn])
    closed = [customer.iban for customer in people if customer.is_closed]
    for number in CustomerAccount.objects.filter(iban__in=closed, closed_at=None).values_list("iban", flat=True):
        accounts.close_customer_account(number, ACTOR)


def _post_openings(participant: Participant, people: list[Customer]) -> None:
    cash = participant_account_id(participant.bank_code, Purpose.CASH)
    openings = [
        Transfer(
            id=uuid.uuid5(settlement.NAMESPACE, f"opening/{one.iban}").int,
            debit_account_id=cash,
            credit_account_id=iban.account_id(one.iban),
            amount=one.opening_tiyn,
            ledger=LEDGER_KZT,
            code=TransferCode.OPENING_BALANCE,
        )
        for one in people
    ]
    statuses = {result.status for result in ledger.post(accounts.raw_connection(), openings)}
    assert statuses <= {Status.OK, Status.EXISTS}, f"opening balances were refused: {statuses}"


def _directory(bank: Bank, people: dict[str, list[Customer]]) -> dict[str, list[str]]:
    """The accounts that the bank's clients pay to and from."""
    own = people[bank.slug]
    foreign = [one for slug, others in people.items() if slug != bank.slug for one in others if not one.is_closed]
    return {
        "people": [one.iban for one in own if one.kind == "person" and not one.is_closed],
        "shops": [one.iban for one in own if one.kind == "shop" and not one.is_closed],
        "closed": [one.iban for one in own if one.is_closed],
        "foreign_people": [one.iban for one in foreign if one.kind == "person"][:FOREIGN_KNOWN_MAX],
        "foreign_shops": [one.iban for one in foreign if one.kind == "shop"][:FOREIGN_KNOWN_MAX],
    }


def _settings(
    layout: Layout, bank: Bank, operator_url: str, centre_url: str, options: dict[str, Any]
) -> dict[str, Any]:
    return {
        "code": bank.slug,
        "name": bank.name_kk,
        "bic": bank.bic,
        "port": layout.port_of(bank),
        "operator_url": operator_url,
        "operator_keys": keys.own().public.as_jwks(),
        "extra": _settlement_extra(options) if bank is SETTLEMENT_BANK else _bank_extra(bank, centre_url, options),
    }


def _settlement_extra(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "accounts": {bank.settlement_account: SETTLEMENT_FUNDS_TIYN for bank in BANKS},
        "system_account": SETTLEMENT_BANK.settlement_account,
        "behaviour": options.get("settlement_bank", {}),
    }


def _bank_extra(bank: Bank, centre_url: str, options: dict[str, Any]) -> dict[str, Any]:
    shares = sum(other.share for other in BANKS)
    return {
        **options.get("banks", {}),
        "centre_url": centre_url,
        "key_id": _key_id(bank),
        "bics": {other.bank_code: other.bic for other in BANKS},
        "pace": options["pace"] * bank.share / shares,
        "traffic": options["traffic"],
        "seed": None,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        _write(path, text.encode())


def _write(path: Path, content: bytes) -> None:
    """Write a file whole and durable, for its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
