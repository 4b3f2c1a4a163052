"""Numbers of persons (IIN) and organisations (BIN) of Kazakhstan: twelve digits, the last a check digit.

The check digit is the weighted sum of the first eleven modulo 11, by weights 1 to 11; when that gives 10, by weights
3 to 11, 1, 2; when that gives 10 again, the number is not issued. Nothing else is checked: since 2013 the first digits
of an IIN need not be the birth date.
"""

from typing import Final

LENGTH: Final = 12
_FIRST_WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND_WEIGHTS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
_ORGANISATION_KINDS = frozenset("456")


def check_digit(first_eleven: str) -> int | None:
    """Return the check digit of eleven decimal digits, or None when no number with them is ever issued."""
    digits = [int(character) for character in first_eleven]
    for weights in (_FIRST_WEIGHTS, _SECOND_WEIGHTS):
        remainder = sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11
        if remainder < 10:
            return remainder
    return None


def is_valid(number: str) -> bool:
    """Tell whether ``number`` is twelve digits with the right check digit."""
    if len(number) != LENGTH or not (number.isascii() and number.isdigit()):
        return False
    return check_digit(number[:-1]) == int(number[-1])


def is_valid_iin(number: str) -> bool:
    """Tell whether ``number`` can be the IIN of a person; the birth date is not judged."""
    return is_valid(number)


def is_valid_bin(number: str) -> bool:
    """Tell whether ``number`` can be the BIN of an organisation: its fifth digit is 4, 5 or 6."""
    return is_valid(number) and number[4] in _ORGANISATION_KINDS
