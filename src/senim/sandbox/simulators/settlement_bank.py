"""The settlement bank: takes settlement messages (pacs.009), moves money in its own books, answers (pacs.002)."""

import datetime as dt
import logging
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from senim.errors import SenimError
from senim.kernel.delivery import wire
from senim.roles.payments.messages import pacs002, pacs009
from senim.roles.payments.messages.values import Agent, Original, Status, StatusReport, TransactionStatus
from senim.sandbox.simulators.books import REFUSED, Books, Word
from senim.sandbox.simulators.office import Office, Settings, run

log = logging.getLogger(__name__)

DELAY_SECONDS: Final = 3.0
RETRY_SECONDS: Final = 2.0
STATUSES: Final = {"ACSC": TransactionStatus.SETTLED, REFUSED: TransactionStatus.REJECTED}


@dataclass(slots=True)
class Behaviour:
    """How the bank behaves; tests make it worse than banks are.

    ``refuse`` holds accounts (IBANs) whose instructions are refused; ``times`` is how often each answer is sent.
    """

    delay_seconds: float = DELAY_SECONDS
    is_silent: bool = False
    refuse: set[str] = field(default_factory=set)
    times: int = 1


class SettlementBank(Office):
    """The bank at work; ``extra`` of its settings: ``accounts`` {IBAN: opening tiyn} and ``system_account``."""

    def __init__(self, folder: Path, settings: Settings, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour(**settings.extra.get("behaviour", {}))
        self.books = Books(folder / "books.jsonl", settings.extra["accounts"], settings.extra["system_account"])
        self._asked_again: set[str] = set()
        self._wake = threading.Event()
        self._worker = threading.Thread(target=self._answer_all, name="answers", daemon=True)
        super().__init__(folder, settings)

    def take(self, message: wire.Message) -> str:
        """Carry out a settlement message; what cannot be read is refused with its reason."""
        if message.kind != pacs009.DEFINITION:
            return "unknown_kind"
        try:
            order = pacs009.read(message.body)
        except SenimError as error:
            return f"{error.code}: {error.message}"[:255]
        words = self.books.carry_out(order.message_id, order.instructions, self.behaviour.refuse)
        refused = sum(word.status == REFUSED for word in words)
        log.info("%s: %s instructions, %s refused", order.message_id, len(words), refused)
        self._asked_again.add(order.message_id)
        self._wake.set()
        return ""

    def begin(self) -> None:
        """Start answering, beginning with what a crash left unanswered."""
        self._worker.start()

    def stop(self) -> None:
        """End the bank's work."""
        self._wake.set()
        super().stop()
        if self._worker.is_alive():
            self._worker.join(5)

    def _answer_all(self) -> None:
        while not self.stopping.is_set():
            due = sorted(self._asked_again | set(self.books.unsent()))
            if not due or self.behaviour.is_silent:
                self._wake.wait(RETRY_SECONDS)
                self._wake.clear()
                continue
            if self.stopping.wait(self.behaviour.delay_seconds):
                return
            for message_id in due:
                if not self._answer(message_id):
                    self.stopping.wait(RETRY_SECONDS)

    def _answer(self, message_id: str) -> bool:
        """Send the answer to a message; tell whether the operator has receipted it."""
        body = render_answer(message_id, self.books.answers(message_id), self.settings)
        try:
            for _ in range(self.behaviour.times):
                self.send(
                    pacs002.DEFINITION,
                    body,
                    filename=f"{answer_id(message_id)}.xml",
                    conversation=f"settlement/{message_id}",
                    message_id=uuid.uuid4(),
                )
        except SenimError as error:
            log.warning("the answer to %s is not delivered yet: %s", message_id, error.message)
            return False
        self._asked_again.discard(message_id)
        if message_id in self.books.unsent():
            self.books.note_sent(message_id)
        log.info("answered %s", message_id)
        return True


def answer_id(message_id: str) -> str:
    """MsgId of the answer to a message: the same however often it is given."""
    return f"A-{message_id}"[:35]


def render_answer(message_id: str, words: Iterable[Word], settings: Settings) -> bytes:
    """The pacs.002 on a settlement message."""
    report = StatusReport(
        message_id=answer_id(message_id),
        created_at=dt.datetime.now(dt.UTC),
        sender=Agent(bic=settings.bic),
        receiver=Agent(name="operator"),
        original=Original(message_id, pacs009.DEFINITION),
        group_status=None,
    )
    statuses = [Status(STATUSES[word.status], word.reason, instruction_id=word.instruction_id) for word in words]
    return pacs002.render(report, statuses)


def settings_extra(accounts: dict[str, int], system_account: str) -> dict[str, Any]:
    """The part of the settings that only a settlement bank has."""
    return {"accounts": accounts, "system_account": system_account}


if __name__ == "__main__":
    run(SettlementBank)
