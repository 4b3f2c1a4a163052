"""``senim payments participants``, ``add-key``, ``revoke-key``, ``add-peer`` and ``open-accounts``: what an approved
participant needs before its first operation. Each is an event of the command line.
"""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from senim.errors import BadInput
from senim.kernel.values.money import format_amount

if TYPE_CHECKING:  # models may be imported only after Django is set up, and this module is imported before
    from senim.roles.payments.models import Participant

KEY_FILE_BYTES_MAX: Final = 64 * 1024


class UnknownParticipant(BadInput):
    """There is no participant of this code: `senim payments participants` lists them."""

    code = "payments.unknown_participant"


class KeyUnreadable(BadInput):
    """The file holds no key of this algorithm."""

    code = "payments.key_unreadable"


class HoldersUnreadable(BadInput):
    """The file of account holders cannot be read."""

    code = "payments.holders_unreadable"


def _participant(code: str) -> "Participant":
    from senim.roles.payments.models import Participant

    found = Participant.objects.filter(code=code).first()
    if found is None:
        raise UnknownParticipant(participant=code)
    return found


@click.command(name="participants")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; sums are integers of tiyn.")
def participants(as_json: bool) -> None:
    """List the participants with their codes, keys and accounts."""
    from django.db.models import Count

    from senim.roles.payments.models import Participant

    found = Participant.objects.annotate(account_count=Count("accounts")).prefetch_related("keys").order_by("code")
    rows = [_document(one) for one in found]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        cap = format_amount(row["net_debit_cap"], "en")
        click.echo(
            f"{row['code']}  {row['state']:<9}  {row['bic']:<11}  {row['accounts']:>9,}  {cap:>24}  {row['name']}"
        )


def _document(one: Any) -> dict[str, Any]:
    keys = [
        {"key_id": key.key_id, "algorithm": key.algorithm, "revoked": key.revoked_at is not None}
        for key in one.keys.all()
    ]
    return {
        "code": one.code,
        "state": one.state,
        "role": one.role,
        "name": one.name,
        "bin": one.bin,
        "bic": one.bic,
        "bank_code": one.bank_code,
        "collateral": one.collateral_tiyn,
        "net_debit_cap": one.net_debit_cap_tiyn,
        "peer": one.peer_code,
        "accounts": one.account_count,
        "keys": keys,
    }


@click.command(name="add-key")
@click.argument("code")
@click.argument("key_id")
@click.argument("file", type=click.File("rb"))
@click.option("--algorithm", type=click.Choice(["ed25519", "hmac-sha256"]), default="ed25519", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add_key(code: str, key_id: str, file: BinaryIO, algorithm: str, as_json: bool) -> None:
    """Let participant CODE sign its requests under KEY_ID with the key in FILE (- for stdin).

    An ed25519 key is its public half, as PEM (openssl pkey -pubout) or 32 raw bytes. An hmac-sha256 secret is 32 raw
    bytes at least; it is kept encrypted. The Centre takes the key within a second.
    """
    from senim.kernel import events
    from senim.roles.payments.services import participants as services

    content = file.read(KEY_FILE_BYTES_MAX)
    material = _public_bytes(content) if algorithm == "ed25519" else content
    key = services.add_key(_participant(code), key_id, algorithm, material, events.Actor.command())
    _say({"participant": code, "key_id": key.key_id, "algorithm": key.algorithm}, as_json)


def _public_bytes(content: bytes) -> bytes:
    """The 32 raw bytes of an ed25519 public key, from PEM or as they are."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in content:
        raise KeyUnreadable("This is a private key: keep it with the participant, and give its public half.")
    if b"BEGIN" not in content:
        return content
    try:
        key = load_pem_public_key(content)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnreadable("The PEM file holds no ed25519 public key.")
    return key.public_bytes_raw()


@click.command(name="revoke-key")
@click.argument("key_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def revoke_key(key_id: str, as_json: bool) -> None:
    """Take KEY_ID out of use, at once and for ever."""
    from senim.kernel import events
    from senim.roles.payments.services import participants as services

    key = services.revoke_key(key_id, events.Actor.command())
    _say({"key_id": key.key_id, "revoked_at": str(key.revoked_at)}, as_json)


@click.command(name="add-peer")
@click.argument("code")
@click.argument("url")
@click.argument("keys", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add_peer(code: str, url: str, keys: BinaryIO, as_json: bool) -> None:
    """Deliver participant CODE's reports and messages to URL, signed and encrypted.

    KEYS is its JWK set with one key for signing and one for encryption, as another Senim shows at /delivery/v1/keys.
    Compare it with what the contract says before.
    """
    from senim.kernel import events
    from senim.roles.payments.services import participants as services

    try:
        jwks = {key["use"]: key for key in json.loads(keys.read(KEY_FILE_BYTES_MAX))["keys"]}
        signing, encryption = jwks["sig"], jwks["enc"]
    except (ValueError, KeyError, TypeError):
        raise KeyUnreadable('A JWK set is expected with keys of "use" "sig" and "enc".') from None
    peer = services.connect(_participant(code), url, signing, encryption, events.Actor.command())
    _say({"participant": code, "peer": peer.code, "url": peer.url}, as_json)


@click.command(name="open-accounts")
@click.argument("code")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def open_accounts(code: str, file: str, as_json: bool) -> None:
    """Open customers' accounts at participant CODE from FILE (- for stdin): all of them, or none.

    FILE is CSV in UTF-8 with a line for each account: IBAN, holder's name.
    """
    from senim.kernel import events
    from senim.roles.payments.services import accounts

    opened = accounts.open_customer_accounts(_participant(code), _holders(file), events.Actor.command())
    _say({"participant": code, "accounts": len(opened)}, as_json)


def _holders(file: str) -> Iterator[tuple[str, str]]:
    """IBAN and name from each line."""
    with sys.stdin if file == "-" else Path(file).open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        try:
            for row in reader:
                if not row:
                    continue
                if len(row) != 2:
                    raise HoldersUnreadable(f"Line {reader.line_num}: an IBAN and a name are expected.")
                yield row[0].strip().replace(" ", ""), row[1].strip()
        except (UnicodeDecodeError, csv.Error) as error:
            raise HoldersUnreadable(f"After line {reader.line_num}: {error}") from None


def _say(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(done, ensure_ascii=False))
        return
    click.echo(", ".join(f"{name}: {value}" for name, value in done.items()))
