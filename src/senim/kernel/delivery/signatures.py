"""Signed HTTP requests between machines: RFC 9421 (signatures) and RFC 9530 (Content-Digest).

The profile is small on purpose, so that it can be read, fuzzed and run thousands of times a second: one signature a
request; header fields and the derived components below, without component parameters; ``ed25519`` and ``hmac-sha256``.
Parsing is one regular expression; a client's list of covered components never changes, so it is taken apart once.
Nothing here knows Django or a database: clients, simulators and the authorisation centre use the same functions.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from senim.errors import SenimError

ED25519: Final = "ed25519"
HMAC_SHA256: Final = "hmac-sha256"
FRESHNESS_SECONDS: Final = 300
"""How far the moment of creation that a signature names may lie behind us, or ahead where a clock runs fast."""
SIGNATURE_FIELD_BYTES_MAX: Final = 1_024
DERIVED: Final = frozenset((b"@method", b"@path", b"@query", b"@authority"))
_SIGNATURE_BYTES: Final = {ED25519: 64, HMAC_SHA256: 32}

_LABEL = rb"[a-z*][a-z0-9_.*-]{0,63}"
_INPUT = re.compile(
    rb"(" + _LABEL + rb")=(\((?:\"@?[a-z0-9-]{1,64}\"(?: \"@?[a-z0-9-]{1,64}\"){0,15})?\))"
    rb"((?:;[a-z]{1,16}=(?:[0-9]{1,15}|\"[ !#-\[\]-~]{0,256}\")){0,6})"
)
_PARAMETER = re.compile(rb";([a-z]+)=(?:([0-9]+)|\"([^\"]*)\")")
_SIGNATURE = re.compile(rb"(" + _LABEL + rb")=:([A-Za-z0-9+/]{2,344}={0,2}):")
_DIGEST = re.compile(rb"(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/]{43}=):[ \t]*(?=,|$)")
_NUMBERS: Final = frozenset((b"created", b"expires"))
_WORDS: Final = frozenset((b"keyid", b"alg", b"nonce", b"tag"))


class SignatureRefused(SenimError):
    """The request is not signed as it has to be.

    ``cause`` is for our own log. It is never told to the caller: which check failed would help a forger.
    """

    code = "delivery.signature_refused"

    def __init__(self, cause: str) -> None:
        super().__init__(cause=cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """The two header fields of a signature, taken apart; ``parameters`` is the text that closes the signature base."""

    components: tuple[bytes, ...]
    parameters: bytes
    created: int
    expires: int | None
    key_id: str
    algorithm: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key that signatures are checked with.

    ``material`` is the raw public key or the secret; ``check(signature, base)`` tells whether the signature is of these
    bytes. ``owner`` is whatever the caller wants to
    find again. Validity is in seconds of the epoch, the end excluded; None has no end.
    """

    key_id: str
    algorithm: str
    material: bytes = field(repr=False)
    check: Callable[[bytes, bytes], bool]
    owner: int
    valid_from: float = 0.0
    valid_until: float | None = None

    def is_valid_at(self, moment: float) -> bool:
        """Whether the key may be used at this second of the epoch."""
        return self.valid_from <= moment and (self.valid_until is None or moment < self.valid_until)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that requests are signed with; ``sign`` turns the signature base into the signature."""

    key_id: str
    algorithm: str
    sign: Callable[[bytes], bytes]


def ed25519_checker(public_key: bytes) -> Callable[[bytes, bytes], bool]:
    """The check of RFC 9421, 3.3.6, for a raw public key of 32 bytes."""
    verify = Ed25519PublicKey.from_public_bytes(public_key).verify

    def check(signature: bytes, base: bytes) -> bool:
        try:
            verify(signature, base)
        except InvalidSignature:
            return False
        return True

    return check


def hmac_checker(secret: bytes) -> Callable[[bytes, bytes], bool]:
    """The check of RFC 9421, 3.3.3, in constant time."""

    def check(signature: bytes, base: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(secret, base, "sha256"), signature)

    return check


def verification_key(
    key_id: str, algorithm: str, material: bytes, owner: int, valid_from: float = 0.0, valid_until: float | None = None
) -> VerificationKey:
    """Make a key from its raw material: 32 bytes of a public key, or a shared secret.

    Raises:
        ValueError: the algorithm is unknown or the material does not suit it.
    """
    makers = {ED25519: ed25519_checker, HMAC_SHA256: hmac_checker}
    if algorithm not in makers:
        raise ValueError(f"unknown signature algorithm: {algorithm}")
    return VerificationKey(key_id, algorithm, material, makers[algorithm](material), owner, valid_from, valid_until)


def ed25519_signing_key(key_id: str, private_key: bytes) -> SigningKey:
    """A signing key from the 32 raw bytes of an ed25519 private key."""
    return SigningKey(key_id, ED25519, Ed25519PrivateKey.from_private_bytes(private_key).sign)


def hmac_signing_key(key_id: str, secret: bytes) -> SigningKey:
    """A signing key from a shared secret."""
    return SigningKey(key_id, HMAC_SHA256, lambda base: hmac.digest(secret, base, "sha256"))


@lru_cache(maxsize=1_024)
def _components(inner_list: bytes) -> tuple[bytes, ...]:
    """Take ``("@method" "@path")`` apart. Cached: a client sends the same list for ever.

    Raises:
        SignatureRefused: a component stands twice, or is derived from something this profile does not know.
    """
    names = tuple(inner_list[2:-2].split(b'" "')) if len(inner_list) > 2 else ()
    if len(set(names)) != len(names):
        raise SignatureRefused("a component is covered twice")
    if any(name[:1] == b"@" and name not in DERIVED for name in names):
        raise SignatureRefused("unknown derived component")
    return names


def parse(signature_input: bytes, signature: bytes) -> SignatureInput:
    """Read the header fields ``Signature-Input`` and ``Signature``.

    Raises:
        SignatureRefused: they are not of this profile.
    """
    if len(signature_input) > SIGNATURE_FIELD_BYTES_MAX or len(signature) > SIGNATURE_FIELD_BYTES_MAX:
        raise SignatureRefused("signature fields are too long")
    described, signed = _INPUT.fullmatch(signature_input), _SIGNATURE.fullmatch(signature)
    if described is None or signed is None:
        raise SignatureRefused("signature fields cannot be read")
    label, inner_list, tail = described.groups()
    if signed[1] != label:
        raise SignatureRefused("no signature under the label of the input")
    values: dict[bytes, bytes] = {}
    for name, number, word in _PARAMETER.findall(tail):
        if name in values or name not in (_NUMBERS if number else _WORDS):
            raise SignatureRefused("unknown, doubled or mistyped signature parameter")
        values[name] = number or word
    if b"created" not in values or b"keyid" not in values:
        raise SignatureRefused("created or keyid is missing")
    try:
        raw = base64.b64decode(signed[2], validate=True)
    except binascii.Error:
        raise SignatureRefused("the signature is not base64") from None
    return SignatureInput(
        components=_components(inner_list),
        parameters=inner_list + tail,
        created=int(values[b"created"]),
        expires=int(values[b"expires"]) if b"expires" in values else None,
        key_id=values[b"keyid"].decode("ascii"),
        algorithm=values.get(b"alg", b"").decode("ascii"),
        signature=raw,
    )


def signature_base(components: tuple[bytes, ...], parameters: bytes, values: Mapping[bytes, bytes]) -> bytes:
    """The bytes that are signed (RFC 9421, 2.5).

    ``values`` maps lower-case field names to their values (several fields of one name joined by ``, ``) and derived
    components to theirs.

    Raises:
        SignatureRefused: a covered component is not in the request, or breaks a line.
    """
    lines = []
    for name in components:
        value = values.get(name)
        if value is None:
            raise SignatureRefused("a covered component is missing from the request")
        value = value.strip(b" \t")
        if b"\n" in value or b"\r" in value:
            raise SignatureRefused("a covered component breaks the line")
        lines.append(b'"%b": %b' % (name, value))
    lines.append(b'"@signature-params": ' + parameters)
    return b"\n".join(lines)


def check_fresh(parsed: SignatureInput, now: float) -> None:
    """Refuse a signature that is old, from the future or past its own end.

    Raises:
        SignatureRefused: by how far is in the cause.
    """
    if abs(now - parsed.created) > FRESHNESS_SECONDS:
        raise SignatureRefused("the signature is not fresh")
    if parsed.expires is not None and now >= parsed.expires:
        raise SignatureRefused("the signature has expired")


def check_suits(parsed: SignatureInput, key: VerificationKey, now: float) -> None:
    """Refuse a signature whose algorithm or length is not the key's, and a key outside its validity.

    The algorithm is the key's own, never the message's, so that a message cannot choose a weaker one (RFC 9421, 7.3.6).

    Raises:
        SignatureRefused: with the cause.
    """
    if parsed.algorithm and parsed.algorithm != key.algorithm:
        raise SignatureRefused("the algorithm is not the key's")
    if len(parsed.signature) != _SIGNATURE_BYTES[key.algorithm]:
        raise SignatureRefused("the signature has a wrong length")
    if not key.is_valid_at(now):
        raise SignatureRefused("the key is not valid now")


def covers(parsed: SignatureInput, required: tuple[bytes, ...]) -> bool:
    """Whether every required component is signed."""
    return set(required) <= set(parsed.components)


def content_digest(body: bytes) -> str:
    """The value of ``Content-Digest`` for a body (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


def digest_matches(field: bytes, body: bytes) -> bool:
    """Whether the field holds the right sha-256 of the body; other algorithms beside it are left alone."""
    found = _DIGEST.findall(field)
    expected = base64.b64encode(hashlib.sha256(body).digest())
    return len(found) == 1 and hmac.compare_digest(found[0], expected)


def sign_request(
    key: SigningKey, method: str, target: str, body: bytes = b"", idempotency_key: str = "", created: int | None = None
) -> dict[str, str]:
    """Sign a request and give the header fields to send with it.

    ``target`` is the path with its query as they go over the wire. A body is covered through its digest.
    """
    path, mark, query = target.partition("?")
    covered = {b"@method": method.encode("ascii"), b"@path": path.encode("ascii")}
    fields: dict[str, str] = {}
    if mark:
        covered[b"@query"] = b"?" + query.encode("ascii")
    if body:
        fields["Content-Digest"] = content_digest(body)
        covered[b"content-digest"] = fields["Content-Digest"].encode("ascii")
    if idempotency_key:
        fields["Idempotency-Key"] = idempotency_key
        covered[b"idempotency-key"] = idempotency_key.encode("ascii")
    inner_list = "(" + " ".join(f'"{name.decode("ascii")}"' for name in covered) + ")"
    moment = int(time.time()) if created is None else created
    parameters = f'{inner_list};created={moment};keyid="{key.key_id}";alg="{key.algorithm}"'
    raw = key.sign(signature_base(tuple(covered), parameters.encode("ascii"), covered))
    fields["Signature-Input"] = f"sig1={parameters}"
    fields["Signature"] = f"sig1=:{base64.b64encode(raw).decode('ascii')}:"
    return fields
