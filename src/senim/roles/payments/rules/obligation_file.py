"""The obligations that ``senim payments net`` reads: a JSON list of ``{"payer", "payee", "amount"}``.

``amount`` is a JSON integer of tiyn (``1250``), or a decimal string of tenge with at most two digits after the point
(``"12.50"``). A JSON number with a point is refused: it would have passed through a float. Obligations of the same
payer to the same payee add up. Pure.
"""

import json
import re
from collections import defaultdict
from typing import Any, NoReturn

from senim.errors import BadInput

CODE_LENGTH_MAX = 35
FIELDS = ("payer", "payee", "amount")
TENGE = re.compile(r"([0-9]{1,30})(?:\.([0-9]{1,2}))?", re.ASCII)


class ObligationFileInvalid(BadInput):
    """The file is not a list of obligations."""

    code = "payments.obligation_file_invalid"


def parse(text: str) -> dict[tuple[str, str], int]:
    """Read obligations: tiyn by (payer, payee).

    Raises:
        ObligationFileInvalid: naming the line (of broken JSON) or the index from 0 and the field that is wrong.
    """
    try:
        items = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise ObligationFileInvalid(
            f"Line {error.lineno}, column {error.colno}: not JSON ({error.msg}).", line=error.lineno, column=error.colno
        ) from None
    except RecursionError:
        raise ObligationFileInvalid("The JSON is nested too deeply.") from None
    except ValueError as error:  # Python's own bound on the digits of one number
        raise ObligationFileInvalid(f"Not JSON that can be read: {error}") from None
    if not isinstance(items, list):
        raise ObligationFileInvalid('The file must be a JSON list of {"payer", "payee", "amount"}.')
    obligations: defaultdict[tuple[str, str], int] = defaultdict(int)
    for index, item in enumerate(items):
        pair, amount_tiyn = _obligation(index, item)
        obligations[pair] += amount_tiyn
    return dict(obligations)


def _obligation(index: int, item: Any) -> tuple[tuple[str, str], int]:
    if not isinstance(item, dict):
        _refuse(index, None, "must be an object with payer, payee and amount")
    for field in FIELDS:
        if field not in item:
            _refuse(index, field, "is missing")
    for field in item:
        if field not in FIELDS:
            _refuse(index, field, "is not known here")
    payer, payee = _code(index, "payer", item["payer"]), _code(index, "payee", item["payee"])
    if payer == payee:
        _refuse(index, "payee", "is the payer itself")
    return (payer, payee), _amount(index, item["amount"])


def _code(index: int, field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip().isprintable() or not 0 < len(value.strip()) <= CODE_LENGTH_MAX:
        _refuse(index, field, f"must be a text of 1 to {CODE_LENGTH_MAX} printable characters")
    return value.strip()


def _amount(index: int, value: Any) -> int:
    """Tiyn from an integer of tiyn or a decimal string of tenge."""
    tiyn = 0
    if type(value) is int:
        tiyn = value
    elif isinstance(value, str) and (match := TENGE.fullmatch(value)):
        tiyn = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
    else:
        _refuse(index, "amount", 'must be an integer of tiyn, or a string of tenge such as "12.50"')
    if tiyn <= 0:
        _refuse(index, "amount", "must be more than zero")
    return tiyn


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a repeated field: which of the two amounts was meant is not ours to choose."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ObligationFileInvalid(f'Field "{name}" is given twice in one object.', field=name)
    return dict(pairs)


def _constant(name: str) -> NoReturn:
    raise ObligationFileInvalid(f"{name} is not a number of JSON.")


def _refuse(index: int, field: str | None, complaint: str) -> NoReturn:
    place = f"Item {index}" if field is None else f'Item {index}, field "{field}"'
    raise ObligationFileInvalid(f"{place}: {complaint}.", index=index, field=field)
