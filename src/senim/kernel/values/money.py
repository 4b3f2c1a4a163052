"""Money in tiyn (1 tenge = 100 tiyn), exact: whole numbers only, nothing is ever rounded in silence."""

import re
from typing import Final, NewType

from senim.kernel.values.errors import BadValue

Tiyn = NewType("Tiyn", int)

CURRENCY: Final = "KZT"
CURRENCY_NUMBER: Final = 398
"""ISO 4217 numeric code: also the ledger that money in tenge is kept in."""
TIYN_PER_TENGE: Final = 100
TIYN_MAX: Final = 10**18 - 1
"""The largest amount that ISO 20022's ActiveCurrencyAndAmount (18 digits) and a 64-bit column both hold."""

# A closed shape before any arithmetic: no signs, exponents, separators or foreign digits get through.
_AMOUNT = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,5}))?", re.ASCII)
_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


class BadAmount(BadValue):
    """The amount is not a sum in tenge with at most two decimal places."""

    code = "values.amount"


def parse_amount(text: str) -> Tiyn:
    """Return the tiyn of a decimal string of tenge, as ISO 20022 writes it (``"123.45"``, ``"7"``, ``"0.5"``).

    Decimals beyond the second are taken only when they are zeros.

    Raises:
        BadAmount: not of that shape, more precise than a tiyn, or above ``TIYN_MAX``.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise BadAmount(amount=text[:40])
    decimals = (match[2] or "").rstrip("0")
    if len(decimals) > 2:
        raise BadAmount("The amount is more precise than a tiyn.", amount=text[:40])
    tiyn = int(match[1]) * TIYN_PER_TENGE + int(decimals.ljust(2, "0"))
    if tiyn > TIYN_MAX:
        raise BadAmount("The amount is too large.", amount=text[:40])
    return Tiyn(tiyn)


def to_decimal(amount_tiyn: int) -> str:
    """Return the decimal string of tenge that ISO 20022 expects: always two places, a point, no separators."""
    sign = "-" if amount_tiyn < 0 else ""
    tenge, tiyn = divmod(abs(amount_tiyn), TIYN_PER_TENGE)
    return f"{sign}{tenge}.{tiyn:02d}"


def format_amount(amount_tiyn: int, language: str = "kk", *, with_currency: bool = True) -> str:
    """Return the amount as a reader of ``language`` (kk, ru, en) expects it: ``1 234,50 ₸`` or ``₸1,234.50``."""
    sign = "\N{MINUS SIGN}" if amount_tiyn < 0 else ""
    tenge, tiyn = divmod(abs(amount_tiyn), TIYN_PER_TENGE)
    if language[:2] == "en":
        return f"{sign}{'₸' if with_currency else ''}{tenge:,}.{tiyn:02d}"
    grouped = f"{tenge:,}".replace(",", _NO_BREAK_SPACE)
    return f"{sign}{grouped},{tiyn:02d}{_NO_BREAK_SPACE + '₸' if with_currency else ''}"
