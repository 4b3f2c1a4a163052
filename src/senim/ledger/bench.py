"""``senim bench ledger``: durable transfers per second, beside a row-by-row baseline in the same run.

Everything happens in a scratch ledger of the configured database, dropped at the end; the live ledger is not touched.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import click
import psycopg
from psycopg.rows import TupleRow

from senim.ledger.bench_load import BATCH, Load, TigerBeetle, open_accounts, row_by_row
from senim.ledger.columns import transfers_of
from senim.ledger.errors import LedgerError
from senim.ledger.gather import Gatherer
from senim.ledger.posting import post
from senim.ledger.schema import scratch
from senim.ledger.sealing import seal, seal_all
from senim.ledger.types import Transfer, TransferColumns
from senim.ledger.verify import verify
from senim.runtime.bench import Figure, figure, report, rss_mib

Connection = psycopg.Connection[TupleRow]

CALLERS: Final = 32
BASELINE_TRANSFERS: Final = 8_000


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure: transfers in all for the long run, accounts of the wide run, a TigerBeetle to compare with."""

    url: str
    transfers: int
    wide_accounts: int
    measured: int
    singles: int
    tigerbeetle: str | None = None


@click.command(name="ledger")
@click.option("--json", "as_json", is_flag=True)
@click.option("--quick", is_flag=True, help="A short look, for CI; the figures are rough.")
@click.option("--transfers", type=click.IntRange(min=BATCH), help="Transfers of the long run (default 20,000,000).")
@click.option("--tigerbeetle", metavar="ADDRESS", help="Also measure the TigerBeetle server at ADDRESS.")
def command(*, as_json: bool, quick: bool, transfers: int | None, tigerbeetle: str | None) -> None:
    """Measure the ledger: batches, many accounts, single transfers, and after millions."""
    from senim.runtime.postgres import database_url

    options = Options(
        url=database_url(),
        transfers=transfers or (400_000 if quick else 20_000_000),
        wide_accounts=200_000 if quick else 1_000_000,
        measured=160_000 if quick else 800_000,
        singles=32_000 if quick else 120_000,
        tigerbeetle=tigerbeetle,
    )
    report(run(options), as_json)


def run(options: Options) -> list[Figure]:
    """All figures, in the order measured. Raises ``LedgerError`` where the server is not durable."""
    with psycopg.connect(options.url, autocommit=True) as connection:
        _require_durable(connection)
        figures = []
        with scratch(connection):
            figures += _narrow(connection, options)
        with scratch(connection):
            figures += _wide(connection, options)
        with scratch(connection):
            figures += _singles(connection, options)
        with scratch(connection):
            figures += _long(connection, options)
    return figures


def _require_durable(connection: Connection) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "server_version")
    settings = {}
    for name in names:
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
        assert row is not None
        settings[name] = row[0]
    _say(", ".join(f"{name} {value}" for name, value in settings.items()))
    if settings["fsync"] != "on" or settings["synchronous_commit"] == "off":
        raise LedgerError("the server is not durable (fsync, synchronous_commit): its figures would mean nothing")


def _narrow(connection: Connection, options: Options) -> list[Figure]:
    _say("batches of 8,000 over 10,000 accounts")
    open_accounts(connection, 10_000)
    load = Load(10_000, seed=1)
    _post_all(connection, load.batches(10 * BATCH))
    rate, latencies = _post_all(connection, load.batches(options.measured))
    began = time.perf_counter()
    row_by_row(connection, load.batch(BASELINE_TRANSFERS))
    baseline = BASELINE_TRANSFERS / (time.perf_counter() - began)
    figures = [
        figure(
            "batches of 8,000 over 10,000 accounts, beside row by row",
            rate,
            "transfers/s",
            baseline=baseline,
            latencies_seconds=latencies,
            rss_mib=rss_mib(),
        )
    ]
    if options.tigerbeetle:
        theirs = TigerBeetle(options.tigerbeetle)
        theirs.open_accounts(10_000)
        their_rate = theirs.transfers_per_second([load.batch() for _ in range(20)])
        theirs.close()
        figures.append(
            figure("batches of 8,000, beside TigerBeetle's Python client", rate, "transfers/s", baseline=their_rate)
        )
    return figures


def _wide(connection: Connection, options: Options) -> list[Figure]:
    _say(f"batches of 8,000 over {options.wide_accounts:,} accounts")
    open_accounts(connection, options.wide_accounts)
    load = Load(options.wide_accounts, seed=2)
    _post_all(connection, load.batches(10 * BATCH))
    rate, latencies = _post_all(connection, load.batches(options.measured))
    name = f"batches of 8,000 over {options.wide_accounts:,} accounts"
    return [figure(name, rate, "transfers/s", latencies_seconds=latencies, rss_mib=rss_mib())]


