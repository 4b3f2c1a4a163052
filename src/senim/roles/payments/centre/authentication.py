"""Who sends this request? RFC 9421 signatures, checked beside the event loop where they cost time.

An ed25519 check takes 100 microseconds, an HMAC two: the one is done by a process of its own, the other in place.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from functools import lru_cache

from senim.kernel.delivery.signatures import (
    HMAC_SHA256,
    SignatureRefused,
    VerificationKey,
    covers,
    parse,
    signature_base,
)
from senim.roles.payments.centre.checking import CheckingProcess, TooManyWait
from senim.roles.payments.centre.keyring import KeyRing
from senim.roles.payments.centre.problems import Problem, unauthenticated

log = logging.getLogger(__name__)


@lru_cache(maxsize=64)
def required_components(*, has_query: bool, has_body: bool, has_key: bool) -> tuple[bytes, ...]:
    """What a signature must cover at least, so that nothing which matters can be exchanged."""
    optional = ((b"@query", has_query), (b"content-digest", has_body), (b"idempotency-key", has_key))
    return (b"@method", b"@path", *(name for name, is_there in optional if is_there))


class Authenticator:
    """Checks signatures against the key ring."""

    def __init__(self, keys: KeyRing, checking: CheckingProcess) -> None:
        self._keys = keys
        self._checking = checking

    async def authenticate(
        self, method: bytes, path: bytes, query: bytes, headers: Mapping[bytes, bytes], *, has_body: bool
    ) -> int:
        """The id of the participant that signed the request.

        Raises:
            Problem: 401, always the same, its cause in our log; 503 when too many wait.
        """
        try:
            return await self._owner(method, path, query, headers, has_body=has_body)
        except SignatureRefused as refused:
            log.info("a request was not authenticated: %s", refused.cause)
            raise unauthenticated() from None

    async def _owner(
        self, method: bytes, path: bytes, query: bytes, headers: Mapping[bytes, bytes], *, has_body: bool
    ) -> int:
        parsed = parse(headers.get(b"signature-input", b""), headers.get(b"signature", b""))
        required = required_components(has_query=bool(query), has_body=has_body, has_key=b"idempotency-key" in headers)
        if not covers(parsed, required):
            raise SignatureRefused("a mandatory component is not covered")
        values = {
            **headers,
            b"@method": method,
            b"@path": path,
            b"@query": b"?" + query,
            b"@authority": headers.get(b"host", b"").lower(),
        }
        base = signature_base(parsed.components, parsed.parameters, values)
        key = self._keys.find(parsed, time.time())
        if key.algorithm == HMAC_SHA256:
            is_right = key.check(parsed.signature, base)
        else:
            is_right = await self._check_beside(key, parsed.signature, base)
        if not is_right or key.owner == 0:
            raise SignatureRefused("the signature is wrong")
        return key.owner

    def _check_beside(self, key: VerificationKey, signature: bytes, base: bytes) -> "asyncio.Future[bool]":
        try:
            return self._checking.check(key.material, signature, base)
        except TooManyWait:
            raise Problem(503, "busy", "Too many requests wait.", remedy="Try again.", retry_after_seconds=1) from None
