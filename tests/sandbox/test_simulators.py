"""Simulators over real HTTP: sealed messages in, answers out, nothing twice, nothing lost by a kill."""

import datetime as dt
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from senim.kernel.delivery import http as delivery_http
from senim.kernel.delivery import wire
from senim.roles.payments.messages import pacs002, pacs009
from senim.roles.payments.messages.values import Agent, Instruction, SettlementMessage, TransactionStatus
from senim.sandbox.simulators.bank import Bank
from senim.sandbox.simulators.office import SETTINGS, Settings
from senim.sandbox.simulators.settlement_bank import Behaviour, SettlementBank

SYSTEM = "KZ72904KZT0000001504"
A, B = "KZ08904KZT0000001201", "KZ94904KZT0000001302"


class Operator:
    """Just enough of an operator: opens what simulators send, and receipts it unless told to be away."""

    def __init__(self) -> None:
        self.keys = wire.OwnKeys.generate("operator")
        self.peers: dict[str, wire.PeerKeys] = {}
        self.received: list[wire.Message] = []
        self.is_away = False
        operator = self

        class Door(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = (503, b"") if operator.is_away else (200, operator.take(body).encode())
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Tests need no log."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def take(self, envelope: bytes) -> str:
        opened = wire.open_(envelope, self.keys, self.peers.get)
        self.received.append(opened.message)
        word = wire.Receipt(opened.message.id, opened.digest, True, "", dt.datetime.now(dt.UTC))
        return wire.sign_receipt(word, self.keys)

    def send(self, url: str, to: wire.PeerKeys, kind: str, body: bytes, message_id: uuid.UUID | None = None) -> str:
        message = wire.Message(
            message_id or uuid.uuid4(), kind, body, dt.datetime(2026, 11, 20, tzinfo=dt.UTC), filename=f"{kind}.bin"
        )
        token = delivery_http.post(f"{url}/delivery/v1/messages", wire.seal(message, self.keys, to))
        wire.open_receipt(token, to, message.id, message.digest)
        return token


@pytest.fixture
def operator() -> Iterator[Operator]:
    made = Operator()
    yield made
    made.server.shutdown()
    made.server.server_close()


def settings(operator: Operator, code: str, extra: dict[str, Any], port: int = 0) -> Settings:
    return Settings(code, code.title(), "TUMRKZKA", port, operator.url, operator.keys.public.as_jwks(), extra)


BOOKS = {"accounts": {A: 1_000, B: 0}, "system_account": SYSTEM}


@pytest.fixture
def open_bank(operator: Operator, tmp_path: Path) -> Iterator[Callable[..., SettlementBank]]:
    opened: list[SettlementBank] = []

    def make(**behaviour: Any) -> SettlementBank:
        wanted = Behaviour(**{"delay_seconds": 0.0, **behaviour})
        bank = SettlementBank(tmp_path / "tumar", settings(operator, "tumar", BOOKS), wanted)
        operator.peers[bank.keys.signing.thumbprint()] = bank.keys.public
        opened.append(bank)
        bank.start()
        return bank

    yield make
    for bank in opened:
        if not bank.stopping.is_set():
            bank.stop()


def order(message_id: str, *lines: tuple[str, str, str, int]) -> bytes:
    return pacs009.render(
        SettlementMessage(
            message_id=message_id,
            created_at=dt.datetime.now(dt.UTC),
            settlement_date=dt.date(2026, 11, 20),
            sender=Agent(name="Senim"),
            receiver=Agent(bic="TUMRKZKA"),
            instructions=tuple(
                Instruction(name, name, tiyn, Agent(name="a"), debtor, Agent(name="b"), creditor)
                for name, debtor, creditor, tiyn in lines
            ),
        )
    )


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)


def answers(operator: Operator) -> list[dict[str, str]]:
    """What was answered: instruction id to status or reason, message by message."""
    found = []
    for message in operator.received:
        _, statuses = pacs002.read(message.body)
        found.append({s.instruction_id: s.reason or s.status.value for s in statuses})
    return found


