"""The clock's work: days open and close by themselves, and a stopped close neither hurries nor holds up others."""

import datetime as dt

import pytest
from django.utils import timezone
from tests.roles.payments.closing import Market, make_market, post_behind_the_operations, rows

from senim.kernel.jobs.loops import declared_loops
from senim.kernel.values import almaty
from senim.roles.payments.jobs import days as jobs
from senim.roles.payments.models import OperatingDay
from senim.roles.payments.rules.kinds import DayState, Kind

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_stopped() -> None:
    jobs._stopped.clear()


@pytest.fixture
def yesterday(own_database: str) -> Market:
    """A market whose open day is over."""
    return make_market(almaty.operating_day(timezone.now()) - dt.timedelta(days=1))


def test_the_worker_knows_the_work_of_the_day() -> None:
    assert {"payments.days", "payments.reports"} <= {loop.name for loop in declared_loops()}


@pytest.mark.clause("PS-1.1.10")
@pytest.mark.clause("PS-4.1")
def test_a_day_that_is_over_is_closed_by_the_clock_and_the_next_one_is_open(yesterday: Market) -> None:
    yesterday.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    jobs.watch_days()
    closed = OperatingDay.objects.get(pk=yesterday.day)
    assert (closed.state, closed.closed_by) == (DayState.INSTRUCTED, "schedule")
    assert OperatingDay.objects.filter(state=DayState.OPEN, pk=almaty.operating_day(timezone.now())).exists()
    yesterday.answer()
    jobs.watch_days()
    assert OperatingDay.objects.get(pk=yesterday.day).state == DayState.REPORTED


def test_today_stays_open(market: Market) -> None:
    jobs.watch_days()
    assert OperatingDay.objects.get(pk=market.day).state == DayState.OPEN


def test_a_close_that_stopped_is_not_hurried_and_writes_no_flood_of_events(yesterday: Market) -> None:
    yesterday.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    post_behind_the_operations(yesterday, "zhailau", 7)
    for _ in range(5):
        jobs.watch_days()
    assert rows("SELECT count(*) FROM events_event WHERE name = 'payments.day.net'") == [(1,)]
    assert OperatingDay.objects.get(pk=yesterday.day).trouble


def test_a_stopped_day_does_not_hold_up_another(yesterday: Market) -> None:
    yesterday.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    post_behind_the_operations(yesterday, "zhailau", 7)
    before = yesterday.day - dt.timedelta(days=1)
    OperatingDay.objects.create(day=before, state=DayState.CLOSED.value, opened_at=almaty.begins_at(before))
    after = yesterday.day + dt.timedelta(days=2)
    OperatingDay.objects.create(day=after, state=DayState.CLOSED.value, opened_at=almaty.begins_at(after))
    jobs.watch_days()
    assert OperatingDay.objects.get(pk=yesterday.day).state == DayState.CLOSED
    assert OperatingDay.objects.get(pk=before).state == DayState.REPORTED
    assert OperatingDay.objects.get(pk=after).state == DayState.REPORTED


def test_a_failure_that_is_nobodys_word_is_shown_on_the_day_too(
    yesterday: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    from senim.kernel.documents.pdf import DocumentNotRendered
    from senim.roles.payments.services import report_forms
    from senim.roles.payments.services.day_state import trouble_text

    def fail(_report: object) -> bytes:
        raise DocumentNotRendered("100 % broken")

    monkeypatch.setattr(report_forms, "pdf_bytes", fail)
    jobs.watch_days()
    stopped = OperatingDay.objects.get(pk=yesterday.day)
    assert stopped.state == DayState.SETTLED
    assert trouble_text(stopped) == "100 % broken"
