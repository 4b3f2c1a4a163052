"""What every register gives: list, search, filters, saved queries, journal, files, print."""

import csv
import datetime as dt
import io
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook
from tests.example_market import Market

from senim.kernel.events.models import Event
from senim.kernel.registers import export
from senim.kernel.registers.models import SavedQuery
from senim.kernel.registers.views import urls
from senim.roles.payments.models import CustomerAccount, Operation
from senim.roles.payments.rules.kinds import Status

OPERATIONS = "/console/payments/operations/"


@pytest.fixture
def duty(client: Client, market: Market) -> Client:
    """A duty officer who reads English."""
    client.force_login(market.staff["duty"])
    client.cookies["senim_language"] = "en"
    return client


def text_of(response: Any) -> str:
    """The page as text, streamed or not."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return str(body.decode())


def count_on(page: str) -> int:
    """The number of rows that the page states."""
    found = re.search(r"Rows: <strong>([\d,]+)</strong>", page)
    assert found, "the page states no number of rows"
    return int(found[1].replace(",", ""))


def csv_rows(client: Client, query: str = "") -> list[dict[str, str]]:
    """The register's CSV."""
    response = client.get(f"{OPERATIONS}export.csv?{query}")
    text = text_of(response)
    assert text.startswith("\N{BYTE ORDER MARK}")
    return list(csv.DictReader(io.StringIO(text[1:])))


@pytest.mark.clause("EM-55.4")
@pytest.mark.clause("PO-34.4")
def test_a_search_is_kept_under_a_name_and_runs_again(duty: Client, market: Market) -> None:
    page = text_of(duty.get(f"{OPERATIONS}?status=2&sort=-amount_tiyn"))
    refused = Operation.objects.filter(status=Status.REFUSED).count()
    assert count_on(page) == refused
    duty.post(f"{OPERATIONS}queries?status=2&sort=-amount_tiyn", {"name": "Large refusals"})
    saved = SavedQuery.objects.get(owner=market.staff["duty"], register="payments.operations")
    assert (saved.name, saved.query) == ("Large refusals", "sort=-amount_tiyn&status=2")
    again = text_of(duty.get(f"{OPERATIONS}?{saved.query}"))
    assert count_on(again) == refused
    assert "Large refusals" in again
    assert Event.objects.filter(name="registers.save_query").count() == 1
    duty.post(f"{OPERATIONS}queries/{saved.pk}/delete")
    assert not SavedQuery.objects.exists()


def test_a_kept_query_is_its_owners_alone(duty: Client, market: Market) -> None:
    foreign = SavedQuery.objects.create(
        owner=market.staff["controller"], register="payments.operations", name="Mine", query=""
    )
    assert duty.post(f"{OPERATIONS}queries/{foreign.pk}/delete").status_code == 404
    assert "Mine" not in text_of(duty.get(OPERATIONS))


@pytest.mark.clause("EM-55.4")
@pytest.mark.clause("PO-34.4")
def test_the_list_sorts_by_each_listed_column(duty: Client) -> None:
    page = text_of(duty.get(OPERATIONS))
    sorts = set(re.findall(r'href="/console/payments/operations/\?sort=(-?\w+)" hx-boost', page))
    assert {sort.lstrip("-") for sort in sorts} >= {"kind", "amount_tiyn", "status", "payer", "payee", "key"}
    for sort in sorts | {f"-{one}" for one in sorts if not one.startswith("-")}:
        assert count_on(text_of(duty.get(f"{OPERATIONS}?sort={sort}"))) == Operation.objects.count()


@pytest.mark.clause("EM-55.7")
@pytest.mark.clause("PO-34.7")
def test_the_journal_of_parts_adds_up_to_the_whole(duty: Client, market: Market) -> None:
    days = [market.today.day, market.yesterday.day, market.yesterday.day - dt.timedelta(days=1)]
    whole = csv_rows(duty)
    parts = [csv_rows(duty, f"day_from={day}&day_to={day}") for day in days]
    ranged = csv_rows(duty, f"day_from={days[2]}&day_to={days[1]}")
    assert sum(len(part) for part in parts) == len(whole) == len(market.operations)
    assert len(ranged) == len(parts[1]) + len(parts[2])
    assert {row["Number"] for part in parts for row in part} == {row["Number"] for row in whole}


@pytest.mark.clause("EM-55.5")
@pytest.mark.clause("PO-34.5")
def test_records_are_found_by_date_and_time(duty: Client, market: Market) -> None:
    today = market.today.day.isoformat()
    page = text_of(duty.get(f"/console/payments/files/?day_from={today}&day_to={today}"))
    assert count_on(page) == 3
    assert count_on(text_of(duty.get("/console/payments/files/?day_to=2020-01-01"))) == 0


@pytest.mark.clause("EM-55.9")
@pytest.mark.clause("PO-34.9")
def test_screen_print_and_files_say_the_same(duty: Client) -> None:
    query = "status=1&sort=amount_tiyn"
    screen = text_of(duty.get(f"{OPERATIONS}?{query}"))
    table = csv_rows(duty, query)
    printed = text_of(duty.get(f"{OPERATIONS}print?{query}"))
    book = load_workbook(io.BytesIO(b"".join(duty.get(f"{OPERATIONS}export.xlsx?{query}").streaming_content)))  # type: ignore[attr-defined]
    sheet = list(book.active.iter_rows(min_row=2, values_only=True))
    numbers = [row["Number"] for row in table]
    column = [cell.value for cell in next(book.active.iter_rows(max_row=1))].index("Number")
    assert count_on(screen) == len(table)
    assert [row[column] for row in sheet[: len(numbers)]] == numbers
    assert re.findall(r"<td class=\"mono\">([0-9a-f]{8}-[0-9a-f-]{27})</td>", printed) == numbers
    total = sum(round(float(row["Amount, ₸"]) * 100) for row in table)
    assert f"{total / 100:,.2f}" in screen
    assert f"{total / 100:,.2f}" in printed
    assert Event.objects.filter(name="registers.export", outcome="succeeded").count() == 3


