"""A participant's machine at the operator's Centre: signed operations, asked again until there is an answer."""

import datetime as dt
import http.client
import json
import threading
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from senim.errors import SenimError
from senim.kernel.delivery.signatures import SigningKey, sign_request
from senim.kernel.values.money import CURRENCY, to_decimal
from senim.sandbox.traffic import Operation

PATH: Final = "/centre/v1/operations"
HEALTH: Final = "/centre/v1/health"
TIMEOUT_SECONDS: Final = 15.0
ANSWER_BYTES_MAX: Final = 1 << 20
OK: Final = 200
AGAIN: Final = frozenset((408, 425, 429, 500, 502, 503, 504))


class CentreUnavailable(SenimError):
    """The Centre gave no answer; ask again, with the same key."""

    code = "sandbox.centre_unavailable"


class CentreRefused(SenimError):
    """The Centre does not take the request as it is: asking again would not help."""

    code = "sandbox.centre_refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the Centre decided: accepted, or refused with an ISO reason."""

    operation_id: str
    status: str
    reason: str | None
    replayed: bool


def body_of(operation: Operation, initiated_at: dt.datetime, reference: str) -> bytes:
    """The request as JSON. An account that the kind does not have is left out."""
    fields: dict[str, Any] = {
        "kind": operation.kind.name.lower(),
        "amount": to_decimal(operation.amount_tiyn),
        "currency": CURRENCY,
        "means": operation.means.name.lower(),
        "initiated_at": initiated_at.isoformat(timespec="milliseconds"),
        "end_to_end_id": reference,
    }
    if operation.debit_account:
        fields["debit_account"] = operation.debit_account
    if operation.credit_account:
        fields["credit_account"] = operation.credit_account
    return json.dumps(fields).encode()


class CentreClient:
    """Sends requests over one kept connection for each thread."""

    def __init__(self, url: str, key: SigningKey) -> None:
        parts = urlsplit(url)
        assert parts.hostname, "the Centre has an address"
        self._host, self._port = parts.hostname, parts.port or 80
        self._key = key
        self._local = threading.local()

    def ask(self, key: str, body: bytes) -> Answer:
        """Send one operation under its key; the same key again gets the same answer.

        Raises:
            CentreUnavailable: no answer, or none yet.
            CentreRefused: a 4xx answer, with its text.
        """
        headers = {"Content-Type": "application/json", **sign_request(self._key, "POST", PATH, body, key)}
        try:
            connection = self._connection()
            connection.request("POST", PATH, body, headers)
            response = connection.getresponse()
            content = response.read(ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise CentreUnavailable(f"{type(error).__name__}: {error}") from None
        if response.status == OK:
            answer = json.loads(content)
            return Answer(answer["operation_id"], answer["status"], answer["reason"], answer["replayed"])
        text = content.decode("utf-8", "replace")[:400]
        problem = CentreUnavailable if response.status in AGAIN else CentreRefused
        raise problem(f"{response.status}: {text}", status=response.status)

    def is_open(self) -> bool:
        """Whether the Centre answers at all."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", HEALTH)
            return connection.getresponse().status == OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
            self._local.connection = connection
        return connection

    def _drop(self) -> None:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None
