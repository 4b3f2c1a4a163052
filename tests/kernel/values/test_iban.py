"""IBAN of Kazakhstan and the ledger id that it is."""

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from schwifty import IBAN

from senim.kernel.values import iban

ALPHABET = string.digits + string.ascii_uppercase
BANKS = st.integers(0, 999).map(lambda number: f"{number:03d}")
PARTS = st.text(ALPHABET, min_size=13, max_size=13)


@given(BANKS, PARTS)
def test_the_account_id_gives_the_iban_back(bank: str, part: str) -> None:
    number = iban.make(bank, part)
    account = iban.account_id(number)
    assert 0 < account < 2**127
    assert iban.from_account_id(account) == number
    assert iban.bank_code(number) == bank


@given(BANKS, PARTS)
def test_check_digits_agree_with_an_independent_implementation(bank: str, part: str) -> None:
    number = iban.make(bank, part)
    assert IBAN(number, allow_invalid=True).validate(validate_bban=False)
    assert str(IBAN.from_bban("KZ", bank + part, validate_bban=False)) == number


@given(BANKS, PARTS, st.integers(2, 19), st.sampled_from(ALPHABET))
def test_one_changed_character_is_always_noticed(bank: str, part: str, position: int, character: str) -> None:
    """A digit for a digit or a letter for a letter, that is: ISO 7064 writes a letter in two places."""
    number = iban.make(bank, part)
    assume(character.isdigit() == number[position].isdigit())
    changed = number[:position] + character + number[position + 1 :]
    assert iban.is_valid(changed) is (changed == number)


@given(BANKS, PARTS, BANKS, PARTS)
def test_different_ibans_have_different_ids(bank_a: str, part_a: str, bank_b: str, part_b: str) -> None:
    a, b = iban.make(bank_a, part_a), iban.make(bank_b, part_b)
    assert (iban.account_id(a) == iban.account_id(b)) is (a == b)


@given(
    st.one_of(
        st.text(max_size=24),
        st.from_regex(r"\AKZ.{18}\Z"),
        st.text(ALPHABET + "_+- kz٣", min_size=16).map("KZ".__add__),
    )
)
def test_whatever_is_accepted_is_exactly_canonical(text: str) -> None:
    """No sign, space, underscore, small letter or foreign digit that int() would forgive gets through."""
    try:
        account = iban.account_id(text)
    except iban.BadIban:
        assert not iban.is_valid(text)
    else:
        assert iban.from_account_id(account) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "KZ",
        "KZ48125KZT100130033",
        "KZ48125KZT10013003366",
        "kz48125KZT1001300336",
        "KZ48125kzt1001300336",
        "KZ48 125KZT1001300336",
        "KZ49125KZT1001300336",
        "DE89370400440532013000",
        "KZ5 125KZT1001300336",
        "KZ5_125KZT1001300336",
        "KZ48125KZT100130033\u0663",
        "KZ48125KZT10013003\x00\x00",
    ],
)
def test_malformed_numbers_are_refused(text: str) -> None:
    assert not iban.is_valid(text)
    with pytest.raises(iban.BadIban):
        iban.account_id(text)


def test_other_check_digits_of_the_same_remainder_are_refused() -> None:
    by_check = {iban.make("125", f"{n:013d}")[2:4]: iban.make("125", f"{n:013d}") for n in range(3000)}
    for good, alias in (("97", "00"), ("98", "01"), ("02", "99")):
        number = by_check[good]
        assert iban.is_valid(number)
        assert not iban.is_valid("KZ" + alias + number[4:])


@given(st.integers(0, 2**128 - 1))
def test_an_id_of_another_sort_is_refused(account: int) -> None:
    try:
        number = iban.from_account_id(account)
    except iban.BadIban:
        return
    assert iban.account_id(number) == account


@pytest.mark.parametrize("account", [0, 2 << 120, 1 << 120 | 1000 << 68, 1 << 120 | 36**13, (1 << 128) - 1, -1])
def test_ids_outside_the_packing_are_refused(account: int) -> None:
    with pytest.raises(iban.BadIban):
        iban.from_account_id(account)


@pytest.mark.parametrize(
    ("bank", "part"), [("12", "0" * 13), ("12A", "0" * 13), ("125", "0" * 12), ("125", "a" * 13), ("125", "٣" * 13)]
)
def test_make_refuses_what_no_iban_is_made_of(bank: str, part: str) -> None:
    with pytest.raises(iban.BadIban):
        iban.make(bank, part)


def test_forms_for_people() -> None:
    number = iban.make("125", "KZT1001300336")
    assert iban.printed(number) == "KZ48 125K ZT10 0130 0336"
    assert iban.normalise(" kz48 125k zt10 0130\u00a00336 ") == number
