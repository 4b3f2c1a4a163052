"""Money: exact both ways, or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senim.kernel.values import money

AMOUNTS = st.integers(0, money.TIYN_MAX)


@given(AMOUNTS)
def test_a_written_amount_reads_back_exactly(tiyn: int) -> None:
    assert money.parse_amount(money.to_decimal(tiyn)) == tiyn


@given(st.decimals(min_value=0, max_value=10**15, places=2))
def test_parsing_agrees_with_decimal_arithmetic(amount: Decimal) -> None:
    assert money.parse_amount(f"{amount:f}") == amount * 100


@given(st.text("0123456789.,-+eE_ ٣", max_size=24))
def test_nothing_is_rounded_or_guessed(text: str) -> None:
    try:
        tiyn = money.parse_amount(text)
    except money.BadAmount:
        return
    assert text.isascii()
    assert Decimal(text) * 100 == tiyn


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".5",
        "-1",
        "+1",
        "1e3",
        "1_000",
        "1 000",
        "1,00",
        "0.001",
        "1.234",
        "9999999999999999.999",
        "9" * 19,
        "٣",
        "1\n",
    ],
)
def test_malformed_amounts_are_refused(text: str) -> None:
    with pytest.raises(money.BadAmount):
        money.parse_amount(text)


def test_trailing_zeros_are_harmless() -> None:
    assert money.parse_amount("1.50000") == 150
    assert money.parse_amount("0007") == 700


def test_forms_for_readers() -> None:
    assert money.format_amount(123456789, "en") == "₸1,234,567.89"
    assert money.format_amount(123456789, "kk") == "1\u00a0234\u00a0567,89\u00a0₸"
    assert money.format_amount(-5, "ru", with_currency=False) == "\u22120,05"
    assert money.to_decimal(-105) == "-1.05"
