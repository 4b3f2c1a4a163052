"""The pages that every register has: list, totals, file, print, saved queries."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from senim.kernel import events
from senim.kernel.access.guard import requires
from senim.kernel.console import formats
from senim.kernel.console.people import person
from senim.kernel.console.states import State
from senim.kernel.registers import export, query
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.errors import TooManyRows
from senim.kernel.registers.models import SavedQuery
from senim.kernel.registers.register import Register

SAVED_MAX = 50
UNBROKEN_MAX = 22
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class Cell:
    """One value of one row as the page shows it."""

    text: str
    css: str
    label: object
    address: str | None = None
    state: State | None = None
    note: object = ""


@dataclass(frozen=True)
class Heading:
    """The head of a column, with the address that sorts by it."""

    label: object
    right: bool
    address: str
    direction: str


def cell(column: Column, row: Any, address: str | None) -> Cell:
    """The value of ``row`` in ``column``."""
    state = column.state(row) if column.state is not None else None
    link = column.address(row) if column.address else address
    css = {Form.CODE: "mono", Form.MOMENT: "nowrap", Form.DAY: "nowrap"}.get(column.form, "num" if column.right else "")
    note = column.note(row) if column.note else ""
    text = "" if state else column.text(row)
    empty = "" if text or state or note else "none"
    # A name made by a machine has no place to break: wide pages cut it short, with the whole of it under the pointer.
    long = "long" if any(len(word) > UNBROKEN_MAX for word in text.split()) else ""
    classes = (css, empty, long, "lead" if column.lead else "", "" if column.phone else "wide-only-cell")
    return Cell(text, " ".join(filter(None, classes)), column.label, link, state, note)


def headings(search: query.Query) -> list[Heading]:
    """The heads of all columns."""
    return [
        Heading(
            column.label,
            column.right,
            search.sorted_by(column) if column.path else "",
            ("descending" if search.order.descending else "ascending")
            if column.name == search.order.column.name
            else "",
        )
        for column in search.register.listed
    ]


def lines(register: Register, rows: list[Any]) -> list[list[Cell]]:
    """The rows as cells; the first column leads to the row's own page."""
    result = []
    for row in rows:
        address = register.address(row) if register.address else None
        result.append(
            [cell(column, row, address if index == 0 else None) for index, column in enumerate(register.listed)]
        )
    return result


def totals_cells(search: query.Query, columns: tuple[Column, ...]) -> list[Cell]:
    """One cell for each of ``columns``: the sum, or nothing."""
    sums = search.sums()
    return [
        Cell(
            column.text_of(sums[column.name]) if column.name in sums else "",
            "num" if column.right else "",
            column.label,
        )
        for column in columns
    ]


def show(register: Register, request: HttpRequest) -> HttpResponse:
    """The list."""
    search = query.read(register, request.GET)
    page = search.page(request.GET.get("at", ""))
    count = search.count
    saved = SavedQuery.objects.filter(owner=person(request), register=register.name).order_by("name")
    drawn = [(one.template, one.inputs(search.params)) for one in register.filters]
    context = {
        "register": register,
        "searchable": register.search is not None,
        "search": search,
        "headings": headings(search),
        "lines": lines(register, page.rows),
        "page": page,
        "count": count,
        "before": search.address(at=page.before) if page.before else "",
        "after": search.address(at=page.after) if page.after else "",
        "head": search.address(),
        "end": search.address(at="end"),
        "filters": drawn,
        "chips": search.chips(),
        "here": search.address(),
        "saved": [(one, one.query == search.address()) for one in saved],
        "totals": totals_cells(search, register.listed) if register.totals() and count.exact and count.rows else None,
        "totals_later": bool(register.totals()) and not count.exact,
        "list_url": reverse(register.url()),
        "csv_url": reverse(register.url("csv")),
        "xlsx_url": reverse(register.url("xlsx")),
        "print_url": reverse(register.url("print")),
        "save_url": reverse(register.url("save")),
        "totals_url": reverse(register.url("totals")),
        "actions": [(one, reverse(one.url)) for one in register.actions if request.user.has_perm(one.permission)],
        "help": register.help,
    }
    return render(request, "registers/list.html", context)


def totals(register: Register, request: HttpRequest) -> HttpResponse:
    """The row of sums alone: asked for after the page where there are many rows."""
    search = query.read(register, request.GET)
    return render(
        request, "registers/_totals.html", {"totals": totals_cells(search, register.listed), "register": register}
    )


def _named(register: Register, ending: str) -> str:
    return f"{register.slug}-{formats.local(timezone.now()):%Y-%m-%d-%H%M}.{ending}"


