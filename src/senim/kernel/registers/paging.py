"""Pages by the place in the order, not by number: the millionth page costs what the first costs.

Every order ends with the primary key, so ties keep their places; NULLs come last in both directions.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from django.core.signing import BadSignature, Signer
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy

from senim.kernel.registers.columns import Column, decoded, encoded

Rows = QuerySet[Any]
SORT_VALUE = "register_sort_value"


@dataclass(frozen=True)
class Order:
    """A column and its direction."""

    column: Column
    descending: bool

    @property
    def word(self) -> str:
        """As it stands in the address."""
        return ("-" if self.descending else "") + self.column.name

    @property
    def by_key(self) -> bool:
        """Whether the column sorts by the primary key itself."""
        return self.column.path == "pk"


@dataclass(frozen=True)
class Place:
    """A place in an order: after (or before) the row with this sort value and primary key."""

    value: Any
    key: Any
    backwards: bool

    def text(self, rows: Rows, order: Order) -> str:
        """As it stands in the address: signed, since the database is asked by it."""
        parts = ["b" if self.backwards else "a", *encoded(self.value), *encoded(self.key)]
        return _signer(rows, order).sign(
            base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")
        )


END = "end"


def _signer(rows: Rows, order: Order) -> Signer:
    """A place belongs to one table in one order: anywhere else its values are of other kinds."""
    return Signer(sep=".", salt=f"{__name__}:{rows.model._meta.label}:{order.word}")


def read_place(text: str, rows: Rows, order: Order) -> Place | None:
    """The place written in an address; None where it is none of ours (then the list begins at its head)."""
    try:
        text = _signer(rows, order).unsign(text)
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        side, value_kind, value, key_kind, key = parts
        return Place(decoded(value_kind, value), decoded(key_kind, key), backwards=side == "b")
    except (BadSignature, ValueError, TypeError, binascii.Error, ArithmeticError):
        return None


def ordered(rows: Rows, order: Order, *, backwards: bool = False) -> Rows:
    """The rows in the order, or in exactly the reverse of it."""
    descending = order.descending != backwards
    key = OrderBy(F("pk"), descending=descending)
    if order.by_key:
        return rows.order_by(key)
    nulls: dict[str, bool] = {}
    if order.column.nullable:
        nulls = {"nulls_first": True} if backwards else {"nulls_last": True}
    valued: Rows = rows.annotate(**{SORT_VALUE: F(order.column.path)})
    return valued.order_by(OrderBy(F(SORT_VALUE), descending=descending, **nulls), key)


def beyond(order: Order, place: Place) -> Q:
    """The rows that come after the place (before it, if the place looks backwards)."""
    comparison = "lt" if order.descending != place.backwards else "gt"
    key = Q(**{f"pk__{comparison}": place.key})
    if order.by_key:
        return key
    if place.value is None:
        among_nulls = Q(**{f"{SORT_VALUE}__isnull": True}) & key
        return Q(**{f"{SORT_VALUE}__isnull": False}) | among_nulls if place.backwards else among_nulls
    # Written as "not on the wrong side, and (past it, or past the key)": an index on the column serves the first half.
    here_or_past = Q(**{f"{SORT_VALUE}__{comparison}e": place.value})
    result = here_or_past & (Q(**{f"{SORT_VALUE}__{comparison}": place.value}) | key)
    if order.column.nullable and not place.backwards:
        result |= Q(**{f"{SORT_VALUE}__isnull": True})
    return result


@dataclass(frozen=True)
class Page:
    """The rows of one page, and the addresses' words for the pages before and after; None where there is none."""

    rows: list[Any]
    before: str | None
    after: str | None


def page(rows: Rows, order: Order, where: str, size: int) -> Page:
    """One page: at the head, at the end (``where`` is "end"), or beyond a place.

    The keys of the page are found first, by a query of two narrow columns, and then the rows themselves: sorting a
    million rows of all columns with their joined names would take several times as long.
    """
    at_end = where == END
    place = None if at_end or not where else read_place(where, rows, order)
    backwards = at_end or (place is not None and place.backwards)
    asked = ordered(rows.select_related(None), order, backwards=backwards)
    if place is not None:
        asked = asked.filter(beyond(order, place))
    found = list(asked.values_list("pk" if order.by_key else SORT_VALUE, "pk")[: size + 1])
    more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    by_key = {row.pk: row for row in rows.order_by().filter(pk__in=[key for _value, key in found])}
    has_before = more if backwards else place is not None
    has_after = (not at_end and bool(found)) if backwards else more
    return Page(
        # A row that vanished between the two queries is left out.
        [by_key[key] for _value, key in found if key in by_key],
        Place(found[0][0], found[0][1], backwards=True).text(rows, order) if found and has_before else None,
        Place(found[-1][0], found[-1][1], backwards=False).text(rows, order) if found and has_after else None,
    )
