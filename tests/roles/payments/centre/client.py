"""A participant's client, and a Centre to talk to: in a thread, or in a process of its own that can be killed."""

import asyncio
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvicorn

from senim.kernel.delivery.signatures import SigningKey, sign_request
from senim.roles.payments.centre.connections import BoundedConnection
from senim.roles.payments.centre.scratch import MadeBank
from senim.roles.payments.centre.server import Application

SINGLE = "/centre/v1/operations"
BATCH = "/centre/v1/operations:batch"
_numbers = itertools.count(1)


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    document: Any


class Client:
    """Speaks for one bank; each request on a connection of its own unless it is kept."""

    def __init__(self, port: int, bank: MadeBank, key: SigningKey | None = None) -> None:
        self.port = port
        self.bank = bank
        self.key = key or bank.ed25519

    def send(self, method: str, target: str, body: bytes = b"", fields: dict[str, str] | None = None) -> Reply:
        """Send as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, target, body or None, fields or {})
            answer = connection.getresponse()
            raw = answer.read()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            is_json = "json" in headers.get("content-type", "")
            return Reply(answer.status, headers, json.loads(raw) if is_json and raw else raw)
        finally:
            connection.close()

    def signed(self, method: str, target: str, body: bytes = b"", key: str = "", **changes: str) -> Reply:
        """Send with a right signature; ``changes`` replace header fields after signing."""
        fields = sign_request(self.key, method, target, body, key)
        if body:
            fields["Content-Type"] = "application/json"
        return self.send(method, target, body, fields | {n.replace("_", "-"): v for n, v in changes.items()})

    def post(self, operation: dict[str, Any], key: str | None = None) -> Reply:
        """Ask for one operation."""
        name = f"key-{next(_numbers)}" if key is None else key
        return self.signed("POST", SINGLE, json.dumps(operation).encode(), name)

    def post_batch(self, operations: list[dict[str, Any]]) -> Reply:
        """Ask for several."""
        return self.signed("POST", BATCH, json.dumps({"operations": operations}).encode())

    def get(self, target: str) -> Reply:
        """Read."""
        return self.signed("GET", target)


def transfer(payer: MadeBank, payee: MadeBank, amount: str = "1.00", **changes: Any) -> dict[str, Any]:
    """A transfer between the first customers of two banks."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    fields = {
        "kind": "transfer",
        "amount": amount,
        "currency": "KZT",
        "means": "details",
        "initiated_at": moment,
        "debit_account": payer.customers[0],
        "credit_account": payee.customers[1],
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def in_thread(url: str) -> Iterator[tuple[int, Application]]:
    """A Centre in this process."""
    application, port = Application(url), free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            application, "127.0.0.1", port, loop="uvloop", http=BoundedConnection, log_config=None, ws="none"
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield port, application
    finally:
        server.should_exit = True
        thread.join(20)


class Process:
    """A Centre in a process of its own."""

    _SERVE = (
        "import sys; from senim.roles.payments.centre.server import serve; "
        "serve('127.0.0.1', int(sys.argv[1]), sys.argv[2])"
    )

    def __init__(self, url: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self._process = subprocess.Popen([sys.executable, "-c", self._SERVE, str(self.port), url], env=dict(os.environ))
        wait_for(self.is_ready)

    def is_ready(self) -> bool:
        assert self._process.poll() is None, "the Centre has ended"
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/centre/v1/health")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def kill(self) -> None:
        """End it without a word."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> int:
        """End it politely; its exit code."""
        self._process.terminate()
        return self._process.wait(30)


def wait_for(what: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
