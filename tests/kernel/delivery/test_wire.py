"""The wire form: what is sealed opens for its recipient alone, and only as it was sealed."""

import base64
import datetime as dt
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe, jws

from senim.errors import BadInput
from senim.kernel.delivery import wire

OUR, THEIR, STRANGER = (wire.OwnKeys.generate(name) for name in ("our", "their", "stranger"))
MOMENTS = st.integers(0, 4_000_000_000_000_000).map(
    lambda n: dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=n)
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
FILES = st.builds(wire.Attached, TEXT, TEXT, st.binary(max_size=40))
MESSAGES = st.builds(
    wire.Message,
    id=st.uuids(),
    kind=TEXT.filter(bool),
    body=st.binary(max_size=200),
    created_at=MOMENTS,
    conversation=TEXT,
    filename=TEXT,
    content_type=TEXT,
    attachments=st.lists(FILES, max_size=3).map(tuple),
)


def peers(*known: wire.OwnKeys) -> "dict[str, wire.PeerKeys]":
    return {one.signing.thumbprint(): one.public for one in known}


def example(**fields: object) -> wire.Message:
    given = {"id": uuid.uuid4(), "kind": "test", "body": b"<xml/>", "created_at": dt.datetime.now(dt.UTC)} | fields
    return wire.Message(**given)  # type: ignore[arg-type]


@given(MESSAGES)
@pytest.mark.clause("EM-55.10")
@pytest.mark.clause("PO-34.10")
def test_a_message_arrives_as_it_was(message: wire.Message) -> None:
    assert wire.Message.from_bytes(message.to_bytes()) == message
    opened = wire.open_(wire.seal(message, OUR, THEIR.public), THEIR, peers(OUR).get)
    assert (opened.message, opened.sender.code, opened.digest) == (message, "our", message.digest)
    assert opened.message.to_bytes() == message.to_bytes()


@pytest.mark.clause("PS-14.2")
def test_nothing_of_a_message_can_be_read_on_the_way() -> None:
    secret = b"nobody but the recipient reads this"
    envelope = wire.seal(
        example(body=secret, filename="secret-name.xml", conversation="secret-talk"), OUR, THEIR.public
    )
    clear = envelope + b"".join(base64.urlsafe_b64decode(part + b"==") for part in envelope.split(b"."))
    for told in (secret, base64.b64encode(secret), b"secret-name", b"secret-talk"):
        assert told not in clear
    with pytest.raises(wire.BadEnvelope):
        wire.open_(envelope, STRANGER, peers(OUR).get)


@pytest.mark.clause("PS-14.2")
@given(st.data())
def test_a_changed_envelope_does_not_open(data: st.DataObject) -> None:
    envelope = bytearray(wire.seal(example(), OUR, THEIR.public))
    position = data.draw(st.integers(0, len(envelope) - 1))
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    before = bytes(envelope)
    envelope[position] = data.draw(st.sampled_from(letters))
    try:
        opened = wire.open_(bytes(envelope), THEIR, peers(OUR).get)
    except BadInput:
        return
    # The last letter of a base64url part may carry bits that mean nothing; then the bytes are the same.
    assert opened.message.body == b"<xml/>"
    assert bytes(envelope) == before or before[position + 1 : position + 2] in {b".", b""}


@pytest.mark.clause("PS-14.2")
def test_a_message_without_a_valid_signature_is_refused() -> None:
    message = example()

    def sealed(signed: str) -> bytes:
        header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
        return jwe.encrypt_compact(header, signed.encode(), THEIR.encryption, registry=wire._JWE).encode()

    to = THEIR.encryption.thumbprint()
    good = OUR.sign(message.to_bytes(), {"typ": wire.MESSAGE_TYPE, "to": to})
    assert wire.open_(sealed(good), THEIR, peers(OUR).get).message == message
    head, _body, signature = good.split(".")
    other = base64.urlsafe_b64encode(example().to_bytes()).rstrip(b"=").decode()
    by_a_stranger = STRANGER.sign(
        message.to_bytes(), {"typ": wire.MESSAGE_TYPE, "to": to, "kid": OUR.signing.thumbprint()}
    )
    for forged in (f"{head}.{other}.{signature}", by_a_stranger):
        with pytest.raises(wire.BadSignature):
            wire.open_(sealed(forged), THEIR, peers(OUR).get)
    with pytest.raises(wire.UnknownSender):
        wire.open_(
            sealed(STRANGER.sign(message.to_bytes(), {"typ": wire.MESSAGE_TYPE, "to": to})), THEIR, peers(OUR).get
        )
    for wrong in ({"typ": wire.MESSAGE_TYPE, "to": "x"}, {"to": to}, {"typ": wire.RECEIPT_TYPE, "to": to}):
        with pytest.raises(wire.BadEnvelope):
            wire.open_(sealed(OUR.sign(message.to_bytes(), wrong)), THEIR, peers(OUR).get)


