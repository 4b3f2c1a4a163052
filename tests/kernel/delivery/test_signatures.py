"""RFC 9421: the standard's own examples, a second implementation as oracle, and whatever strangers may send."""

import base64
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver, algorithms
from hypothesis import given
from hypothesis import strategies as st

from senim.kernel.delivery import signatures
from senim.kernel.delivery.signatures import SignatureRefused, SigningKey

PRIVATE = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()
SECRET = b"a shared secret of enough length!"
SIGNERS = {
    "ed25519": signatures.ed25519_signing_key("bank-1", PRIVATE),
    "hmac-sha256": signatures.hmac_signing_key("bank-1", SECRET),
}
MATERIAL = {"ed25519": PUBLIC, "hmac-sha256": SECRET}
NOW = 1_800_000_000
BODY = b'{"kind":"transfer"}'

# The request of RFC 9421, appendix B.2.
RFC_REQUEST = {
    b"@method": b"POST",
    b"@path": b"/foo",
    b"@query": b"?param=Value&Pet=dog",
    b"@authority": b"example.com",
    b"date": b"Tue, 20 Apr 2021 02:07:55 GMT",
    b"content-type": b"application/json",
    b"content-length": b"18",
}
RFC_SECRET = base64.b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)
RFC_ED25519 = base64.urlsafe_b64decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=")
RFC_EXAMPLES = {
    "B.2.5": (
        b'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
        b"sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
        ("hmac-sha256", RFC_SECRET),
    ),
    "B.2.6": (
        (
            b'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
            b';created=1618884473;keyid="test-key-ed25519"'
        ),
        b"sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
        ("ed25519", RFC_ED25519),
    ),
}


