"""Several writers at once, and writers that are killed."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from tests.ledger.conftest import Connection
from tests.ledger.tables import balances, open_accounts, post

from senim import ledger
from senim.ledger import AccountFilter, Status, Transfer
from senim.ledger.gather import Gatherer, GathererClosed
from senim.ledger.sealing import seal_all
from senim.ledger.verify import verify

# Posts random batches until killed (or `batches` times), and says after each commit which ids are confirmed.
WRITER = """
import json, random, sys
import psycopg
from psycopg.errors import DeadlockDetected
from senim import ledger
from senim.ledger import Transfer
url, schema, writer, batches, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
rng = random.Random(writer)
with psycopg.connect(url, autocommit=True, options=f"-c search_path={schema}") as connection:
    for batch in range(batches):
        events = []
        for at in range(size):
            debit, credit = rng.sample(range(1, 9), 2)
            flags = 2 if at % 7 == 0 else 0
            events.append(Transfer(id=(writer << 64) + batch * size + at + 1, debit_account_id=debit,
                                   credit_account_id=credit, amount=rng.randrange(50), ledger=1, code=1, flags=flags))
        with connection.transaction():
            results = ledger.post(connection, events)
        print(json.dumps({"first": events[0].id, "statuses": [str(s) for s in results.statuses]}), flush=True)
"""


@pytest.fixture
def book(connection: Connection) -> Connection:
    """Eight accounts, some with limits and a little money."""
    open_accounts(connection, "1\n2\n3 dr<=cr\n4 dr<=cr\n5 cr<=dr\n6 dr<=cr history\n7\n8")
    post(connection, "1 1 3 500\n2 1 4 500\n3 5 1 500\n4 2 6 300")
    return connection


@contextmanager
def writer(url: str, schema: str, number: int, batches: int, size: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WRITER, url, schema, str(number), str(batches), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_two_writers_on_the_same_accounts_stay_serialisable(book: Connection, server_url: str, schema: str) -> None:
    with writer(server_url, schema, 1, 40, 50) as one, writer(server_url, schema, 2, 40, 50) as two:
        said = [json.loads(line) for process in (one, two) for line in process.stdout or ()]
        assert (one.wait(), two.wait()) == (0, 0)
    assert len(said) == 80
    statuses = [status for line in said for status in line["statuses"]]
    assert {Status.OK, Status.EXCEEDS_CREDITS, Status.EXCEEDS_DEBITS} <= set(statuses)
    assert_serial(book)
    seal_all(book)
    report = verify(book)
    assert report.is_sound, report.findings


def assert_serial(connection: Connection) -> None:
    """Replay all transfers by timestamp: no limit is crossed on the way, and the end is what is stored."""
    flags = {3: 2, 4: 2, 5: 4, 6: 2}
    everything: dict[int, Transfer] = {}
    for account in range(1, 9):
        for transfer in ledger.get_account_transfers(
            connection, AccountFilter(account_id=account, limit=10**6, flags=3)
        ):
            everything[transfer.timestamp] = transfer
    books = {n: [0, 0, 0, 0] for n in range(1, 9)}
    for _, transfer in sorted(everything.items()):
        at = 0 if transfer.flags & 2 else 1
        debit, credit = books[transfer.debit_account_id], books[transfer.credit_account_id]
        debit[at] += transfer.amount
        credit[2 + at] += transfer.amount
        if flags.get(transfer.debit_account_id) == 2:
            assert debit[0] + debit[1] <= debit[3]
        if flags.get(transfer.credit_account_id) == 4:
            assert credit[2] + credit[3] <= credit[1]
    assert {n: tuple(b) for n, b in books.items()} == {n: balances(connection, n) for n in range(1, 9)}


@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
@pytest.mark.parametrize("delay_seconds", [0.0, 0.03, 0.11])
def test_a_writer_killed_in_the_middle_loses_nothing_confirmed(
    book: Connection, server_url: str, schema: str, delay_seconds: float
) -> None:
    with writer(server_url, schema, 7, 10_000, 400) as process:
        assert process.stdout is not None
        confirmed = [json.loads(process.stdout.readline()) for _ in range(2)]
        time.sleep(delay_seconds)
        process.send_signal(signal.SIGKILL)
        confirmed += [json.loads(line) for line in process.stdout if line.endswith("}\n")]
        assert process.wait() == -signal.SIGKILL
    wanted = [
        line["first"] + at for line in confirmed for at, status in enumerate(line["statuses"]) if status == Status.OK
    ]
    assert len(ledger.lookup_transfers(book, wanted)) == len(wanted)
    _until_the_backend_is_gone(book, schema)
    row = book.execute("SELECT count(*) FROM ledger_transfer WHERE id > %s", (f"{7 << 64:032x}",)).fetchone()
    assert row is not None
    # Each batch uses up 400 ids whole (created or refused for a transient reason), or none.
    assert row[0] % 400 == 0
    assert_serial(book)
    seal_all(book)
    report = verify(book)
    assert report.is_sound, report.findings


def _until_the_backend_is_gone(connection: Connection, schema: str) -> None:
    """The killed process's session ends on its own; wait so that what follows sees a settled state."""
    for _ in range(200):
        row = connection.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE n.nspname = %s AND l.pid <> pg_backend_pid()",
            (schema,),
        ).fetchone()
        if row is not None and row[0] == 0:
            return
        time.sleep(0.02)
    raise AssertionError("the killed writer's session did not end")