@pytest.mark.parametrize("kid", ["a\0b", "x" * 44, "", None, 7, ["a"]])
def test_the_name_of_a_key_is_looked_up_only_where_it_is_one(kid: object) -> None:
    """Until the signature is checked, the header is the word of whoever posted it."""
    parts = ({"alg": "Ed25519", "kid": kid}, {})
    token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
    envelope = jwe.encrypt_compact(header, f"{token}.AAAA".encode(), THEIR.encryption, registry=wire._JWE)
    asked: list[str] = []
    with pytest.raises(BadInput):
        wire.open_(envelope.encode(), THEIR, asked.append)  # type: ignore[arg-type]  # it gives None: nobody
    assert asked == []


def test_a_recipient_cannot_pass_a_message_on_as_if_for_another() -> None:
    """The signature is ours, the envelope opens, and still it was not meant for the one who opens it."""
    opened = wire.open_(wire.seal(example(), OUR, THEIR.public), THEIR, peers(OUR).get)
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
    passed_on = jwe.encrypt_compact(header, opened.signed, STRANGER.encryption, registry=wire._JWE)
    with pytest.raises(wire.BadEnvelope, match="another recipient"):
        wire.open_(passed_on.encode(), STRANGER, peers(OUR).get)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES256"])
def test_no_other_algorithm_is_taken(algorithm: str) -> None:
    header = (
        base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": OUR.signing.thumbprint()}).encode())
        .rstrip(b"=")
        .decode()
    )
    token = f"{header}.{base64.urlsafe_b64encode(example().to_bytes()).rstrip(b'=').decode()}."
    envelope = jwe.encrypt_compact(
        {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}, token.encode(), THEIR.encryption, registry=wire._JWE
    )
    with pytest.raises(BadInput):
        wire.open_(envelope.encode(), THEIR, peers(OUR).get)


@given(st.one_of(st.binary(max_size=100), st.just(b"a.b.c.d.e"), st.just(b"....")))
def test_rubbish_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(wire.BadEnvelope):
        wire.open_(data, THEIR, peers(OUR).get)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "7"},
        {"kind": ""},
        {"kind": 7},
        {"kind": "x" * 65},
        {"filename": "a\0b"},
        {"kind": "half\ud800"},
        {"body": "not base64!"},
        {"created_at": "2026-05-04T10:00:00"},
        {"created_at": None},
        {"attachments": [{"filename": "a"}]},
        {"attachments": [{"filename": "a", "content_type": "b", "body": ""}] * 33},
        {"attachments": 3},
    ],
)
def test_what_is_no_message_is_refused(change: dict[str, object]) -> None:
    document = json.loads(example().to_bytes()) | change
    with pytest.raises(wire.BadEnvelope):
        wire.Message.from_bytes(json.dumps(document).encode())


def test_a_message_has_a_bound() -> None:
    half = b"x" * (wire.CONTENT_BYTES_MAX // 2)
    whole = example(body=half, attachments=(wire.Attached("a", "b", half),))
    envelope = wire.seal(whole, OUR, THEIR.public)
    assert len(envelope) < wire.ENVELOPE_BYTES_MAX
    assert wire.open_(envelope, THEIR, peers(OUR).get).message == whole
    with pytest.raises(wire.TooLarge):
        wire.seal(example(body=half, attachments=(wire.Attached("a", "b", half + b"x"),)), OUR, THEIR.public)
    with pytest.raises(wire.TooLarge):
        wire.open_(b"x" * (wire.ENVELOPE_BYTES_MAX + 1), THEIR, peers(OUR).get)


@given(st.booleans(), TEXT)
def test_a_receipt_is_taken_only_from_the_peer_for_this_message_and_content(accepted: bool, reason: str) -> None:
    message = example()
    receipt = wire.Receipt(message.id, message.digest, accepted, reason, dt.datetime(2026, 5, 4, tzinfo=dt.UTC))
    token = wire.sign_receipt(receipt, THEIR)
    assert wire.open_receipt(token, THEIR.public, message.id, message.digest) == receipt
    for keys, message_id, digest in (
        (STRANGER.public, message.id, message.digest),
        (THEIR.public, uuid.uuid4(), message.digest),
        (THEIR.public, message.id, "0" * 64),
    ):
        with pytest.raises(wire.BadReceipt):
            wire.open_receipt(token, keys, message_id, digest)
    not_a_receipt = THEIR.sign(jws.extract_compact(token.encode()).payload, {"typ": wire.MESSAGE_TYPE})
    for rubbish in ("", "x", "a.b.c", not_a_receipt, THEIR.sign(b"[]", {"typ": wire.RECEIPT_TYPE})):
        with pytest.raises(wire.BadReceipt):
            wire.open_receipt(rubbish, THEIR.public, message.id, message.digest)


def test_only_public_keys_of_the_right_kind_are_taken() -> None:
    signing, encryption = OUR.signing.as_dict(private=False), OUR.encryption.as_dict(private=False)
    assert wire.PeerKeys.from_jwks("x", signing, encryption).signing.thumbprint() == OUR.signing.thumbprint()
    for wrong in (
        (encryption, signing),
        (OUR.signing.as_dict(private=True), encryption),
        ({}, encryption),
        (signing, {"kty": "EC"}),
    ):
        with pytest.raises(BadInput):
            wire.PeerKeys.from_jwks("x", *wrong)
    assert all("d" not in key for key in OUR.public.as_jwks()["keys"])
