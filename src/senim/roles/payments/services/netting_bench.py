"""``senim bench netting``: how long the netting of a day takes, beside fetching its operations and adding them here.

The operations are made in a database of the bench's own by one INSERT from generate_series; making them is not
measured. The table is the product's, without the two unique indexes that netting does not read and that would only make
it slow to fill. The baseline reads a smaller day, and its time is scaled to the number of operations; both ways must
agree on it.
"""

import datetime as dt
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import click

from senim.errors import SenimError
from senim.runtime.bench import Figure, figure, peak_rss_mib, report

DATABASE: Final = "senim_bench_netting"
ALIAS: Final = "netting_bench"
DAY: Final = dt.date(2026, 11, 20)
SAMPLE_DAY: Final = dt.date(2026, 11, 19)
PARTICIPANTS: Final = 40
OPERATIONS: Final = 10_000_000
OPERATIONS_QUICK: Final = 500_000
RUNS: Final = 3

FILL_SQL: Final = """
    INSERT INTO payments_operation
           (id, day, kind, means, source, status, reason, amount_tiyn, initiator_id, payer_id, payee_id, debit_account,
            credit_account, key, request_digest, end_to_end_id, initiated_at, received_at, decided_at)
    SELECT gen_random_uuid(), %(day)s, 1 + n %% 4, 1, 1, CASE WHEN n %% 97 = 0 THEN 2 ELSE 1 END,
           CASE WHEN n %% 97 = 0 THEN 'AM04' ELSE '' END, 100 + (n::bigint * 7919) %% 5000000,
           1 + n %% %(participants)s, 1 + n %% %(participants)s, 1 + (n / %(participants)s) %% %(participants)s,
           'KZ48125KZT5004100100', 'KZ86125KZT5004100200', n::text, decode('00112233445566778899aabbccddeeff', 'hex'),
           'E2E-' || n, %(moment)s, %(moment)s, %(moment)s
      FROM generate_series(1, %(operations)s) AS n
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the bench found: seconds for the whole day, seconds of the baseline scaled to it, and peak memory."""

    operations: int
    seconds: float
    baseline_seconds: float
    rss_mib: float


class BenchDisagrees(SenimError):
    """Two ways of adding up the same operations gave different sums."""

    code = "payments.bench_disagrees"


@contextmanager
def scratch_database() -> Iterator[Any]:
    """A Django connection to an empty database of the bench's own, on the deployment's server; dropped at the end."""
    from django.db import connections

    main = connections["default"]
    with main.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {DATABASE}")
    connections.databases[ALIAS] = {**main.settings_dict, "NAME": DATABASE}
    try:
        yield connections[ALIAS]
    finally:
        connections[ALIAS].close()
        with main.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def fill(connection: Any, operations: int, sample: int) -> None:
    """Make the table of operations with a small day and then the day to be netted."""
    from senim.roles.payments.models import Operation

    with connection.schema_editor() as editor:
        editor.create_model(Operation)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        for constraint in ("payments_operation_pkey", "operation_key_once"):
            cursor.execute(f"ALTER TABLE payments_operation DROP CONSTRAINT {constraint}")
        for day, count in ((SAMPLE_DAY, sample), (DAY, operations)):
            moment = dt.datetime.combine(day, dt.time(12), dt.UTC)
            cursor.execute(FILL_SQL, {"day": day, "operations": count, "participants": PARTICIPANTS, "moment": moment})
        # As autovacuum leaves a table that the Centre has been filling all day.
        cursor.execute("VACUUM (ANALYZE) payments_operation")
        cursor.execute("SELECT brin_summarize_new_values('operation_day_brin')")


def net_in_database(connection: Any, day: dt.date) -> dict[tuple[str, str], int]:
    """The product's way: one aggregate, then the rules. Returns the obligations."""
    from django.db import transaction

    from senim.roles.payments.rules import netting
    from senim.roles.payments.services import obligations

    with transaction.atomic(using=ALIAS), connection.cursor() as cursor:
        pairs = obligations.of_day(cursor, day)
    owed = {(f"{pair.payer:06}", f"{pair.payee:06}"): pair.amount_tiyn for pair in pairs if pair.is_interbank}
    netting.net(owed)
    return owed


def net_in_python(connection: Any, day: dt.date) -> dict[tuple[str, str], int]:
    """The baseline: every operation comes over the wire and is added here. Returns the obligations."""
    from django.db import transaction

    owed: defaultdict[tuple[str, str], int] = defaultdict(int)
    with transaction.atomic(using=ALIAS), connection.chunked_cursor() as cursor:
        cursor.execute(
            "SELECT payer_id, payee_id, amount_tiyn FROM payments_operation WHERE day = %s AND status = 1", [day]
        )
        while rows := cursor.fetchmany(2_000):
            for payer, payee, amount_tiyn in rows:
                if payer != payee:
                    owed[f"{payer:06}", f"{payee:06}"] += amount_tiyn
    return dict(owed)


def timed(work: Callable[[], dict[tuple[str, str], int]]) -> tuple[float, dict[tuple[str, str], int]]:
    """Seconds of the wall clock that ``work`` takes, and what it gives."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def measure(operations: int, say: Callable[[str], None]) -> Measured:
    """Fill, net several times, compare with the baseline.

    Raises:
        BenchDisagrees: the two ways give different sums for the sample.
    """
    sample = max(operations // 10, 1)
    with scratch_database() as connection:
        say(f"making {operations:,} operations")
        fill(connection, operations, sample)
        say("netting")
        seconds = statistics.median(timed(lambda: net_in_database(connection, DAY))[0] for _ in range(RUNS))
        memory_mib = peak_rss_mib()
        say(f"baseline on {sample:,} operations")
        baseline_seconds, by_python = timed(lambda: net_in_python(connection, SAMPLE_DAY))
        if by_python != net_in_database(connection, SAMPLE_DAY):
            raise BenchDisagrees()
    return Measured(operations, seconds, baseline_seconds * operations / sample, memory_mib)


def figures(measured: Measured) -> list[Figure]:
    """What was measured, as time and as speed; the ratio of times is below 1, that of speeds above."""
    return [
        figure(
            f"netting of {measured.operations:,} operations",
            measured.seconds,
            "s",
            baseline=measured.baseline_seconds,
            rss_mib=measured.rss_mib,
        ),
        figure(
            "operations netted",
            measured.operations / measured.seconds,
            "operations/s",
            baseline=measured.operations / measured.baseline_seconds,
            rss_mib=measured.rss_mib,
        ),
    ]


@click.command("netting")
@click.option("--operations", type=click.IntRange(1_000, 100_000_000), default=OPERATIONS, show_default=True)
@click.option("--quick", is_flag=True, help=f"{OPERATIONS_QUICK:,} operations.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(operations: int, quick: bool, as_json: bool) -> None:
    """Netting of a day of operations, beside adding them up in Python (scaled from a tenth of them)."""

    def say(line: str) -> None:
        click.echo(line, err=True)

    report(figures(measure(OPERATIONS_QUICK if quick else operations, say)), as_json)
