"""A register, declared: a role says what its rows are, the kernel gives the pages (EM-55.4 to 55.9)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from senim.kernel.console.help import Help
from senim.kernel.registers.columns import Column
from senim.kernel.registers.errors import UnknownColumn
from senim.kernel.registers.filters import Filter

Rows = QuerySet[Any]


@dataclass(frozen=True, kw_only=True)
class Action:
    """A button at the head of the list, for those who hold ``permission``."""

    label: object
    url: str
    permission: str
    icon: str = ""
    main: bool = True


@dataclass(frozen=True, kw_only=True)
class Register:
    """A list with search, filters, order, journal, totals, export and print.

    ``name`` is ``part.things`` and names the URLs; ``rows`` gives all rows; ``search`` narrows them to a typed text;
    ``default_order`` is a column's name, with ``-`` for descending; ``address`` gives the page of a row.
    """

    name: str
    title: object
    permission: str
    rows: Callable[[], Rows]
    columns: tuple[Column, ...]
    default_order: str
    filters: tuple[Filter, ...] = ()
    search: Callable[[Rows, str], Rows] | None = None
    search_hint: object = ""
    address: Callable[[Any], str] | None = None
    actions: tuple[Action, ...] = ()
    empty: object = ""
    help: Help | None = None
    page_rows: int = 50
    namespace: str = field(default="console")

    @property
    def slug(self) -> str:
        """The last part of the name, as it stands in addresses."""
        return self.name.rpartition(".")[2]

    def url(self, what: str = "") -> str:
        """URL name of one of the register's pages."""
        return f"{self.namespace}:{self.slug}" + (f"-{what}" if what else "")

    def column(self, name: str) -> Column:
        """The column of this name, if it can be sorted by.

        Raises:
            UnknownColumn: there is none.
        """
        found = next((column for column in self.columns if column.name == name and column.path), None)
        if found is None:
            raise UnknownColumn(register=self.name, column=name)
        return found

    @property
    def listed(self) -> tuple[Column, ...]:
        """The columns of the page; files and print have all."""
        return tuple(column for column in self.columns if column.listed)

    def totals(self) -> tuple[Column, ...]:
        """The columns that are summed."""
        return tuple(column for column in self.columns if column.total)
