"""The wire form of a message between organisations: pure, without Django, the same for us and for simulators (PS-14.2).

A message is one JSON object, signed by its sender (JWS, RFC 7515, algorithm ``Ed25519`` of RFC 9864) and then encrypted
to its recipient (JWE, RFC 7516, ``ECDH-ES+A256KW`` on P-256 with ``A256GCM``). The signed header names the recipient's
key (``to``), so that a recipient cannot pass a message on as if it had been meant for somebody else. The answer is a
receipt: a JWS by the recipient over the message's id and digest. Keys are named by their RFC 7638 thumbprints.
"""

import base64
import binascii
import datetime as dt
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, ClassVar, Final, Self

from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.registry import HeaderParameter

from senim.errors import BadInput

CONTENT_BYTES_MAX: Final = 12 * 1024 * 1024
"""The body and the attachments of one message together."""
ENVELOPE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Base64 is written three times over: (4/3)**3 of the content, and room for the rest."""
ATTACHMENTS_MAX: Final = 32
SIGNATURE: Final = "Ed25519"
ENCRYPTION: Final = ("ECDH-ES+A256KW", "A256GCM")
MESSAGE_TYPE: Final = "senim-message"
RECEIPT_TYPE: Final = "senim-receipt"
CONTENT_TYPE: Final = "application/jose"
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class BadEnvelope(BadInput):
    """The envelope cannot be opened, or what is in it is no message."""

    code: ClassVar[str] = "delivery.bad_envelope"


class UnknownSender(BadInput):
    """The message is signed by a key that belongs to no peer of ours."""

    code: ClassVar[str] = "delivery.unknown_sender"


class BadSignature(BadInput):
    """The signature does not fit the message."""

    code: ClassVar[str] = "delivery.bad_signature"


class BadReceipt(BadInput):
    """The receipt is not the recipient's, or is for something else than was sent."""

    code: ClassVar[str] = "delivery.bad_receipt"


class TooLarge(BadInput):
    """The message is larger than one envelope may be."""

    code: ClassVar[str] = "delivery.too_large"


class _LargeJWS(jws.JWSRegistry):
    max_payload_length = max_signature_length = ENVELOPE_BYTES_MAX


class _LargeJWE(jwe.JWERegistry):
    max_ciphertext_length = ENVELOPE_BYTES_MAX


_JWS: Final = _LargeJWS(algorithms=[SIGNATURE], header_registry={"to": HeaderParameter("Key of the recipient", "str")})
_JWE: Final = _LargeJWE(algorithms=list(ENCRYPTION))


