"""Pages by place: whatever the order, ties and NULLs, the pages in a row are the list, once, in both directions."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from senim.kernel.access.models import Staff
from senim.kernel.registers import paging, query
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.register import Register

REGISTER = Register(
    name="tests.staff",
    title="Staff",
    permission="access.view_staff",
    rows=Staff.objects.all,
    columns=(
        Column(name="login", label="Login"),
        Column(name="full_name", label="Name"),
        Column(name="failed_attempts", label="Attempts", form=Form.NUMBER, total=True),
        Column(name="locked_until", label="Locked", form=Form.MOMENT, nullable=True),
        Column(name="pk", label="Key", order="pk"),
    ),
    default_order="login",
    page_rows=3,
)
START = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
PEOPLE = st.lists(
    st.tuples(st.sampled_from("абв"), st.integers(0, 2), st.one_of(st.none(), st.integers(0, 2))),
    min_size=1,
    max_size=14,
)
ORDERS = [sign + column.name for column in REGISTER.columns for sign in ("", "-")]


def hire(people: list[tuple[str, int, int | None]]) -> None:
    """Exactly these people."""
    Staff.objects.all().delete()
    Staff.objects.bulk_create(
        Staff(
            login=f"person-{number:02d}",
            full_name=name,
            failed_attempts=attempts,
            locked_until=None if hours is None else START + dt.timedelta(hours=hours),
        )
        for number, (name, attempts, hours) in enumerate(people)
    )


def expected(word: str) -> list[int]:
    """The keys in the order a reader expects, worked out in memory: ties by key, nothing last in both directions."""
    descending = word.startswith("-")
    name = word.removeprefix("-")
    rows = sorted(Staff.objects.all(), key=lambda row: row.pk, reverse=descending)
    filled = [row for row in rows if getattr(row, name) is not None]
    empty = [row for row in rows if getattr(row, name) is None]
    filled.sort(key=lambda row: getattr(row, name), reverse=descending)
    return [row.pk for row in [*filled, *empty]]


def walk(search: query.Query, where: str, step: str) -> Iterator[list[Any]]:
    """The pages from a place on, forwards by ``after`` or backwards by ``before``."""
    for _page in range(20):
        page = search.page(where)
        yield [row.pk for row in page.rows]
        following = page.after if step == "after" else page.before
        if following is None:
            return
        where = following
    pytest.fail("the pages do not come to an end")


@pytest.mark.django_db
@pytest.mark.clause("EM-55.4")
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(people=PEOPLE)
def test_pages_in_a_row_are_the_list(people: list[tuple[str, int, int | None]]) -> None:
    hire(people)
    for word in ORDERS:
        search = query.read(REGISTER, QueryDict(f"sort={word}"))
        whole = expected(word)
        forwards = [key for page in walk(search, "", "after") for key in page]
        backwards = [key for page in reversed(list(walk(search, paging.END, "before"))) for key in page]
        assert forwards == whole, word
        assert backwards == whole, word


@pytest.mark.django_db
def test_a_page_back_shows_what_was_before() -> None:
    hire([("а", 0, None)] * 8)
    search = query.read(REGISTER, QueryDict(""))
    first = search.page("")
    second = search.page(first.after or "")
    back = search.page(second.before or "")
    assert [row.pk for row in back.rows] == [row.pk for row in first.rows]
    assert back.before is None


@pytest.mark.parametrize("text", ["", "x", "🙂", "AAAA", "WyJhIiwi", "W10", "bnVsbA"])
def test_a_place_that_is_none_leads_to_the_head(text: str) -> None:
    order = query.read(REGISTER, QueryDict("")).order
    assert paging.read_place(text, Staff.objects.all(), order) is None


@pytest.mark.django_db
def test_a_place_of_another_order_or_of_somebodys_own_making_leads_to_the_head() -> None:
    hire([("а", 0, None)] * 8)
    by_login = query.read(REGISTER, QueryDict(""))
    place = by_login.page("").after or ""
    assert by_login.page(place).rows[0].login == "person-03"
    for foreign in (place, place.partition(".")[0], "WyJhIiwibm9uZSIsIiIsIm5vbmUiLCIiXQ"):
        page = query.read(REGISTER, QueryDict("sort=failed_attempts")).page(foreign)
        assert page.rows[0].login == "person-00"


@pytest.mark.django_db
def test_an_unknown_order_is_the_default_order() -> None:
    assert query.read(REGISTER, QueryDict("sort=password")).order.word == "login"


@pytest.mark.django_db
def test_rows_beyond_the_bound_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    hire([("а", 1, None)] * 12)
    monkeypatch.setattr(query, "COUNT_BOUND", 5)
    count = query.read(REGISTER, QueryDict("")).count
    assert not count.exact
    assert count.rows >= 6


@pytest.mark.django_db
def test_sums_are_of_all_rows_and_not_of_the_page() -> None:
    hire([("а", 2, None)] * 7)
    assert query.read(REGISTER, QueryDict("")).sums() == {"failed_attempts": 14}
