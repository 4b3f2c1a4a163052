"""Who sends this request? RFC 9421 signatures, checked beside the event loop where they cost time.

An ed25519 check takes 100 microseconds and lets go of the interpreter, so a thread does it for all requests that wait,
while the loop reads the next ones. HMAC takes two and is done in place.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Final, NamedTuple

from senim.kernel.delivery.signatures import (
    HMAC_SHA256,
    SignatureRefused,
    VerificationKey,
    covers,
    parse,
    signature_base,
)
from senim.roles.payments.centre.keyring import KeyRing
from senim.roles.payments.centre.problems import unauthenticated

log = logging.getLogger(__name__)

CHECKS_WAITING_MAX: Final = 5_000


class _Check(NamedTuple):
    key: VerificationKey
    signature: bytes
    base: bytes
    future: "asyncio.Future[bool]"


@lru_cache(maxsize=64)
def required_components(*, has_query: bool, has_body: bool, has_key: bool) -> tuple[bytes, ...]:
    """What a signature must cover at least, so that nothing which matters can be exchanged."""
    optional = ((b"@query", has_query), (b"content-digest", has_body), (b"idempotency-key", has_key))
    return (b"@method", b"@path", *(name for name, is_there in optional if is_there))


class Authenticator:
    """Checks signatures against the key ring."""

    def __init__(self, keys: KeyRing, loop: asyncio.AbstractEventLoop) -> None:
        self._keys = keys
        self._loop = loop
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="centre-signatures")
        self._waiting: list[_Check] = []
        self._is_working = False

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False)

    async def authenticate(
        self, method: bytes, path: bytes, query: bytes, headers: Mapping[bytes, bytes], *, has_body: bool
    ) -> int:
        """The id of the participant that signed the request.

        Raises:
            Problem: 401, always the same; the cause is in our log.
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
        if len(self._waiting) >= CHECKS_WAITING_MAX:
            raise SignatureRefused("too many signatures wait to be checked")
        future: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.append(_Check(key, signature, base, future))
        if not self._is_working:
            self._is_working = True
            # At the end of this turn of the loop, so that all that arrived in it go together.
            self._loop.call_soon(self._send)
        return future

    def _send(self) -> None:
        checks, self._waiting = self._waiting, []
        self._pool.submit(self._work, checks)

    def _work(self, checks: list[_Check]) -> None:
        results = [check.key.check(check.signature, check.base) for check in checks]
        self._loop.call_soon_threadsafe(self._hand_back, checks, results)

    def _hand_back(self, checks: list[_Check], results: list[bool]) -> None:
        for check, result in zip(checks, results, strict=True):
            if not check.future.done():
                check.future.set_result(result)
        if self._waiting:
            self._send()
        else:
            self._is_working = False
