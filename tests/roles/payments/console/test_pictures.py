"""The day's curve as a picture."""

from hypothesis import given
from hypothesis import strategies as st

from senim.roles.payments.console import pictures

NOON = 12 * 60


def test_an_hour_shows_the_running_minute_at_its_pace() -> None:
    drawn = pictures.day_curve({NOON - 2: 100, NOON - 1: 120, NOON: 30}, {}, {}, now_second=NOON * 60 + 15)
    assert drawn.window == "hour"
    assert (drawn.now_value, drawn.now_label) == (120, "12:00")


def test_a_day_shows_whole_buckets_alone() -> None:
    traffic = dict.fromkeys(range(NOON + 7), 60)
    drawn = pictures.day_curve(traffic, {}, {}, now_second=(NOON + 7) * 60 + 30, asked_window="day")
    assert (drawn.now_value, drawn.now_label) == (60, "11:55")


def test_a_day_that_is_over_has_no_present_point() -> None:
    drawn = pictures.day_curve({NOON: 5}, {}, {}, now_second=None)
    assert drawn.now is None
    assert drawn.window == "day"


@given(
    st.dictionaries(st.integers(0, 1439), st.integers(1, 10**6), max_size=40),
    st.integers(0, 86_399),
    st.sampled_from(["", "hour", "day"]),
    st.booleans(),
)
def test_everything_stays_inside_the_picture(traffic: dict[int, int], second: int, window: str, narrow: bool) -> None:
    traffic = {minute: count for minute, count in traffic.items() if minute <= second // 60}
    drawn = pictures.day_curve(traffic, {}, traffic, now_second=second, asked_window=window, narrow=narrow)
    frame = drawn.frame
    assert all(0 <= tick.at <= frame.width for tick in drawn.x_ticks)
    assert 2 <= len(drawn.x_ticks) <= 14
    if drawn.now:
        assert frame.left <= drawn.now[0] <= frame.width
        assert 0 <= drawn.now[1] <= frame.floor
