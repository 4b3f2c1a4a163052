"""``senim bench centre``: authorisations a second, from a signed request to the answer after commit.

The Centre runs as it does in earnest (uvicorn, its own process) on a database of its own on a durable server; the load
comes from another process on the same machine. The baseline does the same work row by row, one transaction each.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import click
import psycopg
from psycopg import sql

from senim.errors import SenimError
from senim.roles.payments.centre.baseline import measure_baseline
from senim.roles.payments.centre.load import Order
from senim.roles.payments.centre.scratch import MadeBank, make_market, raw_keys
from senim.roles.payments.centre.server import seal_secret
from senim.runtime.bench import Figure, figure, report, rss_mib
from senim.runtime.config import load
from senim.runtime.postgres import embedded

BATCH: Final = 500
SINGLE_CONNECTIONS: Final = 96
BATCH_CONNECTIONS: Final = 32
CUSTOMERS_PER_BANK: Final = 3_334
START_TIMEOUT_SECONDS: Final = 60.0
SIGNED_AHEAD_PER_SECOND: Final = 12_000
ALGORITHMS: Final = ("ed25519", "hmac-sha256")
_SERVE: Final = (
    "import sys; from senim.roles.payments.centre.server import serve; "
    "serve('127.0.0.1', int(sys.argv[1]), sys.argv[2])"
)


class BenchFailed(SenimError):
    """The measurement could not be made."""

    code = "payments.bench_failed"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one load came to."""

    operations: int
    per_second: float
    latencies: list[float]
    refused: int
    failed: int


@click.command(name="centre")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--quick", is_flag=True, help="Two seconds for each figure instead of ten.")
@click.option("--minutes", type=click.IntRange(0, 60), default=0, help="Also load it for so long and watch its memory.")
def command(as_json: bool, quick: bool, minutes: int) -> None:
    """Authorisations a second, single and in batches of 500, beside a row-by-row baseline."""
    seconds = 2.0 if quick else 10.0
    with scratch_database() as url:
        with psycopg.connect(url) as connection:
            _require_durable(connection)
            banks = make_market(connection, seal=seal_secret, customers_per_bank=CUSTOMERS_PER_BANK)
        baseline = measure_baseline(url, seconds=min(seconds, 3.0))
        with running_centre(url) as (port, process):
            figures = _measure(port, process, banks, baseline, seconds)
            if minutes:
                figures += _watch_memory(port, process, banks, minutes)
    report(figures, as_json)


def _measure(port: int, process: int, banks: list[MadeBank], baseline: float, seconds: float) -> list[Figure]:
    figures = [figure("row by row, one transaction each", baseline, "operations/s")]
    for batch, connections in ((1, SINGLE_CONNECTIONS), (BATCH, BATCH_CONNECTIONS)):
        for algorithm in ALGORITHMS:
            send(port, banks, algorithm, batch, connections, seconds=1.0)  # warm caches and plans
            measured = send(port, banks, algorithm, batch, connections, seconds)
            if measured.failed or not measured.operations:
                raise BenchFailed(f"{measured.failed} requests failed", algorithm=algorithm, batch=batch)
            name = "single operations" if batch == 1 else f"operations in batches of {batch}"
            figures.append(
                figure(
                    f"{name}, {algorithm}",
                    measured.per_second,
                    "operations/s",
                    baseline=baseline,
                    latencies_seconds=measured.latencies,
                    rss_mib=rss_mib(process),
                )
            )
    return figures


def _watch_memory(port: int, process: int, banks: list[MadeBank], minutes: int) -> list[Figure]:
    """Load the Centre with batches for minutes; its memory after the first of them and at the end."""
    send(port, banks, "hmac-sha256", BATCH, BATCH_CONNECTIONS, seconds=30.0)
    before = rss_mib(process)
    measured = send(port, banks, "hmac-sha256", BATCH, BATCH_CONNECTIONS, seconds=minutes * 60.0)
    after = rss_mib(process)
    return [
        figure(f"memory before {minutes} minutes of load", before, "MiB", rss_mib=before),
        figure(f"memory after {minutes} minutes of load", after, "MiB", baseline=before, rss_mib=after),
        figure(f"operations in batches of {BATCH}, {minutes} minutes", measured.per_second, "operations/s"),
    ]


def send(port: int, banks: list[MadeBank], algorithm: str, batch: int, connections: int, seconds: float) -> Measured:
    """Let the load generator run and take its tally."""
    order = Order(
        port=port,
        algorithm=algorithm,
        batch=batch,
        connections=connections,
        seconds=seconds,
        prepared=int(SIGNED_AHEAD_PER_SECOND * seconds) if batch == 1 else 0,
        run=secrets.token_hex(4),
        banks=[raw_keys(bank, number) for number, bank in enumerate(banks, start=1)],
    )
    done = subprocess.run(
        [sys.executable, "-m", "senim.roles.payments.centre.load"],
        input=json.dumps(asdict(order)),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds * 4 + 120,
    )
    if done.returncode != 0:
        raise BenchFailed(f"the load generator failed: {done.stderr.strip().splitlines()[-1:]}")
    tally: dict[str, Any] = json.loads(done.stdout)
    operations = int(tally["accepted"]) + int(tally["refused"])
    elapsed = tally["ended"] - tally["started"]
    return Measured(operations, operations / elapsed, tally["latencies"], tally["refused"], tally["failed"])


@contextmanager
def scratch_database() -> Iterator[str]:
    """A migrated database of its own on the embedded server; gone at the end."""
    server = embedded(load())
    name = f"senim_bench_centre_{os.getpid()}"
    url = server.ensure_database(name)
    try:
        migrate = [sys.executable, "-c", "from senim.cli import main; main(['migrate'])"]
        done = subprocess.run(
            migrate, env={**os.environ, "SENIM_DATABASE_URL": url}, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BenchFailed(f"the scratch database cannot be migrated: {done.stderr.strip()[-300:]}")
        yield url
    finally:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _require_durable(connection: psycopg.Connection[Any]) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
        if row is None or row[0] != "on":
            raise BenchFailed(f"the server does not write durably: {setting} is off")


@contextmanager
def running_centre(url: str) -> Iterator[tuple[int, int]]:
    """A Centre on a free port: the port and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-c", _SERVE, str(port), url], stdin=subprocess.DEVNULL)
    try:
        _wait_until_ready(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/centre/v1/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise BenchFailed("the Centre did not start")
