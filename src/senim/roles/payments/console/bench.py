"""``senim bench registers``: how long a page of a large register takes, whatever its order, beside pages by number.

The register is that of operations, filled by one INSERT in a database of the bench's own. Each listed column is sorted
both ways; of each order the first page, one in the middle and the last are read. The baseline reads the same middle
pages by OFFSET, as most programs do.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from senim.runtime.bench import Figure, figure, report, rss_mib

if TYPE_CHECKING:  # Django is ready only when the command runs
    from senim.kernel.registers.query import Query

DATABASE: Final = "senim_bench_registers"
ROWS: Final = 1_000_000
ROWS_QUICK: Final = 200_000
PARTICIPANTS: Final = 12
CSV_ROWS: Final = 100_000
MILLISECONDS: Final = 1000

PARTICIPANTS_SQL: Final = """
    INSERT INTO payments_participant (id, code, role, state, name_kk, name_ru, name_en, bin, bic, bank_code,
           contract_number, contract_date, settlement_iban, collateral_tiyn, net_debit_cap_tiyn, peer_code,
           registered_at)
    SELECT n, n::text, 'bank', 'active', 'Банк ' || n, 'Банк ' || n, 'Bank ' || n, n::text, 'BIC' || n,
           lpad(n::text, 3, '0'), n::text, %(day)s, '', 0, 0, '', %(moment)s
      FROM generate_series(1, %(participants)s) AS n
"""
# Ids rise with time, as the Centre's do: eight bytes of time, eight of count.
OPERATIONS_SQL: Final = """
    INSERT INTO payments_operation
           (id, day, kind, means, source, status, reason, amount_tiyn, initiator_id, payer_id, payee_id, debit_account,
            credit_account, key, request_digest, end_to_end_id, initiated_at, received_at, decided_at)
    SELECT ('01a1f800-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, %(day)s, 1 + n %% 4, 1 + n %% 3, 1 + n %% 3,
           CASE WHEN n %% 97 = 0 THEN 2 ELSE 1 END, CASE WHEN n %% 97 = 0 THEN 'AM04' ELSE '' END,
           100 + (n::bigint * 7919) %% 5000000, 1 + n %% %(participants)s, 1 + n %% %(participants)s,
           1 + (n / 7) %% %(participants)s, 'KZ' || (10 + n %% 5000), 'KZ' || (10 + n %% 4999), 'key-' || n,
           decode('00112233445566778899aabbccddeeff', 'hex'), 'E2E-' || n,
           %(moment)s::timestamptz + n * interval '1 ms',
           %(moment)s::timestamptz + n * interval '1 ms', %(moment)s::timestamptz + n * interval '1 ms'
      FROM generate_series(1, %(rows)s) AS n
"""


@contextmanager
def scratch_database() -> Iterator[None]:
    """Point Django at an empty, migrated database of the bench's own; drop it at the end."""
    from django.core.management import call_command
    from django.db import connections

    main = connections["default"]
    name = main.settings_dict["NAME"]
    with main.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {DATABASE}")
    main.close()
    main.settings_dict["NAME"] = DATABASE
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        main.close()
        main.settings_dict["NAME"] = name
        with main.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def fill(rows: int) -> None:
    """Fill the register."""
    from django.db import connection

    moment = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    given: dict[str, Any] = {"participants": PARTICIPANTS, "rows": rows, "moment": moment, "day": moment.date()}
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute(PARTICIPANTS_SQL, given)
        cursor.execute(OPERATIONS_SQL, given)
        cursor.execute("VACUUM ANALYZE payments_operation")


def seconds(act: Callable[[], object]) -> float:
    """How long an act takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def middle(search: "Query", half: int) -> str:
    """The place of the row in the middle of an order."""
    from senim.kernel.registers import paging

    value = "pk" if search.order.by_key else paging.SORT_VALUE
    value, key = paging.ordered(search.rows.select_related(None), search.order).values_list(value, "pk")[half]
    return paging.Place(value, key, backwards=False).text(search.rows, search.order)


def measure_pages() -> tuple[list[float], list[float]]:
    """Seconds of first, middle and last pages by place in every order, and of the middle ones by number."""
    from django.http import QueryDict

    from senim.kernel.registers import paging, query
    from senim.roles.payments.console.operations import REGISTER

    by_place: list[float] = []
    by_number: list[float] = []
    for column in REGISTER.listed:
        for word in (column.name, f"-{column.name}"):
            search = query.read(REGISTER, QueryDict(f"sort={word}"))
            ordered = paging.ordered(search.rows, search.order)
            half = search.rows.count() // 2
            by_number.append(seconds(partial(list, ordered[half : half + REGISTER.page_rows])))
            place = middle(search, half)
            by_place.extend(seconds(partial(search.page, where)) for where in ("", place, paging.END))
    return by_place, by_number


def measure_searches(rows: int) -> list[float]:
    """Seconds of the searches that people make: by key, by number, by account, by a filter; with their counts."""
    from django.http import QueryDict

    from senim.kernel.registers import query
    from senim.roles.payments.console.operations import REGISTER

    asked = [
        f"q=key-{rows // 3}",
        f"q=01a1f800-0000-7000-8000-{rows // 2:012x}",
        "q=KZ4711&status=1",
        "reason=AM04",
        "amount_from=49000&amount_to=49010",
        "day_from=2026-11-20&day_to=2026-11-20&sort=amount_tiyn",
        "bank=3",
    ]

    def look(text: str) -> None:
        search = query.read(REGISTER, QueryDict(text))
        search.page("")
        _ = search.count

    return [seconds(partial(look, text)) for text in asked]


def measure_csv(rows: int) -> float:
    """Rows a second into CSV."""
    from django.http import QueryDict

    from senim.kernel.registers import export, query
    from senim.roles.payments.console.operations import REGISTER

    search = query.read(REGISTER, QueryDict(f"amount_to={1 + 50_000 * CSV_ROWS // rows}"))
    count = search.rows.count()
    return count / seconds(lambda: [len(piece) for piece in export.csv_lines(search)])


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quick", is_flag=True, help=f"{ROWS_QUICK:,} rows instead of {ROWS:,}.")
def command(as_json: bool, quick: bool) -> None:
    """Time of a page of a large register, in any order."""
    rows = ROWS_QUICK if quick else ROWS
    with scratch_database():
        fill(rows)
        by_place, by_number = measure_pages()
        searches = measure_searches(rows)
        lines = measure_csv(rows)
    worst, numbered, slowest = (max(one) * MILLISECONDS for one in (by_place, by_number, searches))
    figures: list[Figure] = [
        figure(f"registers: page of {rows:,} rows", worst, "ms", baseline=numbered, latencies_seconds=by_place),
        figure("registers: search with its count", slowest, "ms", latencies_seconds=searches),
        figure("registers: CSV", lines, "rows/s", rss_mib=rss_mib()),
    ]
    report(figures, as_json)
