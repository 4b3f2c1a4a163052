"""One search of a register: read from the address, applied to the rows, counted within bounds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db import connections
from django.db.models import QuerySet, Sum
from django.http import QueryDict

from senim.kernel.registers import paging
from senim.kernel.registers.columns import Column
from senim.kernel.registers.errors import UnknownColumn
from senim.kernel.registers.filters import FilterRefused
from senim.kernel.registers.register import Register

Rows = QuerySet[Any]
COUNT_BOUND = 10_000
TEXT_MAX = 200
PARAMS_MAX = 1_800
CHUNK_ROWS = 2_000


@dataclass(frozen=True)
class Count:
    """How many rows there are: exactly up to a bound, beyond it by the database's own estimate."""

    rows: int
    exact: bool


@dataclass(frozen=True)
class Query:
    """A search with its filters and order."""

    register: Register
    params: dict[str, str]
    order: paging.Order
    problems: tuple[str, ...] = field(default=())

    @property
    def text(self) -> str:
        """What is searched for."""
        return self.params.get("q", "")

    @cached_property
    def rows(self) -> Rows:
        """The rows asked for, unordered. None at all if a filter cannot be read: a wrong filter must not show more."""
        rows = self.register.rows()
        if self.problems:
            return rows.none()
        for one in self.register.filters:
            condition = one.condition(self.params)
            if condition is not None:
                rows = rows.filter(condition)
        return self.register.search(rows, self.text) if self.text and self.register.search else rows

    @property
    def narrowed(self) -> bool:
        """Whether anything is searched or filtered."""
        return bool(self.params)

    def page(self, where: str) -> paging.Page:
        """One page of the result."""
        return paging.page(self.rows, self.order, where, self.register.page_rows)

    def every(self, limit: int | None = None) -> Iterator[Any]:
        """All rows in order, read in chunks with flat memory. Must run inside a transaction."""
        rows = paging.ordered(self.rows, self.order)
        return (rows[:limit] if limit else rows).iterator(chunk_size=CHUNK_ROWS)

    @cached_property
    def count(self) -> Count:
        """How many rows the search has."""
        seen = self.rows.order_by()[: COUNT_BOUND + 1].count()
        if seen <= COUNT_BOUND:
            return Count(seen, exact=True)
        return Count(max(seen, self._estimated()), exact=False)

    def _estimated(self) -> int:
        sql, values = self.rows.order_by().query.sql_with_params()
        with connections[self.rows.db].cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", values)
            row = cursor.fetchone()
        plan = json.loads(row[0]) if isinstance(row[0], str) else row[0]
        return int(plan[0]["Plan"]["Plan Rows"])

    def sums(self) -> dict[str, int]:
        """Sums of the columns that have one, over the whole result, by column name. Reads every row."""
        columns = self.register.totals()
        if not columns:
            return {}
        found = self.rows.order_by().aggregate(**{f"sum_{one.name}": Sum(one.path) for one in columns})
        return {one.name: int(found[f"sum_{one.name}"] or 0) for one in columns}

    def address(self, **changes: str | None) -> str:
        """The query string of this search with some parameters changed (None takes one away)."""
        params = self.params | ({"sort": self.order.word} if self.order.word != self.register.default_order else {})
        for name, value in changes.items():
            params.pop(name, None)
            if value:
                params[name] = value
        return urlencode(sorted(params.items()))

    def sorted_by(self, column: Column) -> str:
        """The query string with this column first; a second press turns the direction."""
        same = self.order.column.name == column.name
        descending = not self.order.descending if same else column.right or column.form in {"moment", "day"}
        word = ("-" if descending else "") + column.name
        return self.address(sort=None if word == self.register.default_order else word)

    def chips(self) -> list[tuple[object, str, str]]:
        """What narrows the list: label, words, and the query string without it."""
        result: list[tuple[object, str, str]] = []
        for one in self.register.filters:
            try:
                words = one.words(self.params)
            except FilterRefused:
                words = "?"
            if words:
                result.append((one.label, words, self.address(**dict.fromkeys(one.names()))))
        return result


def read(register: Register, given: QueryDict) -> Query:
    """The search that an address asks for. Unknown parameters are left out; what cannot be read becomes a problem."""
    known = [name for one in register.filters for name in one.names()] + (["q"] if register.search else [])
    params = {name: given.get(name, "").strip().replace("\0", "")[:TEXT_MAX] for name in known}
    params = {name: value for name, value in params.items() if value}
    problems: list[str] = []
    for one in register.filters:
        try:
            one.condition(params)
        except FilterRefused as refused:
            problems.append(str(refused))
    return Query(register, params, _order(register, given.get("sort", "")), tuple(problems))


def _order(register: Register, word: str) -> paging.Order:
    try:
        column = register.column(word.removeprefix("-"))
    except UnknownColumn:
        word = register.default_order
        column = register.column(word.removeprefix("-"))
    return paging.Order(column, descending=word.startswith("-"))
