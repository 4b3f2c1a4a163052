"""An organisation of the outside world: its folder, its keys, its door for messages. No Django, no database.

It speaks with the operator only over HTTP: what it receives is opened, checked, kept and receipted; a message that
comes again gets the receipt of the first time.
"""

import datetime as dt
import http.server
import json
import logging
import signal
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from senim.errors import SenimError
from senim.kernel.delivery import http as delivery_http
from senim.kernel.delivery import wire
from senim.kernel.delivery.keys import load_or_create, split
from senim.kernel.documents.store import Store
from senim.sandbox.simulators.journal import Journal

log = logging.getLogger(__name__)

MESSAGES: Final = "/delivery/v1/messages"
HEALTH: Final = "/health"
READ_TIMEOUT_SECONDS: Final = 30
SETTINGS: Final = "office.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an organisation knows at its start, from ``office.json`` in its folder."""

    code: str
    name: str
    bic: str
    port: int
    operator_url: str
    operator_keys: dict[str, Any]
    extra: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Settings":
        """Read the folder's settings."""
        return cls(**json.loads((folder / SETTINGS).read_text(encoding="utf-8")))


class Office:
    """The organisation at work. Subclasses say in ``take`` what a message means to them."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.keys = load_or_create(folder / "keys" / "delivery.json", settings.code)
        signing_jwk, encryption_jwk = split(settings.operator_keys)
        self.operator = wire.PeerKeys.from_jwks("operator", signing_jwk, encryption_jwk)
        self.files = Store(folder / "files")
        self.stopping = threading.Event()
        self._inbox = Journal(folder / "inbox.jsonl")
        self._receipts: dict[str, tuple[str, str]] = {
            line["id"]: (line["digest"], line["receipt"]) for line in self._inbox.read()
        }
        self._guard = threading.Lock()
        self._server = _server(self)

    @property
    def port(self) -> int:
        """The port on which the office listens; chosen by the system where the settings say 0."""
        return int(self._server.server_address[1])

    def take(self, message: wire.Message) -> str:
        """Act on a message; return why it is refused, or nothing. After a crash it may come here once more."""
        del message
        return "unknown_kind"

    def receive(self, envelope: bytes) -> str:
        """Open an envelope of the operator's, keep it, act on it, and return the signed receipt.

        Raises:
            BadInput: it is not from the operator, not for us, or not whole.
        """
        opened = wire.open_(envelope, self.keys, self._sender)
        message_id = str(opened.message.id)
        with self._guard:
            known = self._receipts.get(message_id)
            if known is not None:
                if known[0] != opened.digest:
                    raise wire.BadEnvelope("This message id came with another content.", message_id=message_id)
                return known[1]
            stored = self.files.put_bytes(opened.message.body)
            proof = self.files.put_bytes(opened.signed)
            refusal = self.take(opened.message)
            word = wire.Receipt(opened.message.id, opened.digest, not refusal, refusal, dt.datetime.now(dt.UTC))
            receipt = wire.sign_receipt(word, self.keys)
            self._inbox.append(
                {
                    "id": message_id,
                    "kind": opened.message.kind,
                    "filename": opened.message.filename,
                    "sha256": stored.sha256,
                    "signed": proof.sha256,
                    "digest": opened.digest,
                    "receipt": receipt,
                    "received_at": word.received_at.isoformat(),
                }
            )
            self._receipts[message_id] = (opened.digest, receipt)
        return receipt

    def inbox(self) -> list[dict[str, Any]]:
        """Everything received, oldest first."""
        return list(self._inbox.read())

    def send(self, kind: str, body: bytes, *, filename: str, conversation: str, message_id: uuid.UUID) -> wire.Receipt:
        """Send the operator a message and return its checked receipt.

        Raises:
            SenimError: it could not be delivered; send the same again.
        """
        message = wire.Message(
            id=message_id,
            kind=kind,
            body=body,
            created_at=dt.datetime.now(dt.UTC),
            conversation=conversation,
            filename=filename,
            content_type="application/xml",
        )
        envelope = wire.seal(message, self.keys, self.operator)
        answer = delivery_http.post(f"{self.settings.operator_url}{MESSAGES}", envelope)
        return wire.open_receipt(answer, self.operator, message.id, message.digest)

    def start(self) -> None:
        """Open the door; returns at once."""
        threading.Thread(target=self._server.serve_forever, name="door", daemon=True).start()
        self.begin()

    def begin(self) -> None:
        """Start what the organisation does by itself."""

    def stop(self) -> None:
        """Close the door and end the organisation's own work."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def _sender(self, kid: str) -> wire.PeerKeys | None:
        return self.operator if kid == self.operator.signing.thumbprint() else None


def _server(office: Office) -> http.server.ThreadingHTTPServer:
    class Door(http.server.BaseHTTPRequestHandler):
        """One request at the office's door."""

        protocol_version = "HTTP/1.1"
        timeout = READ_TIMEOUT_SECONDS

        def do_GET(self) -> None:
            self._answer(200 if self.path == HEALTH else 404, b"ok" if self.path == HEALTH else b"")

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != MESSAGES or not length.isdigit() or int(length) > wire.ENVELOPE_BYTES_MAX:
                self.close_connection = True
                self._answer(404 if self.path != MESSAGES else 413, b"")
                return
            try:
                self._answer(200, office.receive(self.rfile.read(int(length))).encode())
            except SenimError as error:
                log.warning("refused a message: %s %s", error.code, error.message)
                self._answer(400, error.code.encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", wire.CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            log.debug(format, *args)

    return http.server.ThreadingHTTPServer(("127.0.0.1", office.settings.port), Door)


def run(make: Callable[[Path, Settings], Office]) -> None:
    """Run an office from the folder that the command line names, until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    folder = Path(sys.argv[1])
    office = make(folder, Settings.read(folder))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: office.stopping.set())
    office.start()
    log.info("%s listens on port %s", office.settings.name, office.port)
    while not office.stopping.wait(1):
        pass
    office.stop()
