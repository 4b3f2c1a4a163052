"""The check digit of ISO/IEC 7812-1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senim.kernel.values import luhn

DIGITS = st.text("0123456789", min_size=1, max_size=18)


def test_the_standards_example() -> None:
    assert luhn.check_digit("7992739871") == "3"
    assert luhn.is_valid("79927398713")


@given(DIGITS)
def test_what_is_made_is_valid(digits: str) -> None:
    assert luhn.is_valid(digits + luhn.check_digit(digits))


@given(DIGITS, st.data())
def test_one_changed_digit_is_always_found(digits: str, data: st.DataObject) -> None:
    whole = digits + luhn.check_digit(digits)
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != whole[place]]))
    assert not luhn.is_valid(whole[:place] + other + whole[place + 1 :])


@pytest.mark.parametrize("wrong", ["", "1", "12a", "१२३", " 12"])
def test_other_text_is_not_valid(wrong: str) -> None:
    assert not luhn.is_valid(wrong)
