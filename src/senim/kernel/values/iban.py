"""IBAN of Kazakhstan (ISO 13616): ``KZ``, two check digits, three digits of the bank, thirteen of ``[0-9A-Z]``.

An IBAN packs without loss into 128 bits, and that number *is* the ledger's account id: the authorisation centre goes
from an IBAN to the account, and to the bank, by arithmetic alone. From the top:

    8 bits    type tag: what sort of account the id belongs to (``CUSTOMER_TAG`` here)
    52 bits   zero, but for the low 10 of them: the bank code, 0 to 999
    68 bits   the account part as a number of base 36, below 36**13

The check digits follow from the rest, so they are verified on the way in and computed on the way out.
"""

from typing import Final

from senim.kernel.values.errors import BadValue

LENGTH: Final = 20
ACCOUNT_PART_LENGTH: Final = 13
CUSTOMER_TAG: Final = 1
TAG_SHIFT: Final = 120
BANK_SHIFT: Final = 68
ACCOUNT_PART_END: Final = 36**ACCOUNT_PART_LENGTH

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BANK_CODES = [f"{number:03d}" for number in range(1000)]
_BANK_BITS = {code: CUSTOMER_TAG << TAG_SHIFT | number << BANK_SHIFT for number, code in enumerate(_BANK_CODES)}
# What the first four characters add: 2035 is KZ. The check digits 00, 01 and 99 are none (ISO 13616 gives 02 to 98).
_END_REMAINDERS = {f"KZ{check:02d}": (203500 + check) % 97 for check in range(2, 99)}
_SHIFT_REMAINDER = 10**6 % 97
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def _expansion() -> bytes:
    """Translate a character to a byte whose hexadecimal digits are its ISO 7064 value: ``Z`` to 35, ``5`` to f5.

    Dropping the ``f`` afterwards leaves the decimal string that is divided by 97; any other character becomes ``aa``,
    which is no number. Three C calls do what a loop over characters would take ten times as long for.
    """
    table = bytearray(b"\xaa" * 256)
    for value, character in enumerate(_ALPHABET):
        table[ord(character)] = 0xF0 | value if value < 10 else int(str(value), 16)
    return bytes(table)


_EXPANSION = _expansion()


class BadIban(BadValue):
    """The account number is no valid IBAN of Kazakhstan."""

    code = "values.iban"


def account_id(iban: str) -> int:
    """Return the ledger account id that is this IBAN. On the hot path: about a microsecond.

    Raises:
        BadIban: wrong country, length, alphabet (capital letters and digits, no spaces) or check digits.
    """
    try:
        # ISO 7064: the whole, with the first four characters moved to the end, leaves 1 when divided by 97.
        expanded = int(iban[4:].encode().translate(_EXPANSION).hex().replace("f", ""))
        if (expanded * _SHIFT_REMAINDER + _END_REMAINDERS[iban[:4]]) % 97 == 1 and len(iban) == LENGTH:
            return _BANK_BITS[iban[4:7]] | int(iban[7:], 36)
    except (ValueError, KeyError):  # a foreign character, country or check digits, or a letter in the bank's code
        pass
    raise BadIban(iban=iban[:34])


def from_account_id(account: int) -> str:
    """Return the IBAN that this ledger account id is.

    Raises:
        BadIban: the id is not that of a customer's account.
    """
    bank, part = (account >> BANK_SHIFT) - (CUSTOMER_TAG << (TAG_SHIFT - BANK_SHIFT)), account & ((1 << BANK_SHIFT) - 1)
    if not 0 <= bank < 1000 or part >= ACCOUNT_PART_END:
        raise BadIban("The account id is not that of a customer's account.", account_id=account)
    return _with_check_digits(_BANK_CODES[bank], unpack_account_part(part))


def unpack_account_part(part: int) -> str:
    """Return the thirteen characters of which ``part`` (0 to 36**13 - 1) is the number of base 36."""
    part, g = divmod(part, 1296)
    part, f = divmod(part, 1296)
    part, e = divmod(part, 1296)
    part, d = divmod(part, 1296)
    part, c = divmod(part, 1296)
    a, b = divmod(part, 1296)
    return _ALPHABET[a] + _PAIRS[b] + _PAIRS[c] + _PAIRS[d] + _PAIRS[e] + _PAIRS[f] + _PAIRS[g]


def is_valid(iban: str) -> bool:
    """Tell whether ``iban`` is a well-formed IBAN of Kazakhstan with right check digits, in electronic form."""
    try:
        account_id(iban)
    except BadIban:
        return False
    return True


def make(bank_code: str, account_part: str) -> str:
    """Compose an IBAN, computing its check digits.

    Raises:
        BadIban: the bank code is not three digits, or the account part is not thirteen of ``[0-9A-Z]``.
    """
    if (
        bank_code not in _BANK_BITS
        or len(account_part) != ACCOUNT_PART_LENGTH
        or not set(account_part) <= set(_ALPHABET)
    ):
        raise BadIban(
            "An IBAN is made of a bank code of 3 digits and an account part of 13 capital letters and digits."
        )
    return _with_check_digits(bank_code, account_part)


def bank_code(iban: str) -> str:
    """Return the three digits of the bank; the IBAN is taken as already checked."""
    return iban[4:7]


def normalise(text: str) -> str:
    """Return the electronic form of an IBAN as people write it: without spaces, in capitals."""
    return "".join(text.split()).upper()


def printed(iban: str) -> str:
    """Return the form for people: groups of four, divided by spaces (ISO 13616-1, annex)."""
    return " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))


def _with_check_digits(bank: str, part: str) -> str:
    digits = (bank + part).encode().translate(_EXPANSION).hex().replace("f", "")
    return f"KZ{98 - int(digits + '203500') % 97:02d}{bank}{part}"