def _act(request: HttpRequest, register: Register, form: str, search: query.Query) -> Any:
    return events.act(
        "registers.export",
        events.Actor.staff(person(request)),
        record=("register", register.name),
        form=form,
        query=search.address(),
    )


def as_csv(register: Register, request: HttpRequest) -> StreamingHttpResponse:
    """The whole search as CSV."""
    search = query.read(register, request.GET)
    language = translation.get_language()

    def lines_of_file() -> Iterator[str]:
        # The body is written after the language of the request has been put away again.
        with translation.override(language), transaction.atomic(), _act(request, register, "csv", search):
            yield from export.csv_lines(search)

    response = StreamingHttpResponse(lines_of_file(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{_named(register, "csv")}"'
    return response


def as_xlsx(register: Register, request: HttpRequest) -> HttpResponseBase:
    """The whole search as a workbook."""
    search = query.read(register, request.GET)
    try:
        with transaction.atomic(), _act(request, register, "xlsx", search):
            file, _rows = export.xlsx_file(search)
    except TooManyRows as refused:
        messages.error(request, refused.message)
        return redirect(f"{reverse(register.url())}?{search.address()}")
    return FileResponse(file, as_attachment=True, filename=_named(register, "xlsx"), content_type=XLSX_TYPE)


def as_print(register: Register, request: HttpRequest) -> StreamingHttpResponse:
    """The whole search as a page for the printer."""
    search = query.read(register, request.GET)
    language = translation.get_language()
    context = {"register": register, "search": search, "now": timezone.now(), "person": request.user}

    def page() -> Iterator[str]:
        with translation.override(language), transaction.atomic(), _act(request, register, "print", search):
            head, foot = render_to_string(
                "registers/print.html",
                context | {"totals": totals_cells(search, register.columns), "count": search.rows.order_by().count()},
                request=request,
            ).split("<!--rows-->")
            yield head
            yield from export.print_rows(search)
            yield foot

    return StreamingHttpResponse(page(), content_type="text/html; charset=utf-8")


@transaction.atomic
def save(register: Register, request: HttpRequest) -> HttpResponse:
    """Keep the present search under a name; the same name again replaces it (EM-55.4)."""
    search = query.read(register, request.GET)
    name = " ".join(request.POST.get("name", "").replace("\0", "").split())[:80]
    mine = SavedQuery.objects.filter(owner=person(request), register=register.name)
    back = redirect(f"{reverse(register.url())}?{search.address()}")
    if not name:
        messages.error(request, _("Give the query a name."))
    elif mine.exclude(name=name).count() >= SAVED_MAX:
        messages.error(request, _("You keep many queries already: delete one first."))
    else:
        with events.act(
            "registers.save_query", events.Actor.staff(person(request)), record=("register", register.name), query=name
        ):
            mine.update_or_create(
                name=name,
                defaults={"query": search.address()},
                create_defaults={"owner": person(request), "register": register.name, "query": search.address()},
            )
        messages.success(request, _("The query “%(name)s” is kept.") % {"name": name})
    return back


@transaction.atomic
def forget(register: Register, request: HttpRequest, saved_id: int) -> HttpResponse:
    """Delete one of the person's own queries."""
    kept: QuerySet[SavedQuery] = SavedQuery.objects.filter(owner=person(request), register=register.name)
    saved = get_object_or_404(kept, pk=saved_id)
    with events.act(
        "registers.forget_query",
        events.Actor.staff(person(request)),
        record=("register", register.name),
        query=saved.name,
    ):
        saved.delete()
    messages.success(request, _("The query is deleted."))
    return redirect(register.url())


def urls(register: Register, route: str) -> list[URLPattern]:
    """The addresses of a register under ``route`` (with its closing slash)."""

    def view(function: Callable[..., HttpResponseBase], *, posts: bool = False) -> Callable[..., HttpResponseBase]:
        bound = partial(function, register)
        guarded = requires(register.permission)(bound)
        return (require_POST if posts else require_safe)(guarded)

    slug = register.slug
    return [
        path(route, view(show), name=slug),
        path(f"{route}totals", view(totals), name=f"{slug}-totals"),
        path(f"{route}export.csv", view(as_csv), name=f"{slug}-csv"),
        path(f"{route}export.xlsx", view(as_xlsx), name=f"{slug}-xlsx"),
        path(f"{route}print", view(as_print), name=f"{slug}-print"),
        path(f"{route}queries", view(save, posts=True), name=f"{slug}-save"),
        path(f"{route}queries/<int:saved_id>/delete", view(forget, posts=True), name=f"{slug}-forget"),
    ]
