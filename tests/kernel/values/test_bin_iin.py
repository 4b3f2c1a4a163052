"""BIN and IIN: the check digit by its two rows of weights."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from senim.kernel.values import bin_iin

ELEVEN = st.text("0123456789", min_size=11, max_size=11)


@given(ELEVEN)
def test_exactly_one_last_digit_is_right_or_none_is(eleven: str) -> None:
    right = [digit for digit in "0123456789" if bin_iin.is_valid(eleven + digit)]
    expected = bin_iin.check_digit(eleven)
    assert right == ([] if expected is None else [str(expected)])


@given(ELEVEN, st.integers(0, 9), st.integers(1, 9))
def test_one_wrong_digit_is_noticed_where_the_first_weights_decide(eleven: str, position: int, shift: int) -> None:
    """Modulo the prime 11 every single mistake changes the sum; only numbers of the second row may hide one.

    The eleventh digit has weight 11, which is nothing modulo 11: the first row does not see it.
    """
    wrong = eleven[:position] + str((int(eleven[position]) + shift) % 10) + eleven[position + 1 :]
    sums = [sum(int(d) * w for d, w in zip(text, range(1, 12), strict=True)) % 11 for text in (eleven, wrong)]
    assume(10 not in sums)
    assert bin_iin.check_digit(eleven) != bin_iin.check_digit(wrong)


def test_second_row_of_weights_and_numbers_never_issued() -> None:
    """Found by search over the definition itself, written out here a second time."""
    first, second = list(range(1, 12)), [3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]
    seen = set()
    for number in range(99_000_000_000, 99_000_003_000):
        digits = [int(c) for c in str(number)]
        a = sum(d * w for d, w in zip(digits, first, strict=True)) % 11
        b = sum(d * w for d, w in zip(digits, second, strict=True)) % 11
        expected = a if a < 10 else (b if b < 10 else None)
        assert bin_iin.check_digit(str(number)) == expected
        seen.add("first" if a < 10 else "second" if b < 10 else "never")
    assert seen == {"first", "second", "never"}


@pytest.mark.parametrize(
    "text", ["", "1", "12345678901", "1234567890123", "12345678901a", "٠٠٠٠٠٠٠٠٠٠٠٠", " 12345678901"]
)
def test_what_is_not_twelve_digits_is_refused(text: str) -> None:
    assert not bin_iin.is_valid(text)


def test_a_person_is_no_organisation() -> None:
    person = "90010100000"
    number = person + str(bin_iin.check_digit(person))
    assert bin_iin.is_valid_iin(number)
    assert not bin_iin.is_valid_bin(number)
    organisation = "99014000000"
    assert bin_iin.is_valid_bin(organisation + str(bin_iin.check_digit(organisation)))
