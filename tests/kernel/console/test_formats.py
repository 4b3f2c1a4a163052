"""Figures, money and days as each language writes them."""

import datetime as dt

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from senim.kernel.console import formats

THIN, SPACE = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("kk", f"1{THIN}234{THIN}567,05{SPACE}₸"),
        ("ru", f"1{THIN}234{THIN}567,05{SPACE}₸"),
        ("en", f"1,234,567.05{SPACE}KZT"),
    ],
)
def test_an_amount_is_written_as_the_language_writes_it(language: str, expected: str) -> None:
    with override(language):
        assert formats.amount(123_456_705) == expected


@given(st.integers(-(10**18), 10**18))
def test_money_is_exact(tiyn: int) -> None:
    with override("en"):
        text = formats.money(tiyn).replace(",", "").replace("\N{MINUS SIGN}", "-")
    whole, _point, rest = text.removeprefix("-").partition(".")
    assert (int(whole) * 100 + int(rest)) * (-1 if text.startswith("-") else 1) == tiyn


@pytest.mark.parametrize(
    ("language", "expected"),
    [("kk", "2026 жылғы 20 қараша"), ("ru", "20 ноября 2026 года"), ("en", "20 November 2026")],
)
def test_a_day_in_words(language: str, expected: str) -> None:
    with override(language):
        assert formats.day_long(dt.date(2026, 11, 20)) == expected


def test_moments_are_those_of_almaty() -> None:
    with override("kk"):
        late = dt.datetime(2026, 11, 20, 20, 30, tzinfo=dt.UTC)
        assert formats.moment(late) == f"21.11.2026{SPACE}01:30:00"
        assert formats.precise(late) == f"21.11.2026{SPACE}01:30:00,000"


def test_nothing_is_a_dash() -> None:
    assert {formats.amount(None), formats.number(None), formats.moment(None), formats.day(None)} == {"—"}


def test_a_share_of_nothing_is_a_dash() -> None:
    assert formats.percent(0, 0) == "—"
