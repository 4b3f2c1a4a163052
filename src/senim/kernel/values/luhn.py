"""The check digit of ISO/IEC 7812-1, annex B (Luhn)."""


def check_digit(digits: str) -> str:
    """The digit to put after ``digits`` so that the whole passes the Luhn check.

    >>> check_digit("7992739871")
    '3'
    """
    if not digits.isascii() or not digits.isdigit():
        raise ValueError("digits only")
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character)
        if place % 2 == 0:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return str(-total % 10)


def is_valid(digits: str) -> bool:
    """Whether the last of ``digits`` is their check digit."""
    return len(digits) > 1 and digits.isascii() and digits.isdigit() and check_digit(digits[:-1]) == digits[-1]