@pytest.mark.parametrize("text", ["=1+1", "+7", "-2", "@cmd", "\tx", "\rx", "=HYPERLINK(0)"])
def test_no_text_becomes_a_formula(text: str) -> None:
    assert export.guarded(text) == f"'{text}"
    assert export.guarded(f"a{text}") == f"a{text}"


def test_a_formula_in_a_name_stays_text_in_both_files(duty: Client) -> None:
    account = CustomerAccount.objects.order_by("iban").first()
    assert account
    CustomerAccount.objects.filter(pk=account.pk).update(holder_name='=cmd|" /C calc"!A0')
    base = "/console/payments/accounts/"
    line = text_of(duty.get(f"{base}export.csv?q={account.iban}")).splitlines()[1]
    assert "'=cmd|" in line
    book = load_workbook(io.BytesIO(b"".join(duty.get(f"{base}export.xlsx?q={account.iban}").streaming_content)))  # type: ignore[attr-defined]
    cell = book.active["B2"]
    assert (cell.value, cell.data_type) == ('=cmd|" /C calc"!A0', "s") or cell.data_type != "f"


@pytest.mark.parametrize(
    "query", ["day_from=2026-02-30", "day_from=2026-03-02&day_to=2026-03-01", "amount_from=abc", "status=9", "kind=x"]
)
def test_a_filter_that_cannot_be_read_shows_no_rows_and_says_why(duty: Client, query: str) -> None:
    page = text_of(duty.get(f"{OPERATIONS}?{query}"))
    assert count_on(page) == 0
    assert 'class="errorlist" role="alert"' in page


def test_amounts_are_filtered_in_tenge(duty: Client) -> None:
    expected = Operation.objects.filter(amount_tiyn__gte=1_000_050, amount_tiyn__lte=20_000_000).count()
    assert count_on(text_of(duty.get(f"{OPERATIONS}?amount_from=10 000,50&amount_to=200000"))) == expected


def test_search_finds_by_number_key_and_iban(duty: Client, market: Market) -> None:
    one = next(operation for operation in market.operations if operation.debit_account)
    assert count_on(text_of(duty.get(OPERATIONS, {"q": str(one.pk)}))) == 1
    assert count_on(text_of(duty.get(OPERATIONS, {"q": one.key}))) == 1
    grouped = " ".join(one.debit_account[index : index + 4] for index in range(0, 20, 4))
    found = count_on(text_of(duty.get(OPERATIONS, {"q": grouped})))
    same = [o for o in market.operations if one.debit_account in (o.debit_account, o.credit_account)]
    assert found == len(same)


def test_every_register_has_all_its_pages_and_no_row_breaks_them(client: Client, market: Market) -> None:
    from senim.kernel.console import approvals_pages, delivery_pages, events_pages, staff_pages
    from senim.roles.payments.console import accounts, days, files, operations, participants

    registers = [
        approvals_pages.REGISTER, delivery_pages.OUTGOING, delivery_pages.INCOMING, events_pages.REGISTER,
        staff_pages.REGISTER, accounts.REGISTER, days.REGISTER, days.OBLIGATIONS, days.INSTRUCTIONS, files.REGISTER,
        operations.REGISTER, participants.REGISTER,
    ]  # fmt: skip
    people = list(market.staff.values())
    for register in registers:
        client.force_login(next(one for one in people if one.has_perm(register.permission)))
        assert len(urls(register, "x/")) == 7
        for what in ("", "totals", "csv", "xlsx", "print"):
            response = client.get(reverse(register.url(what)))
            assert response.status_code == 200, (register.name, what)
            assert text_of(response) if what != "xlsx" else b"".join(response.streaming_content)  # type: ignore[attr-defined]
        for column in register.columns:
            if column.path:
                assert client.get(f"{reverse(register.url())}?sort=-{column.name}").status_code == 200, column.name
        for one in register.filters:
            asked = {name: "2026-01-01" if "_from" in name or "_to" in name else "1" for name in one.names()}
            assert client.get(reverse(register.url()), asked).status_code == 200


@pytest.mark.parametrize(
    "words",
    ["amount_from=1E999999", "amount_to=-1E999999", "amount_from=NaN", "day_to=9999-12-31", "day_from=0001-01-01"],
)
@pytest.mark.parametrize("page", ["", "totals", "export.csv", "print"])
def test_a_bound_beyond_all_bounds_is_no_failure(duty: Client, page: str, words: str) -> None:
    response = duty.get(f"{OPERATIONS}{page}?{words}")
    assert response.status_code == 200
    text_of(response)


def test_nul_in_what_is_sent_is_no_failure(duty: Client) -> None:
    for address in ("accounts", "participants"):
        assert duty.get(f"/console/payments/{address}/%00/").status_code == 404
    assert duty.post(f"{OPERATIONS}queries?status=2", {"name": "two\0parts"}).status_code == 302
    assert SavedQuery.objects.get().name == "twoparts"
