"""Who calls? Participants sign each request (RFC 9421), here as at the authorisation centre."""

import base64
import hashlib
import re
import time
from typing import BinaryIO, Final, cast

import structlog
from django.db import connection
from django.http import HttpRequest
from psycopg import Connection
from psycopg.rows import TupleRow

from senim.kernel.delivery.signatures import SignatureRefused, covers, parse, signature_base
from senim.roles.payments.centre.authentication import required_components
from senim.roles.payments.centre.keyring import KeyRing
from senim.roles.payments.centre.server import open_secret
from senim.roles.payments.models import Participant

log = structlog.get_logger(__name__)

SHA_256: Final = re.compile(r"(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/]{43}=):[ \t]*(?=,|$)")


def participant_of(request: HttpRequest) -> Participant | None:
    """The participant that signed the request; None when nobody did, and why is in our log alone."""
    try:
        owner = _owner(request)
    except SignatureRefused as refused:
        log.info("request_not_authenticated", cause=refused.cause, path=request.path)
        return None
    return Participant.objects.get(pk=owner)


def _owner(request: HttpRequest) -> int:
    headers = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in request.headers.items()}
    parsed = parse(headers.get(b"signature-input", b""), headers.get(b"signature", b""))
    query = request.META.get("QUERY_STRING", "")
    required = required_components(
        has_query=bool(query), has_body=request.method == "POST", has_key=b"idempotency-key" in headers
    )
    if not covers(parsed, required):
        raise SignatureRefused("a mandatory component is not covered")
    values = {
        **headers,
        b"@method": str(request.method).encode("ascii"),
        b"@path": request.path.encode("utf-8"),
        b"@query": b"?" + query.encode("latin-1"),
        b"@authority": headers.get(b"host", b"").lower(),
    }
    base = signature_base(parsed.components, parsed.parameters, values)
    key = _key_ring().find(parsed, time.time())
    if not key.check(parsed.signature, base) or key.owner == 0:
        raise SignatureRefused("the signature is wrong")
    return key.owner


def _key_ring() -> KeyRing:
    """The keys as they are now: files are few, so they are read for each request and a revoked key ends at once."""
    connection.ensure_connection()
    ring = KeyRing(open_secret)
    ring.load(cast("Connection[TupleRow]", connection.connection))
    return ring


class DigestedBody:
    """A request's body read in pieces; at its end it must have the digest that the signature covers.

    Raises (while reading):
        SignatureRefused: it has another one, or the field has none by SHA-256.
    """

    def __init__(self, request: HttpRequest) -> None:
        self._stream = cast("BinaryIO", request)
        found = SHA_256.findall(request.headers.get("Content-Digest", ""))
        self._expected = base64.b64decode(found[0]) if len(found) == 1 else b""
        self._actual = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; none at the end, where the digest is compared."""
        piece = self._stream.read(size)
        self._actual.update(piece)
        if not piece and self._actual.digest() != self._expected:
            raise SignatureRefused("the body has another digest")
        return piece
