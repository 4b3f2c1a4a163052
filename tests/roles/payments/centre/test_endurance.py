"""What the Centre survives: two of its kind, kill -9, a lost database, a polite end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.test import Client as WebClient
from tests.roles.payments.centre.client import SINGLE, Client, Process, in_thread, transfer, wait_for

from senim import ledger
from senim.kernel.delivery.signatures import sign_request
from senim.kernel.values import iban
from senim.ledger.verify import verify
from senim.roles.payments.centre.scratch import MadeBank, make_market
from senim.roles.payments.centre.server import seal_secret
from senim.roles.payments.rules.accounts import CLEARING_HUB_ID
from senim.runtime.postgres import Embedded

pytestmark = pytest.mark.django_db


def ledger_is_whole(database: str, banks: list[MadeBank], opening_tiyn: int) -> None:
    """Money neither made nor lost, the hub level, the ledger's own verification satisfied."""
    with psycopg.connect(database) as connection:
        numbers = [iban.account_id(customer) for bank in banks for customer in bank.customers]
        balances = [a.credits_posted - a.debits_posted for a in ledger.lookup_accounts(connection, numbers)]
        assert sum(balances) == opening_tiyn * len(numbers)
        [hub] = ledger.lookup_accounts(connection, [CLEARING_HUB_ID])
        assert hub.debits_posted == hub.credits_posted
        without = connection.execute(
            "SELECT count(*) FROM payments_operation o LEFT JOIN ledger_transfer t ON t.id = o.id "
            "WHERE (o.status = 1) <> (t.amount IS NOT NULL)"
        ).fetchone()
        assert without == (0,), "an operation without its transfer, or the other way round"
    with psycopg.connect(database) as connection:
        assert not verify(connection).findings


def test_two_centres_at_once_carry_out_each_operation_once(database: str, banks: list[MadeBank]) -> None:
    """The same requests to both, in opposite orders, from several threads: one operation for each key."""
    with in_thread(database) as (first, _), in_thread(database) as (second, _):
        wanted = [(f"key-{n}", banks[n % 3], transfer(banks[n % 3], banks[(n + 1) % 3], "3.00")) for n in range(120)]

        def send(port: int, name: str, payer: MadeBank, operation: dict[str, object]) -> tuple[str, str]:
            reply = Client(port, payer, payer.hmac).post(operation, key=name)
            assert reply.status == 200, reply
            return name, reply.document["operation_id"]

        orders = [(first, *one) for one in wanted] + [(second, *one) for one in reversed(wanted)]
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(lambda one: send(*one), orders))
    assert len(told) == 240
    assert len(set(told)) == 120, "both Centres give the same answer"
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM payments_operation").fetchone() == (120,)
    ledger_is_whole(database, banks, 100_000_000)


@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
def test_kill_9_loses_nothing_that_was_acknowledged(durable_server: Embedded, tmp_path: Path) -> None:
    """The Centre and then the database server itself are killed while they write; all that was told is there."""
    database = copied_to(durable_server, tmp_path)
    with psycopg.connect(database) as connection:
        banks = make_market(connection, seal=seal_secret, customers_per_bank=10, balance_tiyn=100_000_000)
    told: dict[str, str] = {}
    for what in ("centre", "database"):
        centre = Process(database)
        stop = threading.Event()
        with ThreadPoolExecutor(6) as pool:
            work = [
                pool.submit(send_until, stop, centre.port, banks, told, f"{what}-{len(told)}-{n}") for n in range(6)
            ]
            seen = len(told)
            wait_for(lambda seen=seen: len(told) > seen + 60)
            if what == "centre":
                centre.kill()
            else:
                kill_server(durable_server)
            stop.set()
            for one in work:
                one.result()
        centre.kill()
        durable_server.start()
        wait_for(lambda: reachable(database), seconds=60)
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT key, id::text FROM payments_operation").fetchall()
    assert told.items() <= dict(rows).items()
    ledger_is_whole(database, banks, 100_000_000)
    forged = Client(1, banks[0])  # and after the restart access without rights is refused
    centre = Process(database)
    try:
        forged.port = centre.port
        assert forged.send("GET", SINGLE).status == 401
    finally:
        assert centre.stop() == 0


