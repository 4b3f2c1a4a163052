"""A register in a file: CSV streamed, XLSX written with flat memory, print streamed as a page (EM-55.9)."""

import csv
import tempfile
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

import xlsxwriter
from django.db import transaction
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from senim.kernel.console import formats
from senim.kernel.registers.columns import TIYN_IN_TENGE, Column, Form
from senim.kernel.registers.errors import TooManyRows
from senim.kernel.registers.query import Query

XLSX_ROWS_MAX = 1_000_000
PRINT_ROWS_MAX = 100_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
CSV_CHUNK_ROWS = 500
PRINT_CHUNK_ROWS = 200


class _Line:
    """A file that gives back what was written last: csv wants something to write to."""

    def write(self, text: str) -> str:
        return text


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def csv_cell(column: Column, row: Any) -> str:
    """A value for CSV: figures with the language's decimal mark and no marks of thousands, moments in Almaty's time."""
    value = column.raw(row)
    if value is None:
        return ""
    if column.form is Form.AMOUNT:
        whole, rest = divmod(abs(value), TIYN_IN_TENGE)
        return f"{'-' if value < 0 else ''}{whole}{formats.separators()[1]}{rest:02d}"
    if isinstance(value, datetime):
        return formats.local(value).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | Decimal):
        return str(value)
    return guarded(str(value))


def csv_lines(query: Query) -> Iterator[str]:
    """The whole result as CSV (RFC 4180), with a byte order mark so that Excel reads the letters."""
    delimiter = "," if formats.language() == "en" else ";"
    writer = csv.writer(_Line(), delimiter=delimiter)
    columns = query.register.columns
    yield "\N{BYTE ORDER MARK}" + str(writer.writerow([guarded(str(column.label)) for column in columns]))
    gathered: list[str] = []
    with transaction.atomic():
        for row in query.every():
            gathered.append(str(writer.writerow([csv_cell(column, row) for column in columns])))
            if len(gathered) >= CSV_CHUNK_ROWS:
                yield "".join(gathered)
                gathered.clear()
    yield "".join(gathered)


def xlsx_file(query: Query) -> tuple[IO[bytes], int]:
    """The whole result as a workbook in a temporary file, and how many rows it has.

    Raises:
        TooManyRows: a sheet cannot hold them; CSV can.
    """
    if not query.count.exact and query.rows.order_by().count() > XLSX_ROWS_MAX:
        raise TooManyRows(_("A sheet holds at most 1,000,000 rows. Narrow the period or take CSV."))
    # The response that carries the file closes it.
    file = tempfile.TemporaryFile()  # noqa: SIM115
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "in_memory": False}
    with xlsxwriter.Workbook(file, options) as book, transaction.atomic():
        rows = _fill(book, query)
    file.seek(0)
    return file, rows


def _fill(book: Any, query: Query) -> int:
    sheet = book.add_worksheet(str(query.register.title)[:31].translate(str.maketrans("[]:*?/\\", "       ")))
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    looks = {
        Form.AMOUNT: book.add_format({"num_format": "#,##0.00"}),
        Form.NUMBER: book.add_format({"num_format": "#,##0"}),
        Form.DAY: book.add_format({"num_format": "dd.mm.yyyy"}),
        Form.MOMENT: book.add_format({"num_format": "dd.mm.yyyy hh:mm:ss"}),
    }
    columns = query.register.columns
    widths = {Form.MOMENT: 20, Form.AMOUNT: 18, Form.CODE: 38, Form.DAY: 12, Form.NUMBER: 12}
    for index, column in enumerate(columns):
        sheet.set_column(index, index, widths.get(column.form, 26))
    sheet.freeze_panes(1, 0)
    for index, column in enumerate(columns):
        sheet.write_string(0, index, str(column.label), head)
    sums = dict.fromkeys((column.name for column in query.register.totals()), 0)
    count = 0
    for count, row in enumerate(query.every(), start=1):
        for index, column in enumerate(columns):
            value = column.raw(row)
            if column.total:
                sums[column.name] += value or 0
            _write(sheet, count, index, value, column.form, looks.get(column.form))
    if count:
        sheet.autofilter(0, 0, count, len(columns) - 1)
    for index, column in enumerate(columns):
        if column.total:
            _write(sheet, count + 2, index, sums[column.name], column.form, looks[column.form])
        elif index == 0:
            sheet.write_string(count + 2, 0, _("Total: %(count)s") % {"count": formats.number(count)}, head)
    return count


def _write(sheet: Any, line: int, index: int, value: Any, form: Form, look: Any) -> None:
    if value is None or value == "":
        return
    if form is Form.AMOUNT:
        sheet.write_number(line, index, Decimal(value) / TIYN_IN_TENGE, look)
    elif isinstance(value, datetime):
        sheet.write_datetime(line, index, formats.local(value).replace(tzinfo=None), look)
    elif isinstance(value, date):
        sheet.write_datetime(line, index, datetime.combine(value, datetime.min.time()), look)
    elif isinstance(value, int | Decimal):
        sheet.write_number(line, index, value, look)
    else:
        sheet.write_string(line, index, str(value))


def print_rows(query: Query) -> Iterator[str]:
    """The rows of the printed journal, in pieces."""
    columns = query.register.columns
    looks = ["num" if one.right else "mono" if one.form is Form.CODE else "" for one in columns]
    gathered: list[str] = []
    with transaction.atomic():
        for row in query.every(PRINT_ROWS_MAX):
            cells = format_html_join(
                "",
                '<td class="{}">{}</td>',
                ((look, one.text(row)) for look, one in zip(looks, columns, strict=True)),
            )
            gathered.append(format_html("<tr>{}</tr>\n", cells))
            if len(gathered) >= PRINT_CHUNK_ROWS:
                yield "".join(gathered)
                gathered.clear()
    yield "".join(gathered)
