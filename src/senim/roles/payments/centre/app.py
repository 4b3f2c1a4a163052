"""The Centre's ASGI application: bytes in, decision out, nothing in between that a stranger could reach.

A request goes: bounds, body, signature, digest, JSON, queue, decision, answer. Whatever stops it is one
:class:`~senim.roles.payments.centre.problems.Problem`.
"""

import asyncio
import datetime as dt
import logging
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from senim.kernel.delivery.signatures import digest_matches
from senim.roles.payments.centre import openapi, reading, wire
from senim.roles.payments.centre.authentication import Authenticator
from senim.roles.payments.centre.database import Reader
from senim.roles.payments.centre.gatherer import Gatherer
from senim.roles.payments.centre.keyring import KeyRing
from senim.roles.payments.centre.problems import PROBLEM_TYPE, Problem
from senim.roles.payments.rules.authorisation import Answer, OperationRequest, Outcome
from senim.roles.payments.rules.kinds import Source
from senim.roles.payments.services.recording import arrive

log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
BODY_TIMEOUT_SECONDS: Final = 10.0
ROOT: Final = b"/centre/v1/"
SINGLE: Final = b"/centre/v1/operations"
BATCH: Final = b"/centre/v1/operations:batch"
ONE: Final = b"/centre/v1/operations/"
HEALTH: Final = b"/centre/v1/health"
OPENAPI: Final = b"/centre/v1/openapi.json"
_JSON: Final = b"application/json"
_KEY: Final = re.compile(rb"[!-~]{1,64}")
_NO_MARK: Final = uuid.UUID(int=0)
_DECIDED: Final = frozenset((Outcome.ACCEPTED, Outcome.REFUSED))


class Disconnected(Exception):
    """The caller hung up before its request was complete."""


class Centre:
    """One running Centre: what the requests need, made when the server starts."""

    def __init__(self, gatherer: Gatherer, keys: KeyRing, authenticator: Authenticator, reader: Reader) -> None:
        self.gatherer = gatherer
        self.keys = keys
        self.authenticator = authenticator
        self.reader = reader

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            status, body, kind = await self._route(scope, receive)
            extra: list[tuple[bytes, bytes]] = []
        except Disconnected:
            return
        except Problem as problem:
            status, body, kind = problem.status, problem.body(), PROBLEM_TYPE
            extra = _problem_headers(problem)
        except Exception:
            reference = secrets.token_hex(8)
            log.exception("request failed, reference %s", reference)
            failure = Problem(500, "internal", f"The Centre failed. Reference for the operator: {reference}.")
            status, body, kind, extra = 500, failure.body(), PROBLEM_TYPE, []
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers + extra})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _route(self, scope: Scope, receive: Receive) -> tuple[int, bytes, bytes]:
        path, method = scope["raw_path"], scope["method"]
        if path == SINGLE and method == "POST":
            return await self._post(scope, receive, self._single)
        if path == BATCH:
            _allow(method, "POST")
            return await self._post(scope, receive, self._batch)
        if path == SINGLE:
            _allow(method, "GET", "POST")
            return await self._since(scope)
        if path.startswith(ONE):
            _allow(method, "GET")
            return await self._one(scope, path[len(ONE) :])
        if path == HEALTH:
            _allow(method, "GET", "HEAD")
            return self._health()
        if path == OPENAPI:
            _allow(method, "GET", "HEAD")
            return 200, openapi.document(), _JSON
        raise Problem(404, "not_found", "There is no such address here.", remedy="See /centre/v1/openapi.json.")

    async def _post(
        self,
        scope: Scope,
        receive: Receive,
        act: Callable[[Mapping[bytes, bytes], bytes, int, dt.datetime], Awaitable[tuple[int, bytes, bytes]]],
    ) -> tuple[int, bytes, bytes]:
        """Read and authenticate a request with a body. Its arrival is the moment at which it was whole (PS-7.5.2)."""
        headers = _headers(scope["headers"])
        _check_media(headers)
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                body = await _body(headers, receive)
        except TimeoutError:
            raise Problem(408, "timeout", "The body did not arrive within 10 seconds.", remedy="Try again.") from None
        received_at = dt.datetime.now(dt.UTC)
        owner = await self.authenticator.authenticate(
            scope["method"].encode("ascii"), scope["raw_path"], scope["query_string"], headers, has_body=True
        )
        if not digest_matches(headers[b"content-digest"], body):
            raise Problem(
                400,
                "digest_mismatch",
                "Content-Digest does not hold the sha-256 of the body.",
                field="Content-Digest",
                remedy="Send sha-256=:...: of the very bytes of the body (RFC 9530).",
            )
        return await act(headers, body, owner, received_at)

    async def _single(
        self, headers: Mapping[bytes, bytes], body: bytes, owner: int, received_at: dt.datetime
    ) -> tuple[int, bytes, bytes]:
        request = wire.read_single(body, _idempotency_key(headers), owner)
        [answer] = await self._decide([request], received_at, Source.SINGLE)
        if answer.outcome not in _DECIDED:
            raise Problem(
                422,
                "idempotency_conflict",
                f"The key belongs to another operation, {answer.operation_id}.",
                field="Idempotency-Key",
                remedy="Give a new operation a new key; repeat an old one unchanged.",
            )
        return 200, wire.write_single(answer), _JSON

    async def _batch(
        self, _headers: Mapping[bytes, bytes], body: bytes, owner: int, received_at: dt.datetime
    ) -> tuple[int, bytes, bytes]:
        requests = wire.read_batch(body, owner)
        answers = await self._decide(requests, received_at, Source.BATCH)
        return 200, wire.write_batch(answers), _JSON

    async def _decide(
        self, requests: Sequence[OperationRequest], received_at: dt.datetime, source: Source
    ) -> list[Answer]:
        arrivals = [arrive(request, received_at, source) for request in requests]
        return await self.gatherer.submit(arrivals)

    async def _reader(self, scope: Scope) -> int:
        """The participant that asks to read."""
        headers = _headers(scope["headers"])
        method = scope["method"].encode("ascii")
        return await self.authenticator.authenticate(
            method, scope["raw_path"], scope["query_string"], headers, has_body=False
        )

    async def _one(self, scope: Scope, name: bytes) -> tuple[int, bytes, bytes]:
        reader = await self._reader(scope)
        try:
            number = uuid.UUID(name.decode("ascii"))
        except ValueError:
            raise Problem(404, "not_found", "There is no such operation.") from None
        sees_all = reader in self.keys.settlement_banks
        found = await self.reader.read(lambda c: reading.operation(c, number, reader, sees_all=sees_all))
        if found is None:
            raise Problem(404, "not_found", "There is no such operation.")
        return 200, msgspec.json.encode(found), _JSON

    async def _since(self, scope: Scope) -> tuple[int, bytes, bytes]:
        reader = await self._reader(scope)
        after, limit = _page(scope["query_string"])
        sees_all = reader in self.keys.settlement_banks
        page = await self.reader.read(lambda c: reading.operations_since(c, after, limit, reader, sees_all=sees_all))
        return 200, msgspec.json.encode(page), _JSON

    def _health(self) -> tuple[int, bytes, bytes]:
        """Fit to be asked by anybody: nothing of business in it."""
        is_ready = self.reader.is_database_up and not self.gatherer.is_stopping
        report = {"status": "ok" if is_ready else "unavailable", "queued_operations": self.gatherer.queued_operations}
        return 200 if is_ready else 503, msgspec.json.encode(report), _JSON


