"""Measure the import of a large file, and its reading beside a parser that holds it whole."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from senim.errors import SenimError
from senim.runtime.bench import Figure, figure, report

TRANSACTIONS: Final = 100_000
QUICK: Final = 20_000
SMALL: Final = 1_000
"""The file beside which memory is measured."""


class BenchFailed(SenimError):
    """The measurement could not be made."""

    code = "payments.bench_failed"


_READ: Final = """
import sys, time
from senim.runtime.bench import peak_rss_mib
from senim.roles.payments.messages import check
began = time.perf_counter()
with open(sys.argv[1], "rb") as source:
    found = check.inspect(source)
assert found.valid, found.problems[:3]
print(time.perf_counter() - began, peak_rss_mib(), 0)
"""
_WHOLE: Final = """
import sys, time
from lxml import etree
from senim.runtime.bench import peak_rss_mib
from senim.roles.payments.messages import schema
compiled = schema.compiled("pacs.008.001.08")
began = time.perf_counter()
tree = etree.parse(sys.argv[1], etree.XMLParser(resolve_entities=False, no_network=True))
assert compiled.validate(tree)
assert sum(1 for each in tree.iter("{*}CdtTrfTxInf"))
print(time.perf_counter() - began, peak_rss_mib(), 0)
"""
_IMPORT: Final = """
import sys, time, uuid
import django
django.setup()
from senim.runtime.bench import peak_rss_mib
from senim.kernel import events
from senim.roles.payments.models import Participant
from senim.roles.payments.services import files
began = time.perf_counter()
checked = [began]
def tell(state, done, total):
    if state == "checking":
        checked[0] = time.perf_counter()
with open(sys.argv[1], "rb") as source:
    kept = files.keep_file(Participant.objects.get(bank_code="901"), "bench.xml", source, actor=events.Actor.command())
file = files.import_file(kept.pk, progress=tell)
assert file.state == "recorded" and file.accepted == int(sys.argv[2]), (file.state, file.problem, file.accepted)
ended = time.perf_counter()
print(ended - began, peak_rss_mib(), ended - checked[0])
"""


@click.command(name="files")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--quick", is_flag=True, help=f"{QUICK:,} transactions instead of {TRANSACTIONS:,}.")
def command(as_json: bool, quick: bool) -> None:
    """Import of a pacs.008 file: transactions a second and memory, beside a parser that holds the file whole."""
    from senim.roles.payments.centre.bench import scratch_database

    count = QUICK if quick else TRANSACTIONS
    with scratch_database() as url, tempfile.TemporaryDirectory() as folder:
        files = dict(_make_files(url, Path(folder), (SMALL, count)))
        environment = {**os.environ, "SENIM_DATABASE_URL": url, "SENIM_DATA_DIR": folder}
        environment.setdefault("DJANGO_SETTINGS_MODULE", "senim.settings.sandbox")
        report(_figures(files, count, environment), as_json)


def _figures(files: dict[int, Path], count: int, environment: dict[str, str]) -> list[Figure]:
    _, small_rss, _ = _run(_READ, environment, files[SMALL])
    read_seconds, read_rss, _ = _run(_READ, environment, files[count])
    whole_seconds, whole_rss, _ = _run(_WHOLE, environment, files[count])
    _, import_small_rss, _ = _run(_IMPORT, environment, files[SMALL], SMALL)
    import_seconds, import_rss, recording_seconds = _run(_IMPORT, environment, files[count], count)
    unit, label = "transactions/s", f"{count:,} transactions, {files[count].stat().st_size / 1e6:.0f} MB"
    return [
        figure(f"file check, {label}", count / read_seconds, unit, baseline=count / whole_seconds, rss_mib=read_rss),
        figure("file check: peak memory (baseline: whole)", read_rss, "MiB", baseline=whole_rss, rss_mib=read_rss),
        figure(f"file check: memory above that for {SMALL:,}", read_rss - small_rss, "MiB", rss_mib=read_rss),
        figure(f"file import, {label}", count / import_seconds, unit, rss_mib=import_rss),
        figure("file import: whole", import_seconds, "s", rss_mib=import_rss),
        figure("file import: recording, under the Centre's lock", recording_seconds, "s", rss_mib=import_rss),
        figure(
            f"file import: memory above that for {SMALL:,}", import_rss - import_small_rss, "MiB", rss_mib=import_rss
        ),
    ]  # fmt: skip


def _make_files(url: str, folder: Path, counts: tuple[int, ...]) -> Iterator[tuple[int, Path]]:
    """A market in the scratch database, and files of its first bank to its second."""
    import datetime as dt
    import uuid

    import psycopg

    from senim.kernel.values.almaty import operating_day
    from senim.roles.payments.centre.scratch import make_market
    from senim.roles.payments.centre.server import seal_secret
    from senim.roles.payments.messages import pacs008

    with psycopg.connect(url) as connection:
        payer, payee = make_market(connection, seal=seal_secret, banks=2, customers_per_bank=10_000)
    now = dt.datetime.now(dt.UTC)
    for count in counts:
        payments = (
            pacs008.Payment(
                end_to_end_id=f"E2E-{number}",
                transaction_id=f"{count}-{number}",
                amount_tiyn=100 + number % 1_000,
                debtor_name="Айгүл Серікқызы",
                debtor_account=payer.customers[number % len(payer.customers)],
                debtor_bic="EXAMKZ01XXX",
                creditor_name="Данияр Ахметұлы",
                creditor_account=payee.customers[number * 7 % len(payee.customers)],
                creditor_bic="EXAMKZ02XXX",
                uetr=uuid.uuid4(),
                purpose="For goods and services",
            )
            for number in range(count)
        )
        path = folder / f"{count}.xml"
        with path.open("wb") as out:
            pacs008.write(
                out,
                payments,
                message_id=f"BENCH-{count}",
                created_at=now,
                settlement_date=operating_day(now),
                sender_bic="EXAMKZ01XXX",
                count=count,
                total_tiyn=sum(100 + number % 1_000 for number in range(count)),
            )
        yield count, path


def _run(program: str, environment: dict[str, str], path: Path, *more: object) -> tuple[float, float, float]:
    """Run a measured program in a process of its own, so that its peak of memory is its own.

    Gives seconds, MiB, and the seconds of its last part.
    """
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), *map(str, more)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchFailed(f"the measured program ended badly: {done.stderr.strip()[-500:]}")
    seconds, rss, last_seconds = done.stdout.split()[-3:]
    return float(seconds), float(rss), float(last_seconds)