def test_the_same_ids_from_two_writers_move_money_once(book: Connection, server_url: str, schema: str) -> None:
    def run(start: threading.Barrier, statuses: list[list[Status]]) -> None:
        with psycopg.connect(server_url, autocommit=True, options=f"-c search_path={schema}") as mine:
            for batch in range(20):
                ids = random.Random(batch).sample(range(1, 400), 40)
                events = [
                    Transfer(id=1_000 + n, debit_account_id=7, credit_account_id=8, amount=n, ledger=1, code=1)
                    for n in ids
                ]
                start.wait()
                with mine.transaction():
                    statuses.append(ledger.post(mine, events).statuses)

    statuses: list[list[Status]] = []
    barrier = threading.Barrier(3)
    _all([lambda: run(barrier, statuses)] * 3)
    assert {s for batch in statuses for s in batch} == {Status.OK, Status.EXISTS}
    moved = {n for batch in range(20) for n in random.Random(batch).sample(range(1, 400), 40)}
    assert balances(book, 7) == (0, sum(moved), 0, 0)
    assert verify(book).is_sound


def _all(functions: list[Callable[[], None]]) -> None:
    errors: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_pending_transfer_is_resolved_once_by_many(book: Connection, server_url: str, schema: str) -> None:
    post(book, "50 1 2 100 pending")
    statuses: list[Status] = []

    def resolve(number: int) -> None:
        flags = 4 if number % 2 else 8
        event = Transfer(id=60 + number, pending_id=50, amount=2**128 - 1 if flags == 4 else 0, flags=flags)
        options = f"-c search_path={schema}"
        with psycopg.connect(server_url, autocommit=True, options=options) as mine, mine.transaction():
            statuses.extend(ledger.post(mine, [event]).statuses)

    _all([lambda number=number: resolve(number) for number in range(8)])  # type: ignore[misc] # bound per loop
    assert statuses.count(Status.OK) == 1
    assert set(statuses) - {Status.OK} <= {
        Status.PENDING_TRANSFER_ALREADY_POSTED,
        Status.PENDING_TRANSFER_ALREADY_VOIDED,
    }
    assert verify(book).is_sound


def test_single_callers_are_gathered(book: Connection, server_url: str, schema: str) -> None:
    def connect() -> Connection:
        return psycopg.connect(server_url, autocommit=True, options=f"-c search_path={schema}")

    statuses: list[Status] = []
    with Gatherer(connect) as gatherer:

        def call(caller: int) -> None:
            for n in range(25):
                event = Transfer(
                    id=(caller << 32) + n + 1, debit_account_id=4, credit_account_id=1, amount=1, ledger=1, code=1
                )
                statuses.append(gatherer.post(event).status)

        _all([lambda caller=caller: call(caller) for caller in range(1, 33)])  # type: ignore[misc] # bound per loop
    assert statuses.count(Status.OK) == 500
    assert statuses.count(Status.EXCEEDS_CREDITS) == 300
    assert balances(book, 4) == (0, 500, 0, 500)
    with pytest.raises(GathererClosed):
        gatherer.post(Transfer(id=1))


def test_callers_learn_that_the_database_is_gone(book: Connection) -> None:
    def connect() -> Connection:
        raise psycopg.OperationalError("no server")

    with Gatherer(connect) as gatherer, pytest.raises(psycopg.OperationalError):
        gatherer.post(Transfer(id=1))
