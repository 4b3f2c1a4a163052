"""Workbooks hold numbers as numbers, exact totals, and no formula that came from a text."""

import datetime as dt
import io

import openpyxl
from hypothesis import given, settings
from hypothesis import strategies as st

from senim.kernel.documents import xlsx
from senim.kernel.documents.xlsx import Column, Form, Sheet

MADE_AT = dt.datetime(2026, 11, 20, 19, 0, tzinfo=dt.UTC)
COLUMNS = (Column("Банк"), Column("Операциялар", Form.COUNT, total=True), Column("Сома", Form.MONEY, total=True))


def workbook(rows: list[tuple[str, int, int]]) -> bytes:
    target = io.BytesIO()
    sheet = Sheet("Қорытынды", "Есеп", COLUMNS, rows)
    xlsx.write(target, title="Есеп", author="Senim", total_label="Барлығы", sheets=[sheet], made_at=MADE_AT)
    return target.getvalue()


def values(data: bytes, *, computed: bool = True) -> list[tuple[object, ...]]:
    book = openpyxl.load_workbook(io.BytesIO(data), data_only=computed)
    return [tuple(cell.value for cell in row) for row in book["Қорытынды"].iter_rows(min_row=4)]


def test_numbers_are_numbers_and_totals_are_formulas_with_their_value() -> None:
    data = workbook([("Астау", 2, 1250), ("Дала", 1, 75)])
    assert values(data) == [("Астау", 2, 12.5), ("Дала", 1, 0.75), ("Барлығы", 3, 13.25)]
    assert values(data, computed=False)[-1] == ("Барлығы", "=SUM(B4:B5)", "=SUM(C4:C5)")


@settings(max_examples=30)
@given(amounts=st.lists(st.integers(min_value=-(10**15) + 1, max_value=10**15 - 1), min_size=1, max_size=5))
def test_amounts_come_back_to_the_tiyn(amounts: list[int]) -> None:
    rows = values(workbook([("B", 1, amount) for amount in amounts]))
    assert [round(float(str(row[2])) * 100) for row in rows[:-1]] == amounts


def test_a_sum_beyond_a_spreadsheets_digits_is_written_as_text_not_rounded() -> None:
    rows = values(workbook([("B", 1, 10**15 - 1), ("C", 1, 10**17 + 1)]))
    assert rows[1][2] == "1000000000000000.01"
    assert rows[2][2] == "1010000000000000.00"


def test_a_text_that_looks_like_a_formula_stays_a_text() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook([('=HYPERLINK("http://x")', 1, 1)])))
    assert book["Қорытынды"]["A4"].data_type == "s"


def test_no_rows_make_zero_totals() -> None:
    assert values(workbook([])) == [("Барлығы", 0, 0)]


def test_the_same_content_is_the_same_bytes() -> None:
    assert workbook([("Астау", 2, 1250)]) == workbook([("Астау", 2, 1250)])
