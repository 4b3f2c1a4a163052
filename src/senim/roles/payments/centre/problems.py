"""What the Centre answers when it cannot take a request: problem details (RFC 9457) with the field and the remedy."""

import re
from typing import Final

import msgspec

from senim.errors import SenimError

PROBLEM_TYPE: Final = b"application/problem+json"
_NAMED: Final = re.compile(r"(missing required|contains unknown) field `([^`]*)`(?: - at `\$(.*)`)?")
_PLACE: Final = re.compile(r" - at `\$(.*)`$")
_STEP: Final = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+|\.\.\.)\]")


class Problem(SenimError):
    """A request that the Centre does not take. ``status`` is HTTP's, ``retry_after_seconds`` when to come again."""

    code = "centre.problem"

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        remedy: str = "",
        field: str = "",
        retry_after_seconds: int = 0,
    ) -> None:
        super().__init__(detail, status=status, kind=kind, field=field, remedy=remedy)
        self.status = status
        self.kind = kind
        self.field = field
        self.remedy = remedy
        self.retry_after_seconds = retry_after_seconds

    def body(self) -> bytes:
        """The problem as JSON; ``field`` is a JSON pointer (RFC 6901) into the request's body, or a header's name."""
        document: dict[str, str | int] = {
            "type": f"/centre/v1/openapi.json#problem-{self.kind}",
            "title": TITLES[self.kind],
            "status": self.status,
            "code": self.kind,
            "detail": self.message,
        }
        if self.field:
            document["field"] = self.field
        if self.remedy:
            document["remedy"] = self.remedy
        return msgspec.json.encode(document)


TITLES: Final = {
    "unauthenticated": "The request is not signed by a known participant",
    "malformed": "The request cannot be read",
    "missing_field": "A mandatory field is missing",
    "missing_header": "A mandatory header is missing",
    "digest_mismatch": "The body is not the one that was signed",
    "too_large": "The request is too large",
    "unsupported_media": "The body is not JSON",
    "timeout": "The body did not arrive in time",
    "not_found": "There is nothing here",
    "method_not_allowed": "This method is not for this address",
    "idempotency_conflict": "The key belongs to another operation",
    "busy": "The Centre has more to do than it can queue",
    "unavailable": "The Centre cannot reach its database",
    "no_open_day": "No operating day is open",
    "stopping": "The Centre is being stopped",
    "internal": "The Centre failed",
}


def unauthenticated() -> Problem:
    """One answer to every failed signature: which check failed would help a forger."""
    return Problem(
        401,
        "unauthenticated",
        "The request needs one valid signature by RFC 9421, made with a registered key in the last 300 seconds.",
        remedy="Cover @method, @path, @query where there is one, content-digest where there is a body, and "
        "idempotency-key where it is sent; give created, keyid and alg.",
    )


def malformed(error: msgspec.DecodeError) -> Problem:
    """Say which field of the body is missing or wrong (EM-55.3, PO-34.3)."""
    text = str(error)
    named = _NAMED.search(text)
    if named is not None:
        field = f"{_pointer(named[3] or '')}/{named[2]}"
        if named[1] == "missing required":
            detail = f"The mandatory field {named[2]} is missing."
            return Problem(400, "missing_field", detail, field=field, remedy="Fill it in.")
        return Problem(400, "malformed", f"There is no field {named[2]}.", field=field, remedy="Leave it out.")
    place = _PLACE.search(text)
    field = _pointer(place[1]) if place else ""
    detail = text[: place.start()] if place else text
    return Problem(400, "malformed", f"{detail}.", field=field, remedy="Send what /centre/v1/openapi.json describes.")


def _pointer(path: str) -> str:
    """``.operations[3].amount`` as the JSON pointer ``/operations/3/amount``."""
    return "".join(f"/{name or index}" for name, index in _STEP.findall(path))