def url(bank: Any) -> str:
    return f"http://127.0.0.1:{bank.port}"


LINES = (("I1", A, SYSTEM, 700), ("I2", SYSTEM, B, 700))


@pytest.mark.clause("PS-7.8")
def test_the_settlement_bank_moves_money_and_answers(
    operator: Operator, open_bank: Callable[..., SettlementBank]
) -> None:
    bank = open_bank()
    operator.send(url(bank), bank.keys.public, pacs009.DEFINITION, order("STL-1", *LINES))
    wait_for(lambda: bool(operator.received))
    report, statuses = pacs002.read(operator.received[0].body)
    assert report.original.message_id == "STL-1"
    assert [status.status for status in statuses] == [TransactionStatus.SETTLED] * 2
    assert bank.books.balances == {A: 300, B: 700, SYSTEM: 0}


def test_it_can_refuse_in_part_answer_twice_and_be_silent(
    operator: Operator, open_bank: Callable[..., SettlementBank]
) -> None:
    bank = open_bank(refuse={A}, times=2, is_silent=True)
    operator.send(url(bank), bank.keys.public, pacs009.DEFINITION, order("STL-1", *LINES))
    time.sleep(0.2)
    assert operator.received == []
    bank.behaviour.is_silent = False
    wait_for(lambda: len(operator.received) >= 2)
    assert answers(operator)[:2] == [{"I1": "AM04", "I2": "AM04"}] * 2
    assert bank.books.balances == {A: 1_000, B: 0, SYSTEM: 0}


def test_the_same_message_again_is_answered_again_and_moves_nothing(
    operator: Operator, open_bank: Callable[..., SettlementBank]
) -> None:
    bank = open_bank()
    body = order("STL-1", *LINES)
    operator.send(url(bank), bank.keys.public, pacs009.DEFINITION, body)
    wait_for(lambda: len(operator.received) == 1)
    operator.send(url(bank), bank.keys.public, pacs009.DEFINITION, body)
    wait_for(lambda: len(operator.received) == 2)
    assert bank.books.balances == {A: 300, B: 700, SYSTEM: 0}
    assert answers(operator)[0] == answers(operator)[1]


def test_the_same_envelope_again_has_the_same_receipt(
    operator: Operator, open_bank: Callable[..., SettlementBank]
) -> None:
    bank = open_bank()
    body, message_id = order("STL-1", *LINES), uuid.uuid4()
    first = operator.send(url(bank), bank.keys.public, pacs009.DEFINITION, body, message_id)
    assert operator.send(url(bank), bank.keys.public, pacs009.DEFINITION, body, message_id) == first
    assert len(bank.inbox()) == 1


def test_an_answer_waits_for_an_operator_that_is_away_and_for_a_restart(
    operator: Operator, open_bank: Callable[..., SettlementBank]
) -> None:
    operator.is_away = True
    bank = open_bank()
    bank.receive(
        wire.seal(
            wire.Message(uuid.uuid4(), pacs009.DEFINITION, order("STL-1", *LINES), dt.datetime.now(dt.UTC)),
            operator.keys,
            bank.keys.public,
        )
    )
    bank.stop()
    operator.is_away = False
    again = open_bank()
    wait_for(lambda: len(operator.received) == 1)
    assert again.books.balances == {A: 300, B: 700, SYSTEM: 0}
    wait_for(lambda: again.books.unsent() == [])


def test_strangers_and_noise_are_turned_away(operator: Operator, open_bank: Callable[..., SettlementBank]) -> None:
    bank = open_bank()
    stranger = wire.OwnKeys.generate("stranger")
    message = wire.Message(uuid.uuid4(), pacs009.DEFINITION, order("STL-1", *LINES), dt.datetime.now(dt.UTC))
    for envelope in (wire.seal(message, stranger, bank.keys.public), b"noise", b""):
        with pytest.raises(delivery_http.NotTaken):
            delivery_http.post(f"{url(bank)}/delivery/v1/messages", envelope)
    assert bank.books.balances[A] == 1_000
    assert bank.inbox() == []