def copied_to(server: Embedded, folder: Path) -> str:
    """A migrated database on the durable server."""
    url = server.ensure_database(f"senim_centre_{os.getpid()}")
    environment = os.environ | {"SENIM_DATABASE_URL": url, "SENIM_DATA_DIR": str(folder)}
    subprocess.run(
        [sys.executable, "-c", "from senim.cli import main; main(['migrate'])"],
        env=environment,
        check=True,
        timeout=120,
    )
    return url


def kill_server(server: Embedded) -> None:
    """SIGKILL to the postmaster: its children follow, nothing is written any more."""
    os.kill(server.status().postmaster, signal.SIGKILL)


def reachable(database: str) -> bool:
    try:
        psycopg.connect(database, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def send_until(stop: threading.Event, port: int, banks: list[MadeBank], told: dict[str, str], name: str) -> None:
    """Send until told to stop or nobody answers; remember what was acknowledged."""
    number = 0
    while not stop.is_set():
        number += 1
        payer = banks[number % 3]
        try:
            client = Client(port, payer, payer.hmac)
            reply = client.post(transfer(payer, banks[(number + 1) % 3]), key=f"{name}-{number}")
        except (OSError, ValueError):
            return
        if reply.status == 200:
            told[reply.document["id"]] = reply.document["operation_id"]


def test_a_lost_database_is_said_and_found_again(database: str, banks: list[MadeBank]) -> None:
    """Connections cut: the next request goes through on a new one. No database at all: 503, and back by itself."""
    with in_thread(database) as (port, _):
        client = Client(port, banks[0], banks[0].hmac)
        assert client.post(transfer(banks[0], banks[1])).status == 200
        name = database.rpartition("/")[2].partition("?")[0]
        administer(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
        assert client.post(transfer(banks[0], banks[1])).status == 200
        administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        administer(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
        operation = transfer(banks[0], banks[1])
        reply = client.post(operation, key="later")
        assert (reply.status, reply.document["code"]) == (503, "unavailable")
        assert int(reply.headers["retry-after"]) > 0
        wait_for(lambda: client.send("GET", "/centre/v1/health").status == 503)
        administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        again = client.post(operation, key="later")
        assert (again.status, again.document["replayed"]) == (200, False)
        wait_for(lambda: client.send("GET", "/centre/v1/health").status == 200)


def administer(statement: str) -> None:
    """Run a statement from outside the test's database."""
    url = urlunsplit(urlsplit(os.environ["SENIM_DATABASE_URL"])._replace(path="/postgres"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]  # the test's own text


def test_a_polite_end_answers_what_has_begun(database: str, banks: list[MadeBank]) -> None:
    centre = Process(database)
    told: dict[str, str] = {}
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(send_until, stop, centre.port, banks, told, f"end-{n}") for n in range(4)]
        wait_for(lambda: len(told) > 20)
        assert centre.stop() == 0
        stop.set()
        for one in work:
            one.result()
    with psycopg.connect(database) as connection:
        keys = {key for (key,) in connection.execute("SELECT key FROM payments_operation WHERE key LIKE 'end-%'")}
    assert keys == set(told), "what was recorded was told, and what was told was recorded"


def test_the_web_passes_everything_through(
    database: str, banks: list[MadeBank], settings: pytest.FixtureRequest
) -> None:
    """One port for all: signature, key and digest survive the way through the web."""
    web = WebClient()
    with in_thread(database) as (port, _):
        settings.SENIM_CENTRE_URL = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
        body = json.dumps(transfer(banks[0], banks[1])).encode()
        fields = sign_request(banks[0].ed25519, "POST", SINGLE, body, "web-1")
        reply = web.post(SINGLE, body, content_type="application/json", headers=fields)
        assert (reply.status_code, reply.json()["id"]) == (200, "web-1")
        target = f"{SINGLE}?limit=5"
        seen = web.get(target, headers=sign_request(banks[0].ed25519, "GET", target))
        assert [one["id"] for one in seen.json()["operations"]] == ["web-1"]
        refused = web.get(SINGLE)
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Signature")
        too_large = web.post(SINGLE, b" " * (4 * 1024 * 1024 + 1), content_type="application/json")
        assert too_large.status_code == 413
    time.sleep(0.1)
    assert web.get("/centre/v1/health").status_code == 503
