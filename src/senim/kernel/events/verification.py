"""Finding any event that was changed, removed or put in past the program, and naming it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from django.db import connection, transaction

from senim.kernel.events.chain import COLUMNS, GENESIS, link

NAMED_MAX: Final = 1_000
"""How many rows of each sort are named; the counts go on."""
CHUNK: Final = 2_000

SEALED: Final = f"""
SELECT seal.sequence, seal.event_id, seal.digest,
       {", ".join(f"event.{column}{'::text' if column == 'data' else ''}" for column in COLUMNS)}
FROM events_seal seal LEFT JOIN events_event event ON event.id = seal.event_id ORDER BY seal.sequence
"""  # noqa: S608 - made of constants
INSERTED: Final = """
SELECT event.id FROM events_event event
WHERE NOT EXISTS (SELECT FROM events_seal seal WHERE seal.event_id = event.id)
  AND NOT EXISTS (SELECT FROM events_unsealed queued WHERE queued.event_id = event.id)
ORDER BY event.id
"""
REMOVED_UNSEALED: Final = """
SELECT queued.event_id FROM events_unsealed queued
WHERE NOT EXISTS (SELECT FROM events_event event WHERE event.id = queued.event_id) ORDER BY queued.event_id
"""


@dataclass(slots=True)
class Verification:
    """What the check found. Lists name events by id, ``missing_links`` links of the chain by sequence."""

    sealed: int = 0
    unsealed: int = 0
    heads: int = 0
    changed: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    inserted: list[int] = field(default_factory=list)
    missing_links: list[int] = field(default_factory=list)
    wrong_heads: list[int] = field(default_factory=list)
    findings: int = 0

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return self.findings == 0

    def found(self, named: list[int], row: int) -> None:
        """Count a finding, and name it while there are not too many."""
        self.findings += 1
        if len(named) < NAMED_MAX:
            named.append(row)

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"intact": self.intact, **asdict(self)}


def verify(
    heads: dict[int, bytes] | None = None,
    *,
    forged_heads: list[int] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Recompute the whole chain and compare it with the events; memory does not grow with their number.

    ``heads`` are digests that were signed, by sequence: the chain must pass through them. Reads only, and takes no lock
    that a writer would wait for.
    """
    found = Verification(heads=len(heads or {}) + len(forged_heads or []))
    for sequence in forged_heads or []:
        found.found(found.wrong_heads, sequence)
    with transaction.atomic():
        last = _walk(found, heads or {}, progress)
        for sequence in heads or {}:
            if sequence > last:
                found.found(found.wrong_heads, sequence)
        for event_id in _ids(INSERTED):
            found.found(found.inserted, event_id)
        for event_id in _ids(REMOVED_UNSEALED):
            found.found(found.removed, event_id)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM events_unsealed")
            row = cursor.fetchone()
            found.unsealed = int(row[0]) if row else 0
    return found


def _walk(found: Verification, heads: dict[int, bytes], progress: Callable[[int], None] | None) -> int:
    """Go along the links; return the sequence of the last one.

    A link is right when it follows from the stored digest before it, or from the recomputed one: so a changed event, or
    a changed digest, is named once and does not cast suspicion on everything after it.
    """
    expected, stored, computed = 1, GENESIS, GENESIS
    trusted = True
    for sequence, event_id, digest, *event in _links():
        for missing in range(expected, sequence):
            found.found(found.missing_links, missing)
            trusted = False
        if event[0] is None:
            found.found(found.removed, event_id)
            computed = digest
        else:
            candidates = [link(stored, event), link(computed, event)] if stored != computed else [link(stored, event)]
            if trusted and digest not in candidates:
                found.found(found.changed, event_id)
            computed = candidates[-1] if trusted else digest
        if sequence in heads and heads[sequence] != digest:
            found.found(found.wrong_heads, sequence)
        expected, stored, trusted = sequence + 1, digest, True
        found.sealed += 1
        if progress and found.sealed % CHUNK == 0:
            progress(found.sealed)
    return expected - 1


def _links() -> Iterator[tuple[Any, ...]]:
    """Every link with its event's columns, streamed by a cursor of the server."""
    connection.ensure_connection()
    with connection.connection.cursor(name="events_verify") as cursor:
        cursor.itersize = CHUNK
        cursor.execute(SEALED)
        for sequence, event_id, digest, *event in cursor:
            yield int(sequence), int(event_id), bytes(digest), *event


def _ids(statement: str) -> Iterator[int]:
    connection.ensure_connection()
    with connection.connection.cursor(name="events_verify_ids") as cursor:
        cursor.itersize = CHUNK
        cursor.execute(statement)
        for row in cursor:
            yield int(row[0])
