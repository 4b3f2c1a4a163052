"""A bank: its clients' operations, single and in files, and the reports that it receives."""

import datetime as dt
import json
import logging
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from senim.errors import SenimError
from senim.kernel.delivery import wire
from senim.kernel.delivery.signatures import SigningKey, ed25519_signing_key
from senim.kernel.values import almaty
from senim.sandbox import traffic
from senim.sandbox.simulators.centre_client import CentreClient, CentreRefused, CentreUnavailable, body_of
from senim.sandbox.simulators.file_client import FileClient, bulk_file
from senim.sandbox.simulators.office import Office, Settings, run
from senim.sandbox.simulators.outbox import Begun, Outbox

log = logging.getLogger(__name__)

CLIENTS: Final = "clients.json"
SIGNING_KEY: Final = "centre.ed25519"
AT_ONCE_MAX: Final = 8
PAUSE_SECONDS: Final = (0.5, 1, 2, 4, 8, 15)
TELL_SECONDS: Final = 60
FILE_EVERY_SECONDS: Final = 240
FILE_FIRST_SECONDS: Final = 20
FILE_LINES: Final = (8, 26)
"""Salaries give people about what purchases take from them, so that the market can run for weeks."""
REPORTS: Final = "report"
ANSWERS: Final = "pacs.002.001.10"


def read_directory(folder: Path) -> traffic.Directory:
    """The accounts that the bank knows."""
    return traffic.Directory(**json.loads((folder / CLIENTS).read_text(encoding="utf-8")))


def signing_key(folder: Path, key_id: str) -> SigningKey:
    """The key with which the bank signs its requests."""
    return ed25519_signing_key(key_id, (folder / "keys" / SIGNING_KEY).read_bytes())


class Bank(Office):
    """The bank at work; ``extra`` of its settings: ``centre_url``, ``key_id``, ``pace``, ``traffic``, ``seed``."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        key = signing_key(folder, settings.extra["key_id"])
        self.centre = CentreClient(settings.extra["centre_url"], key)
        self.file_client = FileClient(settings.operator_url, key)
        self.directory = read_directory(folder)
        self.outbox = Outbox(folder / "outbox.jsonl")
        self.counts: dict[str, int] = {"accepted": 0, "refused": 0, "repeated": 0}
        self._tell_at = time.monotonic() + TELL_SECONDS
        self._pool = ThreadPoolExecutor(AT_ONCE_MAX, thread_name_prefix="operation")
        self._room = threading.BoundedSemaphore(AT_ONCE_MAX * 4)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._traffic, self._bulk)]
        super().__init__(folder, settings)

    def take(self, message: wire.Message) -> str:
        """Keep reports and answers under their names; the envelope's signature has been checked."""
        if message.kind not in (REPORTS, ANSWERS):
            return "unknown_kind"
        shelf = self.folder / ("reports" if message.kind == REPORTS else "answers")
        shelf.mkdir(mode=0o700, exist_ok=True)
        name = Path(message.filename).name or str(message.id)
        draft = shelf / f".{name}"
        draft.write_bytes(message.body)
        draft.replace(shelf / name)
        log.info("received %s %s", message.kind, name)
        return ""

    def begin(self) -> None:
        """Ask again what a crash left without an answer, then start the day's traffic."""
        for begun in self.outbox.open():
            self._pool.submit(self._carry, begun, False)
        if self.settings.extra["traffic"]:
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """End the bank's work; what has no answer yet is asked again at the next start."""
        self.stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        super().stop()

    def ask(self, operation: traffic.Operation) -> None:
        """Carry one operation to its answer, whatever happens to the line meanwhile."""
        now = dt.datetime.now(dt.UTC)
        key = f"{now:%Y%m%d}-{uuid.uuid4().hex[:20]}"
        begun = Begun(key, body_of(operation, now, f"E2E-{key[-20:]}"))
        self.outbox.begin(begun)
        self._carry(begun, operation.is_repeated)

    def _carry(self, begun: Begun, is_repeated: bool) -> None:
        attempt = 0
        while not self.stopping.is_set():
            try:
                answer = self.centre.ask(begun.key, begun.body)
                if is_repeated:
                    again = self.centre.ask(begun.key, begun.body)
                    assert again.operation_id == answer.operation_id, "the same key has the same operation"
                    self.counts["repeated"] += 1
            except CentreUnavailable as error:
                log.warning("the Centre does not answer: %s", error.message)
                self.stopping.wait(PAUSE_SECONDS[min(attempt, len(PAUSE_SECONDS) - 1)])
                attempt += 1
            except CentreRefused as error:
                log.warning("the Centre does not take an operation: %s", error.message)
                self.outbox.finish(begun.key)
                return
            else:
                self.outbox.finish(begun.key)
                self.counts[answer.status] = self.counts.get(answer.status, 0) + 1
                return

    def _traffic(self) -> None:
        """Operations one after the other, at the pace of the hour."""
        chance = random.Random(self.settings.extra.get("seed"))
        while not self.centre.is_open() and not self.stopping.wait(PAUSE_SECONDS[0]):
            continue
        while not self.stopping.is_set():
            local = dt.datetime.now(almaty.ALMATY)
            rate = traffic.per_second(self.settings.extra["pace"], local)
            if self.stopping.wait(traffic.pause_seconds(rate, chance)):
                return
            self._room.acquire()
            self._tell()
            self._pool.submit(self._one, traffic.operation(self.directory, chance))

    def _tell(self) -> None:
        """A line in the log each minute."""
        if time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + TELL_SECONDS
            log.info("operations so far: %s", self.counts)

    def _one(self, operation: traffic.Operation) -> None:
        try:
            self.ask(operation)
        except Exception:
            log.exception("an operation failed")
            raise
        finally:
            self._room.release()

    def _bulk(self) -> None:
        """A file of salaries every few minutes."""
        chance = random.Random(self.settings.extra.get("seed"))
        pause = self.settings.extra.get("file_first_seconds", FILE_FIRST_SECONDS) * (1 + chance.random())
        while not self.stopping.wait(pause):
            pause = self.settings.extra.get("file_every_seconds", FILE_EVERY_SECONDS) * (0.7 + 0.6 * chance.random())
            try:
                self.send_file(chance)
            except SenimError as error:
                log.warning("the file was not taken: %s", error.message)

    def send_file(self, chance: random.Random) -> dict[str, Any]:
        """Make a file of salaries and hand it to the operator; return what the operator said.

        Raises:
            SenimError: it was not taken.
        """
        lines = traffic.salaries(self.directory, chance.randint(*FILE_LINES), chance)
        message_id = f"{self.settings.bic}{dt.datetime.now(dt.UTC):%Y%m%d%H%M%S}{chance.randrange(1000):03d}"
        content = bulk_file(lines, message_id, self.settings.bic, self.settings.extra["bics"])
        taken = self.file_client.send(f"{message_id}.xml", content)
        log.info("sent %s with %s transfers", message_id, len(lines))
        return taken


if __name__ == "__main__":
    run(Bank)
