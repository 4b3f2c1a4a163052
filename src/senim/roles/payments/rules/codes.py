"""Codes that the operator gives."""

from senim.kernel.values.luhn import check_digit


def participant_code(number: int) -> str:
    """The participant's identifying digital code: six digits, the last checks the others (PS-8.3a).

    ``number`` comes from a sequence, 1 to 99,999, and is never given twice.

    >>> participant_code(1)
    '000018'
    """
    if not 1 <= number <= 99_999:
        raise ValueError(f"participant number {number} is outside 1 to 99,999")
    digits = f"{number:05d}"
    return digits + check_digit(digits)
