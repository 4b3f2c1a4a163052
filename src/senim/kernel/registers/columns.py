"""Columns of a register: where a value comes from, how it reads, how it sorts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any
from uuid import UUID

from senim.kernel.console import formats
from senim.kernel.console.states import State


class Form(StrEnum):
    """How a value is written and aligned."""

    TEXT = "text"
    CODE = "code"
    NUMBER = "number"
    AMOUNT = "amount"
    DAY = "day"
    MOMENT = "moment"


RIGHT_ALIGNED = frozenset({Form.NUMBER, Form.AMOUNT})
TIYN_IN_TENGE = 100


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    ``value`` takes a row and gives what is shown and exported (default: the attribute ``name``); amounts are in tiyn.
    ``state`` instead gives a tag. ``order`` is the ORM path to sort by: a name, a function of no arguments where it
    depends on the reader's language, or an empty string where the column cannot be sorted. ``nullable`` says whether
    that path may be NULL. ``total`` asks for a sum, ``lead`` makes the value the head of the card on a phone. A column
    that is not ``listed`` stands in files and in print alone; one without ``phone`` is left out on small screens.
    """

    name: str
    label: object
    form: Form = Form.TEXT
    value: Callable[[Any], Any] | None = None
    state: Callable[[Any], State] | None = None
    order: str | Callable[[], str] | None = None
    nullable: bool = False
    total: bool = False
    lead: bool = False
    listed: bool = True
    phone: bool = True
    address: Callable[[Any], str | None] | None = None
    note: Callable[[Any], object] | None = None

    @property
    def path(self) -> str:
        """The ORM path by which the column sorts; empty if it does not."""
        if self.order is None:
            return self.name
        return self.order() if callable(self.order) else self.order

    @property
    def right(self) -> bool:
        """Whether the values stand at the right edge."""
        return self.form in RIGHT_ALIGNED

    def raw(self, row: Any) -> Any:
        """The value itself, as files get it: a number, a day, a moment, or words."""
        if self.state is not None:
            return str(self.state(row))
        value = self.value(row) if self.value is not None else attrgetter(self.name.replace("__", "."))(row)
        if isinstance(value, str | int | date | Decimal | None) and not isinstance(value, bool):
            return value
        return str(value)

    def text(self, row: Any) -> str:
        """The value in words and figures of the reader's language."""
        value = self.raw(row)
        if value is None or value == "":
            return ""
        return written(self.form, value)

    def text_of(self, value: Any) -> str:
        """A value of this column (a sum, for one) in the reader's language."""
        return written(self.form, value)


def written(form: Form, value: Any) -> str:
    """A value as the reader's language writes it."""
    if form is Form.AMOUNT:
        return formats.money(value)
    if form is Form.NUMBER:
        return formats.number(value)
    if isinstance(value, datetime):
        return formats.moment(value)
    if isinstance(value, date):
        return formats.day(value)
    return str(value)


def encoded(value: Any) -> tuple[str, str]:
    """A sort value as two strings, for a cursor."""
    if value is None:
        return "none", ""
    if isinstance(value, bool):
        return "bool", str(int(value))
    if isinstance(value, datetime | date):
        return ("moment" if isinstance(value, datetime) else "day"), value.isoformat()
    if isinstance(value, int | Decimal):
        return ("int" if isinstance(value, int) else "decimal"), str(value)
    return ("uuid" if isinstance(value, UUID) else "text"), str(value)


def decoded(kind: str, text: str) -> Any:
    """The sort value that ``encoded`` wrote.

    Raises:
        ValueError: it is none.
    """
    readers: dict[str, Callable[[str], Any]] = {
        "none": lambda _text: None,
        "bool": lambda word: word == "1",
        "moment": datetime.fromisoformat,
        "day": date.fromisoformat,
        "int": int,
        "decimal": Decimal,
        "uuid": UUID,
        "text": str,
    }
    if kind not in readers:
        raise ValueError(f"unknown kind of cursor {kind!r}")
    return readers[kind](text)
