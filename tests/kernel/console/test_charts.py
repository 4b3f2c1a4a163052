"""Geometry of the pictures."""

import re

from hypothesis import given
from hypothesis import strategies as st

from senim.kernel.console import charts

FRAME = charts.Frame(width=760, height=232, left=44, bottom=26, first=0, last=1440, top=1000)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_a_curve_stays_between_zero_and_the_top(values: list[int]) -> None:
    points = [(index * 20.0, float(value)) for index, value in enumerate(values)]
    path = charts.curve(FRAME, points)
    heights = [float(y) for y in re.findall(r"[-\d.]+ ([-\d.]+)", path)]
    assert min(heights) >= FRAME.y(1000) - 0.11
    assert max(heights) <= FRAME.floor + 0.11


@given(st.integers(0, 10**9))
def test_the_top_of_an_axis_is_round_and_not_below(value: int) -> None:
    top = charts.nice_top(value)
    assert value <= top <= max(4, 2 * value)


@given(st.integers(0, 10**15), st.integers(1, 10**15))
def test_heat_grows_with_the_sum(value: int, highest: int) -> None:
    value = min(value, highest)
    level = charts.heat_level(value, highest)
    assert 0 <= level <= charts.HEAT_LEVELS
    assert (level == 0) == (value == 0)
    assert charts.heat_level(highest, highest) == charts.HEAT_LEVELS


def test_a_bar_points_to_its_side() -> None:
    pays, gets = charts.signed_bar(-50, 100), charts.signed_bar(50, 100)
    assert not pays.positive
    assert gets.positive
    assert pays.x + pays.width < gets.x
    assert pays.width == gets.width
