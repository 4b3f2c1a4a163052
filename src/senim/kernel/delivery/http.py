"""One POST to a peer, with bounds on everything: time, size, and no redirects."""

import http.client
import ssl
from typing import ClassVar, Final
from urllib.parse import urlsplit

from senim.errors import SenimError
from senim.kernel.delivery import wire

TIMEOUT_SECONDS: Final = 20
ANSWER_BYTES_MAX: Final = 64 * 1024


class Unreachable(SenimError):
    """The peer does not answer."""

    code: ClassVar[str] = "delivery.unreachable"


class NotTaken(SenimError):
    """The peer answered that it did not take the message."""

    code: ClassVar[str] = "delivery.not_taken"


def post(url: str, body: bytes, *, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
    """Post an envelope and return the receipt as the peer wrote it.

    Raises:
        Unreachable: no connection, no answer in time, or no HTTP.
        NotTaken: any answer but 200, or one that is too long or no text.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=timeout_seconds, context=context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_seconds)
        try:
            connection.request("POST", parts.path, body, {"Content-Type": wire.CONTENT_TYPE})
            answer = connection.getresponse()
            content = answer.read(ANSWER_BYTES_MAX + 1)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}"[:200]) from error
    if answer.status != 200:
        raise NotTaken(f"HTTP {answer.status}: {content[:120].decode(errors='replace')}", status=answer.status)
    if len(content) > ANSWER_BYTES_MAX or not content.isascii():
        raise NotTaken("The answer is no receipt.")
    return content.decode("ascii").strip()
