"""The operating day by the clock of Almaty."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senim.kernel.values import almaty

MOMENTS = st.integers(1_104_537_600, 3_786_912_000).map(lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC))


@given(MOMENTS)
def test_every_moment_is_in_exactly_its_own_day(moment: dt.datetime) -> None:
    day = almaty.operating_day(moment)
    assert almaty.begins_at(day) <= moment < almaty.ends_at(day)


@given(st.dates(min_value=dt.date(2005, 1, 1), max_value=dt.date(2090, 1, 1)))
def test_days_follow_without_gap(day: dt.date) -> None:
    assert almaty.ends_at(day) == almaty.begins_at(day + dt.timedelta(days=1))
    assert almaty.operating_day(almaty.begins_at(day)) == day


@pytest.mark.clause("PS-1.1.10")
def test_the_day_is_almatys_not_utcs() -> None:
    late = dt.datetime(2026, 5, 4, 19, 30, tzinfo=dt.UTC)
    assert almaty.operating_day(late) == dt.date(2026, 5, 5)
    assert almaty.minute_of_day(late) == 30


def test_the_zone_of_2024_is_known() -> None:
    """On 1 March 2024 Almaty went from UTC+6 to UTC+5: that day had 25 hours."""
    day = dt.date(2024, 2, 29)
    assert almaty.ends_at(day) - almaty.begins_at(day) == dt.timedelta(hours=25)


def test_a_moment_without_zone_is_refused() -> None:
    for function in (almaty.operating_day, almaty.minute_of_day):
        with pytest.raises(ValueError, match="time zone"):
            function(dt.datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test
