"""What an approved participant needs before its first operation, from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.people import staff
from tests.roles.payments.test_participants import APPLICATION

from senim.kernel import approvals
from senim.kernel.approvals.models import Approval
from senim.kernel.delivery import keys
from senim.kernel.delivery.models import Peer
from senim.kernel.events.models import Event
from senim.kernel.values import iban
from senim.roles.payments.cli import command
from senim.roles.payments.models import CustomerAccount, Participant, ParticipantKey
from senim.roles.payments.services import participants

pytestmark = pytest.mark.django_db


@pytest.fixture
def code() -> str:
    participant = participants.register_participant(APPLICATION, staff("maker", "duty_officer"))
    approval = Approval.objects.get(record_id=participant.code)
    approvals.decide(approval.pk, staff("checker", "controller"), approve=True)
    return participant.code


def run(*arguments: str, given: bytes | str | None = None) -> Result:
    return CliRunner().invoke(command, [*arguments, "--json"], input=given)


def said(*arguments: str, given: bytes | str | None = None) -> Any:
    result = run(*arguments, given=given)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def pem(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_public_key_is_added_seen_and_revoked(code: str) -> None:
    private = Ed25519PrivateKey.generate()
    assert said("add-key", code, "mysal-1", "-", given=pem(private))["key_id"] == "mysal-1"
    key = ParticipantKey.objects.get(key_id="mysal-1")
    assert bytes(key.material) == private.public_key().public_bytes_raw()
    assert said("participants")[0]["keys"] == [{"key_id": "mysal-1", "algorithm": "ed25519", "revoked": False}]
    first = said("revoke-key", "mysal-1")
    assert said("revoke-key", "mysal-1") == first
    assert said("participants")[0]["keys"][0]["revoked"] is True
    assert Event.objects.filter(name="payments.participant.key.revoke", outcome="succeeded").count() == 2


def test_a_private_key_is_not_taken(code: str) -> None:
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    result = run("add-key", code, "mysal-1", "-", given=private)
    assert "public half" in str(result.exception)
    assert not ParticipantKey.objects.exists()


@pytest.mark.parametrize("wrong", [b"", b"short", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_refused(code: str, wrong: bytes) -> None:
    assert run("add-key", code, "mysal-1", "-", given=wrong).exit_code != 0
    assert not ParticipantKey.objects.exists()


def test_accounts_are_opened_all_or_none(code: str, tmp_path: Path) -> None:
    numbers = [iban.make(APPLICATION.bank_code, f"MYS{number:010d}") for number in range(3)]
    file = tmp_path / "holders.csv"
    file.write_text("\ufeff" + "".join(f'{number},"Мысалов, А."\n' for number in numbers), encoding="utf-8")
    assert said("open-accounts", code, str(file)) == {"participant": code, "accounts": 3}
    assert CustomerAccount.objects.filter(holder_name="Мысалов, А.").count() == 3
    other = iban.make(APPLICATION.bank_code, "MYSNEW0000000")
    file.write_text(f"{other},Б\n{numbers[0]},В\n", encoding="utf-8")
    assert run("open-accounts", code, str(file)).exit_code != 0
    file.write_text(f"{other}\n", encoding="utf-8")
    assert "Line 1" in str(run("open-accounts", code, str(file)).exception)
    assert CustomerAccount.objects.count() == 3


def test_a_peer_is_known_by_its_address_and_public_keys(code: str, tmp_path: Path) -> None:
    jwks = json.dumps(keys.load_or_create(tmp_path / "peer.json", "mysal").public.as_jwks())
    assert said("add-peer", code, "https://mysal.example", "-", given=jwks)["url"] == "https://mysal.example"
    assert Participant.objects.get(code=code).peer_code == Peer.objects.get().code
    assert run("add-peer", code, "https://mysal.example", "-", given="{}").exit_code != 0
    assert run("add-peer", code, "ftp://mysal.example", "-", given=jwks).exit_code != 0


@pytest.mark.parametrize("arguments", [("add-key", "000000", "x", "-"), ("revoke-key", "none")])
def test_what_is_unknown_is_refused(arguments: tuple[str, ...]) -> None:
    assert run(*arguments, given=b"x" * 32).exit_code != 0