@dataclass(frozen=True, slots=True)
class PeerKeys:
    """The public keys of an organisation: it signs with one and is written to by the other."""

    code: str
    signing: OKPKey
    encryption: ECKey

    @classmethod
    def from_jwks(cls, code: str, signing_jwk: dict[str, Any], encryption_jwk: dict[str, Any]) -> Self:
        """Read public keys in their JWK form (RFC 7517).

        Raises:
            BadInput: a key is malformed, private, or of another kind.
        """
        try:
            if "d" in signing_jwk or "d" in encryption_jwk:
                raise BadInput("A private key was given where a public one is expected.", peer=code)
            signing, encryption = OKPKey.import_key(signing_jwk), ECKey.import_key(encryption_jwk)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise BadInput("The key is no JWK of a known kind.", peer=code) from error
        if signing.curve_name != "Ed25519" or encryption.curve_name != "P-256":
            raise BadInput("Keys are Ed25519 for signing and P-256 for encryption.", peer=code)
        return cls(code, signing, encryption)

    def as_jwks(self) -> dict[str, Any]:
        """The two public keys as a JWK set."""
        return {
            "keys": [
                {**self.signing.as_dict(private=False), "use": "sig", "kid": self.signing.thumbprint()},
                {**self.encryption.as_dict(private=False), "use": "enc", "kid": self.encryption.thumbprint()},
            ]
        }


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The private keys of this organisation. ``code`` is only a name for messages of error."""

    code: str
    signing: OKPKey = field(repr=False)
    encryption: ECKey = field(repr=False)

    @classmethod
    def generate(cls, code: str) -> Self:
        """Make new keys."""
        return cls(code, OKPKey.generate_key("Ed25519"), ECKey.generate_key("P-256"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote."""
        kept = json.loads(text)
        return cls(kept["code"], OKPKey.import_key(kept["signing"]), ECKey.import_key(kept["encryption"]))

    def to_json(self) -> str:
        """Private keys as text: for a file that nobody else can read."""
        keys = {"signing": self.signing.as_dict(private=True), "encryption": self.encryption.as_dict(private=True)}
        return json.dumps({"code": self.code, **keys})

    @property
    def public(self) -> PeerKeys:
        """What others are given."""
        signing, encryption = self.signing.as_dict(private=False), self.encryption.as_dict(private=False)
        return PeerKeys(self.code, OKPKey.import_key(signing), ECKey.import_key(encryption))

    def sign(self, payload: bytes, header: dict[str, Any] | None = None) -> str:
        """Sign bytes of our own; the answer is a compact JWS."""
        protected = {"alg": SIGNATURE, "kid": self.signing.thumbprint(), **(header or {})}
        return jws.serialize_compact(protected, payload, self.signing, registry=_JWS)

    def check_signature(self, token: str) -> bytes | None:
        """Return what we signed, or None when this is no signature of ours."""
        try:
            return jws.deserialize_compact(token, self.signing, registry=_JWS).payload
        except (JoseError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that travels with a message."""

    filename: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """What one organisation says to another. ``id`` stays the same however often it is sent."""

    id: uuid.UUID
    kind: str
    body: bytes
    created_at: dt.datetime
    conversation: str = ""
    filename: str = ""
    content_type: str = "application/octet-stream"
    attachments: tuple[Attached, ...] = ()

    def to_bytes(self) -> bytes:
        """The one form that is signed: the same message always gives the same bytes."""
        document = {
            "id": str(self.id),
            "kind": self.kind,
            "created_at": self.created_at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
            "conversation": self.conversation,
            "filename": self.filename,
            "content_type": self.content_type,
            "body": _encode(self.body),
            "attachments": [
                {"filename": one.filename, "content_type": one.content_type, "body": _encode(one.body)}
                for one in self.attachments
            ],
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a message strictly.

        Raises:
            BadEnvelope: a field is missing, foreign, or of another type.
        """
        try:
            document = json.loads(data)
            texts = {name: _text(document, name, length) for name, length in _TEXTS.items()}
            attachments = tuple(
                Attached(_text(one, "filename", 255), _text(one, "content_type", 100), _decode(one["body"]))
                for one in document["attachments"]
            )
            moment = dt.datetime.fromisoformat(document["created_at"])
            message = cls(
                uuid.UUID(document["id"]),
                body=_decode(document["body"]),
                created_at=moment,
                attachments=attachments,
                **texts,
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BadEnvelope("What is in the envelope is no message.") from error
        if message.created_at.tzinfo is None or not message.kind or len(attachments) > ATTACHMENTS_MAX:
            raise BadEnvelope("What is in the envelope is no message.")
        return message

    @property
    def digest(self) -> str:
        """SHA-256 of the signed form, hexadecimal."""
        return sha256(self.to_bytes()).hexdigest()


_TEXTS: Final = {"kind": 64, "conversation": 80, "filename": 255, "content_type": 100}


def _text(document: dict[str, Any], name: str, length: int) -> str:
    text = document[name]
    if not isinstance(text, str) or len(text) > length or "\0" in text:
        raise ValueError(name)
    text.encode()  # half a surrogate pair, which JSON can write and no database keeps, is a UnicodeEncodeError
    return text


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("base64") from error


@dataclass(frozen=True, slots=True)
class Opened:
    """A message out of its envelope: who signed it, and the signature itself for the archive."""

    message: Message
    sender: PeerKeys
    signed: bytes
    digest: str


def seal(message: Message, own: OwnKeys, peer: PeerKeys) -> bytes:
    """Sign a message and encrypt it to ``peer``; never the same bytes twice.

    Raises:
        TooLarge: the body and the attachments exceed ``CONTENT_BYTES_MAX``, or are too many.
    """
    check_size(message.body, message.attachments)
    to = peer.encryption.thumbprint()
    signed = own.sign(message.to_bytes(), {"typ": MESSAGE_TYPE, "to": to})
    header = {"alg": ENCRYPTION[0], "enc": ENCRYPTION[1], "kid": to, "cty": "JOSE"}
    return jwe.encrypt_compact(header, signed.encode(), peer.encryption, registry=_JWE).encode()


def check_size(body: bytes, attachments: tuple[Attached, ...]) -> None:
    """Refuse what one envelope does not hold.

    Raises:
        TooLarge: as said.
    """
    size = len(body) + sum(len(one.body) for one in attachments)
    if size > CONTENT_BYTES_MAX or len(attachments) > ATTACHMENTS_MAX:
        raise TooLarge(size_bytes=size, limit_bytes=CONTENT_BYTES_MAX)


def open_(envelope: bytes, own: OwnKeys, find_sender: Callable[[str], PeerKeys | None]) -> Opened:
    """Decrypt an envelope and check who signed what is in it. ``find_sender`` knows peers by their signing key's name.

    Raises:
        TooLarge: the envelope exceeds ``ENVELOPE_BYTES_MAX``.
        BadEnvelope: it is not encrypted to us, not meant for us, or holds no message.
        UnknownSender: the signing key is nobody's.
        BadSignature: the signature does not fit.
    """
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise TooLarge(size_bytes=len(envelope), limit_bytes=ENVELOPE_BYTES_MAX)
    try:
        signed = jwe.decrypt_compact(envelope, own.encryption, registry=_JWE).plaintext or b""
        header = jws.extract_compact(signed, registry=_JWS).headers()
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadEnvelope("The envelope does not open with our key.") from error
    kid = header.get("kid")  # so far anybody's word
    sender = find_sender(kid) if isinstance(kid, str) and _THUMBPRINT.fullmatch(kid) else None
    if sender is None:
        raise UnknownSender
    payload = _verified(signed, sender, BadSignature)
    if header.get("typ") != MESSAGE_TYPE or header.get("to") != own.encryption.thumbprint():
        raise BadEnvelope("The message was signed for another recipient, or is no message.")
    return Opened(Message.from_bytes(payload), sender, signed, sha256(payload).hexdigest())


def _verified(token: bytes | str, sender: PeerKeys, refusal: type[BadInput]) -> bytes:
    try:
        return jws.deserialize_compact(token, sender.signing, registry=_JWS).payload
    except (JoseError, ValueError, TypeError) as error:
        raise refusal(peer=sender.code) from error


@dataclass(frozen=True, slots=True)
class Receipt:
    """The recipient's word: this message, with this digest, has come, and was accepted or refused."""

    message_id: uuid.UUID
    digest: str
    accepted: bool
    reason: str
    received_at: dt.datetime


def sign_receipt(receipt: Receipt, own: OwnKeys) -> str:
    """Give our word that a message has come."""
    document = {
        "message_id": str(receipt.message_id),
        "digest": receipt.digest,
        "accepted": receipt.accepted,
        "reason": receipt.reason,
        "received_at": receipt.received_at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
    }
    return own.sign(json.dumps(document, ensure_ascii=False, sort_keys=True).encode(), {"typ": RECEIPT_TYPE})


def open_receipt(token: str, peer: PeerKeys, message_id: uuid.UUID, digest: str) -> Receipt:
    """Read the receipt for the message that we sent to ``peer``.

    Raises:
        BadReceipt: not signed by the peer, no receipt, or of another message or content.
    """
    payload = _verified(token, peer, BadReceipt)
    try:
        header, document = jws.extract_compact(token.encode(), registry=_JWS).headers(), json.loads(payload)
        receipt = Receipt(
            uuid.UUID(document["message_id"]),
            str(document["digest"]),
            document["accepted"] is True,
            str(document["reason"]),
            dt.datetime.fromisoformat(document["received_at"]),
        )
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise BadReceipt(peer=peer.code) from error
    if header.get("typ") != RECEIPT_TYPE or (receipt.message_id, receipt.digest) != (message_id, digest):
        raise BadReceipt(peer=peer.code)
    return receipt
