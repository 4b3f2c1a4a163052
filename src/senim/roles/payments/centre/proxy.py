"""``/centre/v1/*`` on the web's port: passed to the Centre byte for byte, so that a small installation needs one port.

Large installations send these addresses to the Centre in their load balancer, and this view is never asked. What is
signed (method, path, query, digest, key, body) goes through untouched; so do the answers.
"""

import http.client
import threading
from typing import Final
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from senim.roles.payments.centre.app import BODY_BYTES_MAX
from senim.roles.payments.centre.problems import PROBLEM_TYPE, Problem

TIMEOUT_SECONDS: Final = 30
# They speak of one connection, not of the message (RFC 9110, 7.6.1); lengths are set anew.
HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "content-length", "expect"}
)
# Of an ASCII path these stand for themselves (RFC 3986, pchar); what else comes was escaped when it came.
_PATH_SAFE: Final = "/:@!$&'()*+,;=~-._"

_own = threading.local()


@csrf_exempt  # no cookie counts here: each request carries its own signature
def pass_through(request: HttpRequest) -> HttpResponse:
    """Hand the request to the Centre and its answer back."""
    body = request.read(BODY_BYTES_MAX + 1)
    if len(body) > BODY_BYTES_MAX:
        return _problem(Problem(413, "too_large", "The body is larger than 4 MiB.", remedy="Send fewer operations."))
    query = request.META.get("QUERY_STRING", "")
    if not query.isascii():
        return _problem(Problem(400, "malformed", "The query is not ASCII.", remedy="Escape it (RFC 3986)."))
    target = quote(request.path, safe=_PATH_SAFE) + (f"?{query}" if query else "")
    headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP and value}
    try:
        answer, content = _ask(request.method or "GET", target, body, headers)
    except (OSError, http.client.HTTPException):
        return _problem(
            Problem(503, "unavailable", "The Centre is out of reach.", remedy="Try again.", retry_after_seconds=2)
        )
    passed = HttpResponse(content, status=answer.status)
    del passed["Content-Type"]
    for name, value in answer.getheaders():
        if name.lower() not in HOP_BY_HOP:
            passed[name] = value
    return passed


def _ask(method: str, target: str, body: bytes, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
    """Ask over this thread's connection; a fresh one is tried where the old one was closed while idle.

    Sending twice is harmless: the key of an operation lets it be carried out once.
    """
    kept: http.client.HTTPConnection | None = getattr(_own, "connection", None)
    _own.connection = None
    if kept is not None:
        try:
            return _exchange(kept, method, target, body, headers)
        except (OSError, http.client.HTTPException):
            kept.close()
    return _exchange(_connect(), method, target, body, headers)


def _exchange(
    connection: http.client.HTTPConnection, method: str, target: str, body: bytes, headers: dict[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request(method, target, body or None, headers)
    answer = connection.getresponse()
    content = answer.read()
    _own.connection = connection
    return answer, content


def _connect() -> http.client.HTTPConnection:
    address = urlsplit(settings.SENIM_CENTRE_URL)
    return http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=TIMEOUT_SECONDS)


def _problem(problem: Problem) -> HttpResponse:
    answer = HttpResponse(problem.body(), status=problem.status, content_type=PROBLEM_TYPE.decode())
    if problem.retry_after_seconds:
        answer["Retry-After"] = str(problem.retry_after_seconds)
    return answer
