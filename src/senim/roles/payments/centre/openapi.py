"""The Centre's interface as OpenAPI 3.1, made from the very types that requests are decoded with."""

from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from senim.roles.payments.centre import reading, wire
from senim.roles.payments.centre.problems import TITLES
from senim.roles.payments.rules.reasons import MEANINGS

_EXAMPLE_OPERATION: Final = {
    "kind": "transfer",
    "amount": "1234.56",
    "currency": "KZT",
    "means": "details",
    "initiated_at": "2026-11-20T10:15:00.123+05:00",
    "debit_account": "KZ44101A000000000001",
    "credit_account": "KZ96102A000000000001",
    "end_to_end_id": "E2E-000123",
}
_EXAMPLE_ANSWER: Final = {
    "operation_id": "019a9f0c-7b5e-7c31-8000-00a1b2c3d4e5",
    "id": "20261120-000123",
    "status": "accepted",
    "reason": None,
    "operating_day": "2026-11-20",
    "decided_at": "2026-11-20T05:15:00.131442Z",
    "replayed": False,
}
_DESCRIPTION: Final = """
Operations of the payment system are authorised here. An answer is given only after the decision is on record for good.

**Signature.** Each request but `health` and this document carries one signature by RFC 9421, made with a registered
key (`ed25519` or `hmac-sha256`) within the last 300 seconds. It covers `"@method"` and `"@path"`; `"@query"` where
there is a query; `"content-digest"` (RFC 9530, sha-256) where there is a body; `"idempotency-key"` where it is sent.
Its parameters are `created`, `keyid` and `alg`. Any fault of a signature is answered 401 without saying which.

**Once.** A request may be sent again as often as needed, after a lost answer or a 503: its key keeps it from being
carried out twice, and the first answer is given again.

**Refusals.** An operation that cannot be carried out is answered 200 with `status: refused` and its ISO 20022 reason;
it is on record. Everything else that goes wrong is a problem document (RFC 9457) that names the field and the remedy.
"""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    code: str
    detail: str
    field: Annotated[
        str, Meta(description="JSON pointer into the body, or the name of a header or of a query parameter.")
    ] = ""
    remedy: str = ""


class Health(msgspec.Struct, frozen=True):
    """Whether the Centre can take operations."""

    status: str
    queued_operations: Annotated[int, Meta(ge=0)]


@lru_cache(maxsize=1)
def document() -> bytes:
    """The document, as JSON."""
    return msgspec.json.format(msgspec.json.encode(_document()), indent=1)


def _document() -> dict[str, Any]:
    types = (
        wire.SingleOperation,
        wire.Batch,
        wire.OperationAnswer,
        wire.BatchAnswer,
        reading.Operation,
        reading.OperationPage,
        Problem,
        Health,
    )
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    reasons = "\n".join(f"- `{reason.value}` {meaning}" for reason, meaning in MEANINGS.items())
    components["OperationAnswer"]["description"] += f"\n\nReasons:\n{reasons}"
    return {
        "openapi": "3.1.0",
        "info": {"title": "Senim authorisation centre", "version": "1", "description": _DESCRIPTION.strip()},
        "servers": [{"url": "/"}],
        "security": [{"signature": []}],
        "paths": _paths(),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Signature",
                    "description": "RFC 9421, with Signature-Input; see the description above.",
                }
            },
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "/centre/v1/operations": {"post": _authorise_one(), "get": _read_since()},
        "/centre/v1/operations:batch": {"post": _authorise_batch()},
        "/centre/v1/operations/{operation_id}": {"get": _read_one()},
        "/centre/v1/health": {"get": _health()},
        "/centre/v1/openapi.json": {"get": _self()},
    }


def _authorise_one() -> dict[str, Any]:
    return {
        "operationId": "authorise",
        "summary": "Authorise one operation",
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
                "example": "20261120-000123",
            },
            _digest_header(),
        ],
        "requestBody": _body("SingleOperation", _EXAMPLE_OPERATION),
        "responses": _responses(_ok("OperationAnswer", _EXAMPLE_ANSWER), 400, 401, 408, 413, 415, 422, 500, 503),
    }


def _authorise_batch() -> dict[str, Any]:
    operation = {"id": "20261120-000123", **_EXAMPLE_OPERATION}
    return {
        "operationId": "authoriseBatch",
        "summary": "Authorise up to 1,000 operations, each with its own outcome",
        "parameters": [_digest_header()],
        "requestBody": _body("Batch", {"operations": [operation]}),
        "responses": _responses(
            _ok("BatchAnswer", {"operations": [_EXAMPLE_ANSWER]}), 400, 401, 408, 413, 415, 500, 503
        ),
    }


def _read_one() -> dict[str, Any]:
    return {
        "operationId": "readOperation",
        "summary": "Read an operation that concerns you",
        "parameters": [
            {
                "name": "operation_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "format": "uuid"},
                "example": _EXAMPLE_ANSWER["operation_id"],
            }
        ],
        "responses": _responses(_ok("Operation"), 401, 404, 500, 503),
    }


def _read_since() -> dict[str, Any]:
    return {
        "operationId": "readConfirmations",
        "summary": "Read the confirmations of operations that concern you, in the order of their commits",
        "description": "Initiator, payer's and payee's bank read theirs, the settlement bank all (PS-7.5.4).",
        "parameters": [
            {
                "name": "after",
                "in": "query",
                "required": False,
                "schema": {"type": "string", "format": "uuid"},
                "description": "`after` of the page before; left out, from the beginning.",
            },
            {
                "name": "limit",
                "in": "query",
                "required": False,
                "schema": {"type": "integer", "minimum": 1, "maximum": reading.PAGE_MAX, "default": 100},
            },
        ],
        "responses": _responses(_ok("OperationPage"), 400, 401, 500, 503),
    }


def _health() -> dict[str, Any]:
    return {
        "operationId": "health",
        "summary": "Whether the Centre takes operations",
        "security": [],
        "responses": {"200": _ok("Health"), "503": _ok("Health") | {"description": "It does not."}},
    }


def _self() -> dict[str, Any]:
    return {
        "operationId": "openapi",
        "summary": "This document",
        "security": [],
        "responses": {
            "200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}
        },
    }


def _digest_header() -> dict[str, Any]:
    return {
        "name": "Content-Digest",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "RFC 9530, sha-256 of the body.",
        "example": "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
    }


def _body(name: str, example: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def _ok(name: str, example: dict[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    if example is not None:
        content["example"] = example
    return {"description": "Done.", "content": {"application/json": content}}


_PROBLEMS: Final = {
    400: ("malformed", "missing_field", "missing_header", "digest_mismatch"),
    401: ("unauthenticated",),
    404: ("not_found",),
    408: ("timeout",),
    413: ("too_large",),
    415: ("unsupported_media",),
    422: ("idempotency_conflict",),
    500: ("internal",),
    503: ("busy", "unavailable", "no_open_day", "stopping"),
}


def _responses(done: dict[str, Any], *problems: int) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": done}
    for status in problems:
        described = "; ".join(f"`{code}`: {TITLES[code]}" for code in _PROBLEMS[status])
        schema = {"$ref": "#/components/schemas/Problem"}
        responses[str(status)] = {
            "description": described,
            "content": {"application/problem+json": {"schema": schema}},
        }
        if status == 503:
            responses["503"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return responses
