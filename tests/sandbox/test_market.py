"""The whole market as people start it: operations flow, two people close the day, it settles, reports arrive."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from senim.kernel import approvals
from senim.kernel.access.models import Staff
from senim.kernel.delivery.models import Outgoing
from senim.roles.payments.models import MessageFile, OperatingDay, Operation, ParticipantReport, SettlementInstruction
from senim.roles.payments.rules.kinds import DayState
from senim.roles.payments.services import day
from senim.runtime.pytest_plugin import SERVER
from senim.sandbox import world
from senim.sandbox.layout import Layout

pytestmark = pytest.mark.django_db
PATIENCE_SECONDS = 90


def free_port() -> int:
    """A port after which the next dozen are free too."""
    for base in range(21_000, 60_000, 37):
        try:
            for offset in (0, 1, 10, 11, 12, 13):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        return base
    raise AssertionError("no free ports")


def wait_for(what: str, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.1)


class Running:
    """The market as a process of its own, in a folder and on ports of its own."""

    def __init__(self, database: str, folder: Path) -> None:
        url = os.environ.get("SENIM_TEST_DATABASE_URL")
        address = f"{url.rpartition('/')[0]}/{database}" if url else SERVER.url(database)
        self.layout = Layout(folder, free_port())
        self.output = folder / "output.txt"
        self.env = {**os.environ, "SENIM_DATABASE_URL": address, "SENIM_DATA_DIR": str(folder)}
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "senim", "sandbox", "--port", str(self.layout.port)]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--pace", "60", "--customers", "300"], env=self.env, stdout=output, stderr=output
            )
        wait_for("the start", self.is_open)

    def is_open(self) -> bool:
        text = self.output.read_text(encoding="utf-8")
        assert self.process.poll() is None, text
        return "The sandbox market is open" in text

    def status(self) -> dict[str, Any]:
        command = [sys.executable, "-m", "senim", "sandbox", "status", "--json"]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture
def market(own_database: str, tmp_path: Path) -> Iterator[Running]:
    running = Running(own_database, tmp_path / "market")
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.mark.clause("PS-4.1")
@pytest.mark.clause("PS-9.3.6")
@pytest.mark.clause("PS-9.3.7")
@pytest.mark.clause("EM-55.10")
@pytest.mark.clause("PO-34.10")
def test_a_day_of_the_market_from_operations_to_reports(market: Running) -> None:
    assert all(market.status()["parts"].values())
    wait_for("operations", lambda: Operation.objects.count() > 60)
    today = OperatingDay.objects.get(state=DayState.OPEN)
    maker, checker = Staff.objects.get(login="kezekshi"), Staff.objects.get(login="baqylaushy")
    approvals.decide(day.propose_close(today.day, maker).pk, checker=checker, approve=True)
    wait_for("the settlement", lambda: day.state_of(today.day) == DayState.REPORTED)
    wait_for("receipts", lambda: not Outgoing.objects.exclude(state=Outgoing.State.RECEIPTED).exists())
    check_settlement(market, today)
    check_reports(market, today)
    [after] = OperatingDay.objects.filter(state=DayState.OPEN)
    wait_for("operations of the next day", lambda: Operation.objects.filter(day=after.day).exists())
    assert market.stop() == 0
    assert (market.layout.root / "prepared.json").exists()
    assert not [name for name in running_commands() if str(market.layout.root) in name]


def check_settlement(market: Running, today: OperatingDay) -> None:
    """The operator's positions are what the settlement bank's own books moved."""
    today.refresh_from_db()
    instructions = SettlementInstruction.objects.filter(day=today).select_related("participant")
    assert {instruction.state for instruction in instructions} == {"settled"}
    lines = (market.layout.folder(world.SETTLEMENT_BANK) / "books.jsonl").read_text(encoding="utf-8").splitlines()
    moves = json.loads(lines[0])["moves"]
    for instruction in instructions:
        assert moves[instruction.participant.settlement_iban] == instruction.net_tiyn
    assert MessageFile.objects.filter(direction="in", message_type="pacs.002.001.10", day=today.day).count() == 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), sum(amount_tiyn) FROM payments_operation WHERE day = %s AND status = 1", [today.day]
        )
        assert cursor.fetchone() == (today.operation_count, today.operation_amount_tiyn)


def check_reports(market: Running, today: OperatingDay) -> None:
    """Each bank has, in its own folder, the very bytes that the operator keeps, and the operator has its receipt."""
    for kept in ParticipantReport.objects.filter(day=today).select_related("participant"):
        bank = next(bank for bank in world.BANKS if bank.slug == kept.participant.peer_code)
        shelf = market.layout.folder(bank) / "reports"
        [received] = shelf.glob(f"*{today.day}*.{kept.form}")
        assert sha256(received.read_bytes()).hexdigest() == kept.sha256
        sent = Outgoing.objects.get(pk=kept.delivery_id)
        assert sent.receipt
        assert sent.finished_at


def running_commands() -> list[str]:
    """The command lines of all processes."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found