class Message:
    """A request as the oracle wants it."""

    def __init__(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.method, self.url, self.headers, self.body = method, url, headers, BODY


def values(method: str, target: str, fields: dict[str, str]) -> dict[bytes, bytes]:
    """A request as our verifier wants it."""
    path, mark, query = target.partition("?")
    derived = {b"@method": method.encode(), b"@path": path.encode(), b"@query": (mark + query).encode()}
    return {name.lower().encode(): value.encode() for name, value in fields.items()} | derived


def verify(algorithm: str, fields: dict[bytes, bytes], now: float = NOW) -> signatures.SignatureInput:
    """Check a request as the Centre does; raise when it is not right."""
    parsed = signatures.parse(fields[b"signature-input"], fields[b"signature"])
    key = signatures.verification_key("bank-1", algorithm, MATERIAL[algorithm], 7)
    signatures.check_fresh(parsed, now)
    signatures.check_suits(parsed, key, now)
    base = signatures.signature_base(parsed.components, parsed.parameters, fields)
    if not key.check(parsed.signature, base):
        raise SignatureRefused("the signature is wrong")
    return parsed


@pytest.mark.parametrize("example", RFC_EXAMPLES)
def test_the_examples_of_the_standard_verify(example: str) -> None:
    described, signed, (algorithm, material) = RFC_EXAMPLES[example]
    parsed = signatures.parse(described, signed)
    key = signatures.verification_key(parsed.key_id, algorithm, material, 1)
    base = signatures.signature_base(parsed.components, parsed.parameters, RFC_REQUEST)
    assert key.check(parsed.signature, base)
    assert not key.check(parsed.signature, base.replace(b"example.com", b"example.org"))
    assert (parsed.created, parsed.algorithm, parsed.expires) == (1_618_884_473, "", None)


@pytest.mark.parametrize("algorithm", SIGNERS)
@pytest.mark.parametrize("target", ["/centre/v1/operations", "/centre/v1/operations?after=1&limit=5"])
def test_what_we_sign_the_oracle_verifies(algorithm: str, target: str) -> None:
    fields = signatures.sign_request(SIGNERS[algorithm], "POST", target, BODY, "key-1")
    message = Message("POST", f"http://127.0.0.1:8001{target}", fields)
    [result] = oracle(HTTPMessageVerifier, algorithm).verify(message)
    covered = [name.strip('"') for name in result.covered_components]
    assert {"@method", "@path", "content-digest", "idempotency-key"} <= set(covered)
    assert ("@query" in covered) is ("?" in target)


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_what_the_oracle_signs_we_verify(algorithm: str) -> None:
    target = "/centre/v1/operations?after=1"
    fields = {"Content-Digest": signatures.content_digest(BODY), "Idempotency-Key": "key-1"}
    message = Message("POST", f"http://127.0.0.1:8001{target}", fields)
    covered = ("@method", "@path", "@query", "@authority", "content-digest", "idempotency-key")
    oracle(HTTPMessageSigner, algorithm).sign(
        message, key_id="bank-1", covered_component_ids=covered, use_existing_digest=True
    )
    seen = values("POST", target, message.headers) | {b"@authority": urlsplit(message.url).netloc.encode()}
    parsed = verify(algorithm, seen, now=time.time())
    assert [name.decode() for name in parsed.components] == list(covered)


def oracle(made: Any, algorithm: str) -> Any:
    """The other implementation, with our key."""
    ed25519 = {"bank-1": Ed25519PrivateKey.from_private_bytes(PRIVATE)}
    keys = {
        "ed25519": MappingKeyResolver(private_keys=ed25519, public_keys={"bank-1": ed25519["bank-1"].public_key()}),
        "hmac-sha256": MappingKeyResolver(private_keys={"bank-1": SECRET}, public_keys={"bank-1": SECRET}),
    }
    classes = {"ed25519": algorithms.ED25519, "hmac-sha256": algorithms.HMAC_SHA256}
    return made(signature_algorithm=classes[algorithm], key_resolver=keys[algorithm])


def signed(algorithm: str = "hmac-sha256", **changes: Any) -> dict[bytes, bytes]:
    """A right request as our verifier sees it."""
    wanted: dict[str, Any] = {
        "method": "POST",
        "target": "/a?b=1",
        "body": BODY,
        "idempotency_key": "k",
        "created": NOW,
    }
    wanted |= changes
    fields = signatures.sign_request(SIGNERS[algorithm], **wanted)
    return values(wanted["method"], wanted["target"], fields)


@pytest.mark.parametrize("algorithm", SIGNERS)
@pytest.mark.parametrize("name", [b"@method", b"@path", b"@query", b"content-digest", b"idempotency-key"])
def test_any_changed_component_is_noticed(algorithm: str, name: bytes) -> None:
    request = signed(algorithm)
    verify(algorithm, request)
    with pytest.raises(SignatureRefused):
        verify(algorithm, request | {name: request[name] + b"x"})


@pytest.mark.parametrize("shift", [-301, 301])
def test_a_stale_or_future_signature_is_refused(shift: int) -> None:
    verify("hmac-sha256", signed(), now=NOW + shift // 2)
    with pytest.raises(SignatureRefused) as refused:
        verify("hmac-sha256", signed(), now=NOW + shift)
    assert refused.value.cause == "the signature is not fresh"


def test_a_signature_ends_at_its_own_time() -> None:
    described = b'sig1=("@method");created=%d;expires=%d;keyid="bank-1"' % (NOW, NOW + 10)
    parsed = signatures.parse(described, b"sig1=:" + base64.b64encode(bytes(32)) + b":")
    signatures.check_fresh(parsed, NOW + 9.9)
    with pytest.raises(SignatureRefused):
        signatures.check_fresh(parsed, NOW + 10)


def test_the_message_does_not_choose_the_algorithm() -> None:
    """An ed25519 public key is known to all: used as an HMAC secret it must prove nothing (RFC 9421, 7.3.6)."""
    forged = signatures.sign_request(signatures.hmac_signing_key("bank-1", PUBLIC), "GET", "/a", created=NOW)
    with pytest.raises(SignatureRefused):
        verify("ed25519", values("GET", "/a", forged))


def test_a_key_is_valid_within_its_window() -> None:
    key = signatures.verification_key("bank-1", "hmac-sha256", SECRET, 7, valid_from=NOW, valid_until=NOW + 60)
    assert [key.is_valid_at(moment) for moment in (NOW - 1, NOW, NOW + 59.9, NOW + 60)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("described", "signature"),
    [
        (b"", b""),
        (b'sig1=("@method");created=1;keyid="k"', b"sig2=:AAAA:"),
        (b'sig1=("@method" "@method");created=1;keyid="k"', b"sig1=:AAAA:"),
        (b'sig1=("@method";sf);created=1;keyid="k"', b"sig1=:AAAA:"),
        (b'sig1=("@target-uri");created=1;keyid="k"', b"sig1=:AAAA:"),
        (b'sig1=("@method");keyid="k"', b"sig1=:AAAA:"),
        (b'sig1=("@method");created=1', b"sig1=:AAAA:"),
        (b'sig1=("@method");created="1";keyid="k"', b"sig1=:AAAA:"),
        (b'sig1=("@method");created=1;created=2;keyid="k"', b"sig1=:AAAA:"),
        (b'sig1=("@method");created=1;keyid="k";other="x"', b"sig1=:AAAA:"),
        (b'sig1=("@method");created=1;keyid="k", sig2=("@path");created=1;keyid="k"', b"sig1=:AAAA:"),
        (b'sig1=("@method");created=1;keyid="k"', b"sig1=:A:"),
        (b'sig1=("@method");created=1;keyid="k"\n', b"sig1=:AAAA:"),
        (b'sig1=("@method");created=1;keyid="' + b"k" * 2_000 + b'"', b"sig1=:AAAA:"),
    ],
)
def test_what_is_not_of_the_profile_is_refused(described: bytes, signature: bytes) -> None:
    with pytest.raises(SignatureRefused):
        signatures.parse(described, signature)


def test_a_missing_or_broken_component_is_refused() -> None:
    with pytest.raises(SignatureRefused):
        signatures.signature_base((b"x-absent",), b"()", {})
    with pytest.raises(SignatureRefused):
        signatures.signature_base((b"x-split",), b"()", {b"x-split": b'a\n"@method": GET'})


@given(st.binary(max_size=300), st.binary(max_size=200))
def test_noise_is_refused_and_never_crashes(described: bytes, signature: bytes) -> None:
    with pytest.raises(SignatureRefused):
        signatures.parse(described, signature)


@given(st.data())
def test_a_damaged_request_is_never_accepted(data: st.DataObject) -> None:
    request = signed()
    name = data.draw(
        st.sampled_from([b"signature-input", b"signature", b"content-digest", b"@path", b"idempotency-key"])
    )
    value = bytearray(request[name])
    at = data.draw(st.integers(0, len(value) - 1))
    value[at] ^= data.draw(st.integers(1, 255))
    damaged = bytes(value)
    # Outer blanks are no part of a field's value, and the last base64 digits carry bits that stand for nothing.
    if damaged.strip(b" \t") == request[name] or same_signature(name, damaged, request[name]):
        return
    with pytest.raises(SignatureRefused):
        verify("hmac-sha256", request | {name: damaged})


def same_signature(name: bytes, damaged: bytes, right: bytes) -> bool:
    """Whether both spell the same bytes of a signature."""
    if name != b"signature" or not damaged.startswith(b"sig1=:") or not damaged.endswith(b":"):
        return False
    try:
        return base64.b64decode(damaged[6:-1], validate=True) == base64.b64decode(right[6:-1])
    except ValueError:
        return False


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_digest_is_of_one_body_only(body: bytes, other: bytes) -> None:
    field = signatures.content_digest(body).encode()
    assert signatures.digest_matches(field, body)
    assert signatures.digest_matches(b"sha-512=:AAAA:, " + field, body)
    assert signatures.digest_matches(field, other) is (body == other)


@pytest.mark.parametrize("field", [b"", b"sha-256=abc", b"md5=:AAAA:", b"sha-256=:AAAA:"])
def test_a_malformed_digest_matches_nothing(field: bytes) -> None:
    assert not signatures.digest_matches(field, b"")


def test_two_digests_of_one_kind_match_nothing() -> None:
    field = signatures.content_digest(b"").encode()
    assert not signatures.digest_matches(field + b", " + field, b"")


def test_signing_keys_say_what_they_are() -> None:
    assert [(key.key_id, key.algorithm) for key in SIGNERS.values()] == [
        ("bank-1", "ed25519"),
        ("bank-1", "hmac-sha256"),
    ]
    with pytest.raises(ValueError, match="rsa"):
        signatures.verification_key("k", "rsa", b"", 1)
    assert isinstance(SIGNERS["ed25519"], SigningKey)
