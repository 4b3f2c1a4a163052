"""XLSX workbooks, written row by row: memory does not grow with the number of rows.

Numbers are numbers. Money comes in tiyn and is shown in tenge; a spreadsheet keeps 15 significant digits, so a larger
sum is written as text rather than rounded. Totals are formulas that carry their value, so that programs which do not
calculate read them too. The same content gives the same bytes: the moment of making is given, not read from a clock.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, BinaryIO

import xlsxwriter
from xlsxwriter.utility import xl_rowcol_to_cell

EXACT_TIYN_MAX = 10**15 - 1
ROWS_MAX = 1_048_576
HEADER_ROWS = 3


class Form(Enum):
    """How a column is written."""

    TEXT = "@"
    COUNT = "#,##0"
    MONEY = "#,##0.00"
    MOMENT = "yyyy-mm-dd hh:mm:ss"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: title, form, width in characters, and whether its sum stands below."""

    title: str
    form: Form = Form.TEXT
    width: int = 18
    total: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: its name (31 characters at most), a heading, columns and rows (read once, as they come)."""

    name: str
    heading: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[object]]


def write(
    target: BinaryIO, *, title: str, author: str, total_label: str, sheets: Sequence[Sheet], made_at: dt.datetime
) -> None:
    """Write a workbook to ``target`` (seekable).

    ``made_at`` is kept in the file's properties. Rows: texts, ints (COUNT; MONEY: tiyn), naive local datetimes.
    """
    workbook = xlsxwriter.Workbook(target, {"constant_memory": True, "default_date_format": Form.MOMENT.value})
    workbook.set_properties(
        {"title": title, "author": author, "created": made_at.astimezone(dt.UTC).replace(tzinfo=None)}
    )
    styles = _Styles(workbook)
    for sheet in sheets:
        _write_sheet(workbook.add_worksheet(sheet.name), sheet, styles, total_label)
    workbook.close()


class _Styles:
    """The formats of one workbook."""

    def __init__(self, workbook: Any) -> None:
        base = {"font_name": "Calibri", "font_size": 11}
        self.heading = workbook.add_format({**base, "bold": True, "font_size": 14, "font_color": "#00566D"})
        head = {**base, "bold": True, "bg_color": "#E9F5F9", "font_color": "#00566D", "bottom": 1, "text_wrap": True}
        self.head_text = workbook.add_format({**head, "align": "left"})
        self.head_number = workbook.add_format({**head, "align": "right"})
        self.cell = {form: workbook.add_format({**base, "num_format": form.value}) for form in Form}
        self.total = {
            form: workbook.add_format({**base, "bold": True, "top": 1, "num_format": form.value}) for form in Form
        }


def _write_sheet(worksheet: Any, sheet: Sheet, styles: _Styles, total_label: str) -> None:
    worksheet.set_paper(9)  # A4
    worksheet.set_landscape()
    worksheet.fit_to_pages(1, 0)
    worksheet.repeat_rows(HEADER_ROWS - 1)
    worksheet.freeze_panes(HEADER_ROWS, 0)
    for index, column in enumerate(sheet.columns):
        worksheet.set_column(index, index, column.width)
    worksheet.write_string(0, 0, sheet.heading, styles.heading)
    for index, column in enumerate(sheet.columns):
        style = styles.head_text if column.form is Form.TEXT else styles.head_number
        worksheet.write_string(HEADER_ROWS - 1, index, column.title, style)
    row_number, sums = HEADER_ROWS, [0] * len(sheet.columns)
    for row in sheet.rows:
        assert row_number < ROWS_MAX - 1, "a sheet is given no more rows than it can hold"
        for index, (column, value) in enumerate(zip(sheet.columns, row, strict=True)):
            _write_cell(worksheet, row_number, index, column.form, value, styles.cell[column.form])
            if column.total:
                assert isinstance(value, int), "only numbers add up"
                sums[index] += value
        row_number += 1
    if any(column.total for column in sheet.columns):
        _write_totals(worksheet, row_number, sheet.columns, sums, styles, total_label)


def _write_cell(worksheet: Any, row: int, column: int, form: Form, value: object, style: Any) -> None:
    if value is None or value == "":
        worksheet.write_blank(row, column, None, style)
    elif form is Form.TEXT:
        worksheet.write_string(row, column, str(value), style)  # never as a formula, whatever the text begins with
    elif form is Form.MOMENT:
        worksheet.write_datetime(row, column, value, style)
    elif form is Form.MONEY and isinstance(value, int):
        if abs(value) > EXACT_TIYN_MAX:
            worksheet.write_string(row, column, str(_tenge(value)), style)
        else:
            worksheet.write_number(row, column, _tenge(value), style)
    else:
        worksheet.write_number(row, column, value, style)


def _write_totals(
    worksheet: Any, row: int, columns: Sequence[Column], sums: Sequence[int], styles: _Styles, total_label: str
) -> None:
    worksheet.write_string(row, 0, total_label, styles.total[Form.TEXT])
    for index, column in enumerate(columns):
        if not column.total:
            if index:
                worksheet.write_blank(row, index, None, styles.total[column.form])
        elif column.form is Form.MONEY and abs(sums[index]) > EXACT_TIYN_MAX:
            worksheet.write_string(row, index, str(_tenge(sums[index])), styles.total[column.form])
        else:
            value = _tenge(sums[index]) if column.form is Form.MONEY else sums[index]
            cells = f"{xl_rowcol_to_cell(HEADER_ROWS, index)}:{xl_rowcol_to_cell(row - 1, index)}"
            if row == HEADER_ROWS:  # no rows: a sum of nothing must not include the header
                worksheet.write_number(row, index, 0, styles.total[column.form])
            else:
                worksheet.write_formula(row, index, f"=SUM({cells})", styles.total[column.form], value)


def _tenge(tiyn: int) -> Decimal:
    """Exact tenge."""
    return Decimal(tiyn).scaleb(-2)
