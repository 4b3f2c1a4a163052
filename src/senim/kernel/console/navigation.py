"""The rail: sections and entries that the kernel and the roles declare, shown by permission."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A page in the rail.

    ``url`` is a URL name, ``permission`` what the reader must hold, ``count`` what waits there (0 is not shown),
    ``phone`` a short label if the page also stands in the bar at the foot of a phone.
    """

    url: str
    label: object
    icon: str
    permission: str
    count: Callable[[HttpRequest], int] | None = None
    phone: object = ""


@dataclass(frozen=True)
class Section:
    """A heading of the rail; sections of the same ``name`` are one, ordered by ``rank``."""

    name: str
    title: object
    rank: int


@dataclass(frozen=True)
class ShownEntry:
    """An entry as this reader sees it."""

    entry: Entry
    address: str
    count: int
    current: bool


@dataclass(frozen=True)
class Shown:
    """A section as this reader sees it."""

    title: object
    entries: tuple[ShownEntry, ...]


_sections: dict[str, Section] = {}
_entries: dict[str, list[Entry]] = {}


def declare(section: Section, *entries: Entry) -> None:
    """Add entries to a section of the rail, once, when the application starts."""
    _sections.setdefault(section.name, section)
    known = _entries.setdefault(section.name, [])
    known.extend(entry for entry in entries if entry not in known)


def entries() -> Iterator[Entry]:
    """Every declared entry in the order of the rail."""
    for section in sorted(_sections.values(), key=lambda one: one.rank):
        yield from _entries[section.name]


def shown(request: HttpRequest) -> tuple[Shown, ...]:
    """What this reader may open. The entry whose address is the longest beginning of the path is the present one."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return ()
    allowed = [entry for entry in entries() if user.has_perm(entry.permission)]
    addresses = {entry: reverse(entry.url) for entry in allowed}
    here = max((a for a in addresses.values() if request.path.startswith(a)), key=len, default="")
    result = []
    for section in sorted(_sections.values(), key=lambda one: one.rank):
        rows = tuple(
            ShownEntry(entry, addresses[entry], entry.count(request) if entry.count else 0, addresses[entry] == here)
            for entry in _entries[section.name]
            if entry in addresses
        )
        if rows:
            result.append(Shown(section.title, rows))
    return tuple(result)


def home(request: HttpRequest) -> str | None:
    """Address of the first page that the reader may open."""
    return next((reverse(entry.url) for entry in entries() if request.user.has_perm(entry.permission)), None)
