"""Filters of a register: each reads its own parameters, says what is wrong with them, and narrows the rows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

from senim.kernel.console import formats

Rows = QuerySet[Any]
Params = Mapping[str, str]


class FilterRefused(ValueError):
    """A parameter of a filter cannot be read; the text says which and why, in the reader's language."""


class Filter(Protocol):
    """What a register asks of a filter. ``template`` draws it, from ``inputs``."""

    @property
    def label(self) -> object:
        """Its name for people."""

    @property
    def template(self) -> str:
        """The template that draws it."""

    def names(self) -> tuple[str, ...]:
        """The parameters it reads."""

    def condition(self, params: Params) -> Q | None:
        """The condition the parameters ask for, or None. Raises FilterRefused."""

    def inputs(self, params: Params) -> dict[str, object]:
        """What its template needs."""

    def words(self, params: Params) -> str:
        """What is chosen, in words; empty if nothing."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of a few values: states, kinds, participants."""

    name: str
    label: object
    path: str
    choices: Callable[[], Iterable[tuple[Any, object]]]
    build: Callable[[str], Q] | None = None
    template: str = "registers/_choice.html"

    def names(self) -> tuple[str, ...]:
        """See Filter."""
        return (self.name,)

    def condition(self, params: Params) -> Q | None:
        """See Filter."""
        chosen = params.get(self.name, "")
        if not chosen:
            return None
        if chosen not in {str(value) for value, _label in self.choices()}:
            raise FilterRefused(_("“%(label)s” has no such value.") % {"label": self.label})
        return self.build(chosen) if self.build else Q(**{self.path: chosen})

    def inputs(self, params: Params) -> dict[str, object]:
        """See Filter."""
        chosen = params.get(self.name, "")
        options = [(str(value), label, str(value) == chosen) for value, label in self.choices()]
        return {"filter": self, "name": self.name, "options": options}

    def words(self, params: Params) -> str:
        """See Filter."""
        chosen = params.get(self.name, "")
        return next((str(label) for value, label in self.choices() if str(value) == chosen), "") if chosen else ""


@dataclass(frozen=True, kw_only=True)
class Period:
    """Days from and to, both included: the journal whole, for a range, or for one day (EM-55.7).

    ``of_moments`` says that ``path`` is a moment, whose day is the one in Almaty.
    """

    label: object
    path: str
    name: str = "day"
    of_moments: bool = False
    template: str = "registers/_period.html"

    def names(self) -> tuple[str, ...]:
        """See Filter."""
        return (f"{self.name}_from", f"{self.name}_to")

    def bounds(self, params: Params) -> tuple[date | None, date | None]:
        """The two days that are asked for.

        Raises:
            FilterRefused: a day that does not exist, or the first is after the last.
        """
        days: list[date | None] = []
        for name in self.names():
            try:
                days.append(date.fromisoformat(params[name]) if params.get(name) else None)
            except ValueError:
                raise FilterRefused(_("“%(label)s”: there is no such day.") % {"label": self.label}) from None
        first, last = days
        if first and last and first > last:
            raise FilterRefused(_("“%(label)s”: the first day is after the last.") % {"label": self.label})
        return first, last

    def condition(self, params: Params) -> Q | None:
        """See Filter."""
        first, last = self.bounds(params)
        if first is None and last is None:
            return None
        result = Q()
        if first is not None:
            result &= Q(**{f"{self.path}__gte": self._start(first)})
        if last is not None and last < date.max:
            # The end of the last day is the start of the next, left out.
            end = self._start(last + timedelta(days=1))
            result &= Q(**{f"{self.path}__lt": end})
        return result

    def _start(self, day: date) -> date | datetime:
        return datetime.combine(day, time(), formats.ALMATY) if self.of_moments else day

    def inputs(self, params: Params) -> dict[str, object]:
        """See Filter."""
        from_name, to_name = self.names()
        now = formats.today()
        presets = [
            (_("Today"), now, now),
            (_("Yesterday"), now - timedelta(days=1), now - timedelta(days=1)),
            (_("This month"), now.replace(day=1), now),
        ]
        return {
            "filter": self,
            "from_name": from_name,
            "to_name": to_name,
            "first": params.get(from_name, ""),
            "last": params.get(to_name, ""),
            "presets": presets,
        }

    def words(self, params: Params) -> str:
        """See Filter."""
        first, last = self.bounds(params)
        if first is None and last is None:
            return ""
        if first == last:
            return formats.day(first)
        return f"{formats.day(first) if first else '…'} – {formats.day(last) if last else '…'}"


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """Amounts from and to, typed in tenge, both included; ``path`` holds tiyn."""

    label: object
    path: str
    name: str = "amount"
    template: str = "registers/_amounts.html"

    def names(self) -> tuple[str, ...]:
        """See Filter."""
        return (f"{self.name}_from", f"{self.name}_to")

    def condition(self, params: Params) -> Q | None:
        """See Filter."""
        result = Q()
        for name, lookup in zip(self.names(), ("gte", "lte"), strict=True):
            if params.get(name):
                result &= Q(**{f"{self.path}__{lookup}": self._tiyn(params[name])})
        return result or None

    def _tiyn(self, text: str) -> int:
        try:
            tiyn = Decimal("".join(text.split()).replace(",", ".")) * 100
        except ArithmeticError:  # no number, or one beyond all bounds
            raise FilterRefused(_("“%(label)s” is not an amount of tenge.") % {"label": self.label}) from None
        if not tiyn.is_finite() or tiyn != tiyn.to_integral_value() or abs(tiyn) >= 2**63:
            raise FilterRefused(_("“%(label)s” is not an amount of tenge.") % {"label": self.label})
        return int(tiyn)

    def inputs(self, params: Params) -> dict[str, object]:
        """See Filter."""
        from_name, to_name = self.names()
        return {
            "filter": self,
            "from_name": from_name,
            "to_name": to_name,
            "first": params.get(from_name, ""),
            "last": params.get(to_name, ""),
        }

    def words(self, params: Params) -> str:
        """See Filter."""
        first, last = (params.get(name, "") for name in self.names())
        return f"{first or '…'} – {last or '…'} {formats.currency()}" if first or last else ""


def model_choices(rows: Callable[[], QuerySet[Any]], value: str = "pk") -> Callable[[], list[tuple[Any, object]]]:
    """Choices from a table: ``value`` of each row with the row's own name."""

    def choices() -> list[tuple[Any, object]]:
        found: list[Model] = list(rows()[:500])
        return [(getattr(row, value), row) for row in found]

    return choices