def _allow(method: str, *allowed: str) -> None:
    if method not in allowed:
        names = ", ".join(allowed)
        raise Problem(405, "method_not_allowed", f"Only {names} is possible here.", remedy=names)


def _problem_headers(problem: Problem) -> list[tuple[bytes, bytes]]:
    headers = []
    if problem.retry_after_seconds:
        headers.append((b"retry-after", b"%d" % problem.retry_after_seconds))
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Signature"))
    if problem.status == 405:
        headers.append((b"allow", problem.remedy.encode("ascii")))
    return headers


def _headers(fields: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Header fields by name; several of one name are joined as RFC 9421, 2.1 says."""
    headers = dict(fields)
    if len(headers) != len(fields):
        headers = {}
        for name, value in fields:
            headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def _check_media(headers: Mapping[bytes, bytes]) -> None:
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media != _JSON or headers.get(b"content-encoding", b"identity") != b"identity":
        raise Problem(
            415,
            "unsupported_media",
            "The body must be application/json, not compressed.",
            field="Content-Type",
            remedy="Send Content-Type: application/json.",
        )


async def _body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The whole body, within its bound."""
    announced = headers.get(b"content-length", b"0")
    size = int(announced) if announced.isdigit() and len(announced) < 12 else BODY_BYTES_MAX + 1
    chunks: list[bytes] = []
    received = 0
    while size <= BODY_BYTES_MAX and received <= BODY_BYTES_MAX:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        received += len(chunk)
        chunks.append(chunk)
        if not message.get("more_body", False):
            if received <= BODY_BYTES_MAX:
                return b"".join(chunks)
            break
    raise Problem(413, "too_large", "The body is larger than 4 MiB.", remedy="Send fewer operations at a time.")


def _idempotency_key(headers: Mapping[bytes, bytes]) -> str:
    key = headers.get(b"idempotency-key")
    if key is None:
        raise Problem(
            400,
            "missing_header",
            "The mandatory header Idempotency-Key is missing.",
            field="Idempotency-Key",
            remedy="Send the operation's key: 1 to 64 visible ASCII characters.",
        )
    if not _KEY.fullmatch(key):
        raise Problem(
            400,
            "malformed",
            "Idempotency-Key is not 1 to 64 visible ASCII characters.",
            field="Idempotency-Key",
            remedy="Send such a key.",
        )
    return key.decode("ascii")


def _page(query: bytes) -> tuple[uuid.UUID, int]:
    """``after`` and ``limit`` from a query string; the beginning and 100 where they are not given."""
    try:
        values = dict(parse_qsl(query.decode("ascii"), strict_parsing=bool(query), max_num_fields=4))
        after = uuid.UUID(values.pop("after")) if "after" in values else _NO_MARK
        limit = values.pop("limit", "100")
    except ValueError:
        raise _bad_query("after") from None
    if values or not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= reading.PAGE_MAX):
        raise _bad_query("limit")
    return after, int(limit)


def _bad_query(field: str) -> Problem:
    return Problem(
        400,
        "malformed",
        f"The query cannot be read at {field}.",
        field=field,
        remedy=f"after is the id of an operation, limit a number from 1 to {reading.PAGE_MAX}; there is nothing else.",
    )