def test_a_message_that_is_no_order_is_refused_in_its_receipt(
    operator: Operator, open_bank: Callable[..., SettlementBank]
) -> None:
    bank = open_bank()
    for kind, body in ((pacs009.DEFINITION, b"<Document/>"), ("gossip", b"hello")):
        message = wire.Message(uuid.uuid4(), kind, body, dt.datetime.now(dt.UTC))
        token = bank.receive(wire.seal(message, operator.keys, bank.keys.public))
        receipt = wire.open_receipt(token, bank.keys.public, message.id, message.digest)
        assert not receipt.accepted
        assert receipt.reason


def test_killed_between_books_and_answer_it_answers_after_all(operator: Operator, tmp_path: Path) -> None:
    folder = tmp_path / "tumar"
    folder.mkdir()
    keys = SettlementBank(folder, settings(operator, "tumar", BOOKS))
    operator.peers[keys.keys.signing.thumbprint()] = keys.keys.public
    keys.books.carry_out("STL-1", pacs009.read(order("STL-1", *LINES)).instructions)
    port = keys.port
    keys._server.server_close()
    known = settings(operator, "tumar", {**BOOKS, "behaviour": {"delay_seconds": 0.0}}, port)
    (folder / SETTINGS).write_text(json.dumps({name: getattr(known, name) for name in Settings.__slots__}))
    operator.is_away = True
    process = subprocess.Popen([sys.executable, "-m", "senim.sandbox.simulators.settlement_bank", str(folder)])
    time.sleep(2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    operator.is_away = False
    process = subprocess.Popen([sys.executable, "-m", "senim.sandbox.simulators.settlement_bank", str(folder)])
    try:
        wait_for(lambda: len(operator.received) == 1, 20)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert answers(operator) == [{"I1": "ACSC", "I2": "ACSC"}]


def bank_of(operator: Operator, folder: Path) -> Bank:
    (folder / "keys").mkdir(parents=True, mode=0o700)
    (folder / "keys" / "centre.ed25519").write_bytes(os.urandom(32))
    directory = {"people": [], "shops": [], "closed": [], "foreign_people": [], "foreign_shops": []}
    (folder / "clients.json").write_text(json.dumps(directory))
    extra = {"centre_url": operator.url, "key_id": "k", "pace": 1.0, "traffic": False, "seed": 1, "bics": {}}
    return Bank(folder, settings(operator, "astau", extra))


@pytest.mark.clause("EM-55.10")
@pytest.mark.clause("PO-34.10")
def test_a_bank_keeps_the_report_it_received_with_the_proof_of_who_sent_it(operator: Operator, tmp_path: Path) -> None:
    bank = bank_of(operator, tmp_path / "astau")
    bank.start()
    try:
        operator.send(url(bank), bank.keys.public, "report", b"%PDF-1.7 ...")
    finally:
        bank.stop()
    assert (tmp_path / "astau" / "reports" / "report.bin").read_bytes() == b"%PDF-1.7 ..."
    [line] = bank.inbox()
    signed = bank.files.read(line["signed"])
    assert operator.keys.check_signature(signed.decode()) is not None
    assert line["received_at"]


def test_a_report_cannot_leave_its_shelf(operator: Operator, tmp_path: Path) -> None:
    bank = bank_of(operator, tmp_path / "astau")
    message = wire.Message(uuid.uuid4(), "report", b"x", dt.datetime.now(dt.UTC), filename="../../../outside.pdf")
    bank.receive(wire.seal(message, operator.keys, bank.keys.public))
    bank._server.server_close()
    assert (tmp_path / "astau" / "reports" / "outside.pdf").exists()
    assert not (tmp_path / "outside.pdf").exists()