def _singles(connection: Connection, options: Options) -> list[Figure]:
    _say(f"single transfers from {CALLERS} threads")
    open_accounts(connection, 10_000)
    row = connection.execute("SELECT current_schema()").fetchone()
    assert row is not None
    search_path = f"-c search_path={row[0]}"

    def connect() -> Connection:
        return psycopg.connect(options.url, autocommit=True, options=search_path)

    with Gatherer(connect) as gatherer:
        _call_all(gatherer.post, options.singles // 10, seed=3)
        rate, latencies = _call_all(gatherer.post, options.singles, seed=4)
    baseline = None
    if options.tigerbeetle:
        theirs = TigerBeetle(options.tigerbeetle)
        theirs.open_accounts(10_000)
        baseline, _ = _call_all(theirs.single, options.singles // 4, seed=5)
        theirs.close()
    name = f"single transfers from {CALLERS} threads" + (", beside TigerBeetle's Python client" if baseline else "")
    return [
        figure(name, rate, "transfers/s", baseline=baseline, latencies_seconds=latencies, rss_mib=rss_mib()),
    ]


def _call_all(call: Callable[[Transfer], object], total: int, seed: int) -> tuple[float, list[float]]:
    """Each thread calls one transfer after another; the rate of all and the latency of each."""
    latencies: list[float] = []
    shares = [transfers_of(Load(10_000, seed * 100 + caller).batch(total // CALLERS)) for caller in range(CALLERS)]

    def work(transfers: list[Transfer]) -> None:
        moments = [time.perf_counter()]
        for transfer in transfers:
            call(transfer)
            moments.append(time.perf_counter())
        latencies.extend(after - before for before, after in pairwise(moments))

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    if len(latencies) != sum(map(len, shares)):
        raise LedgerError("some callers failed; see their tracebacks above")
    return len(latencies) / elapsed, latencies


def _long(connection: Connection, options: Options) -> list[Figure]:
    """The rate at the start and after millions, both with sealing under way behind, as it is in life."""
    _say(f"{options.transfers:,} transfers, sealed behind")
    open_accounts(connection, 10_000)
    load = Load(10_000, seed=6)
    part = min(options.measured, options.transfers // 4)
    with _Sealer(connection, options.url) as sealer:
        # Until there is something to seal, the writer would have the machine to itself.
        _post_all(connection, load.batches(part))
        start_rate, start_latencies = _post_all(connection, load.batches(part))
        _post_all(connection, load.batches(max(0, options.transfers - 3 * part)))
        end_rate, end_latencies = _post_all(connection, load.batches(part))
    began = time.perf_counter()
    seal_all(connection, patience_seconds=600)
    catching_up_seconds = time.perf_counter() - began
    began = time.perf_counter()
    proof = verify(connection)
    verify_seconds = time.perf_counter() - began
    if not proof.is_sound:
        raise LedgerError("the ledger that was measured does not verify", findings=proof.findings[:3])
    return [
        figure("with sealing behind, at the start", start_rate, "transfers/s", latencies_seconds=start_latencies),
        figure(
            f"with sealing behind, after {options.transfers:,} transfers (beside the start)",
            end_rate,
            "transfers/s",
            baseline=start_rate,
            latencies_seconds=end_latencies,
            rss_mib=rss_mib(),
        ),
        figure("rows sealed while posting", sealer.rows, "rows"),
        figure("sealing the rest afterwards", catching_up_seconds, "s"),
        figure("verify", proof.transfers / verify_seconds, "transfers/s", rss_mib=rss_mib()),
    ]


class _Sealer:
    """Seals each second on a connection of its own, as the worker does."""

    def __init__(self, connection: Connection, url: str) -> None:
        row = connection.execute("SELECT current_schema()").fetchone()
        assert row is not None
        self._connection = psycopg.connect(url, autocommit=True, options=f"-c search_path={row[0]}")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.rows = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        while not self._stop.wait(1):
            self.rows += seal(self._connection).row_count


def _post_all(connection: Connection, batches: Iterable[TransferColumns]) -> tuple[float, list[float]]:
    """Post each batch in a transaction of its own; the rate, and the seconds that each took."""
    latencies = []
    total = 0
    for batch in batches:
        began = time.perf_counter()
        with connection.transaction():
            results = post(connection, batch)
        latencies.append(time.perf_counter() - began)
        total += len(results)
        assert results.all_ok
    return (total / sum(latencies) if latencies else 0), latencies


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()
