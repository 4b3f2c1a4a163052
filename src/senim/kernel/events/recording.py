"""Writing events: together with the act, or after its roll back."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Final

import structlog
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.utils import timezone

from senim.errors import SenimError
from senim.kernel.events.actors import Actor

log = structlog.get_logger(__name__)

NO_RECORD: Final = ("none", "-")
"""What an act was refused on before it had a record at all."""

INSERT: Final = """
INSERT INTO events_event (name, actor_kind, actor, actor_label, address, record_type, record_id,
                          began_at, ended_at, outcome, reason, data, operating_day)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s) RETURNING id
"""


class EventIncomplete(SenimError):
    """An event lacks one of its six attributes (EM-55.11) and cannot be stored."""

    code: ClassVar[str] = "events.incomplete"


@dataclass(slots=True)
class Act:
    """An event under way. The body may name the record once it knows it, add ``data``, set the operating day."""

    name: str
    actor: Actor
    began_at: dt.datetime
    record: tuple[str, object] | None = None
    operating_day: dt.date | None = None
    data: dict[str, object] = field(default_factory=dict)
    event_id: int | None = None
    _refusal: str | None = None

    def refuse(self, reason: str) -> None:
        """Close the act as refused though nothing is rolled back: the refusal itself is what is recorded."""
        self._refusal = reason

    @property
    def ending(self) -> tuple[str, str]:
        """Outcome and reason of an act whose body came to its end."""
        return ("succeeded", "") if self._refusal is None else ("refused", self._refusal)


@contextmanager
def act(
    name: str,
    actor: Actor,
    record: tuple[str, object] | None = None,
    *,
    operating_day: dt.date | None = None,
    **data: object,
) -> Iterator[Act]:
    """Do something as one event named ``part.record.verb``; ``record`` is (kind, identifier).

    The body runs in a transaction (a savepoint inside the caller's), and the event with it. When the body raises, its
    work is rolled back and the event is written as ``refused`` (what the program refuses on purpose: ``SenimError``,
    ``PermissionDenied``, ``ValidationError``) or ``failed`` (anything else), in a transaction of its own that stays
    even when the caller's is rolled back; the exception goes on.

    Raises:
        EventIncomplete: the body succeeded without naming its record; nothing of it is kept.
    """
    doing = Act(name, actor, timezone.now(), record, operating_day, dict(data))
    nested = _inside_a_transaction()
    try:
        with transaction.atomic():
            yield doing
            outcome, reason = doing.ending
            doing.event_id = _write(doing, outcome, reason)
    except BaseException as error:
        _write_apart(doing, error, nested=nested)
        raise


def note(
    name: str,
    actor: Actor,
    record: tuple[str, object],
    *,
    outcome: str = "succeeded",
    reason: str = "",
    data: Mapping[str, object] | None = None,
) -> int:
    """Write an event that began and ended just now, in the caller's transaction; return its id."""
    return _write(Act(name, actor, timezone.now(), record, data=dict(data or {})), outcome, reason)


def _inside_a_transaction() -> bool:
    """Tell whether the caller has a transaction open; the one that a test case wraps around a test does not count."""
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def _write(doing: Act, outcome: str, reason: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(INSERT, _row(doing, outcome, reason))
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _write_apart(doing: Act, error: BaseException, *, nested: bool) -> None:
    """Record how the act went wrong; when even that fails, say so in the log and let the first error go on."""
    outcome, reason = judge(error)
    if doing.record is None:
        doing.record = NO_RECORD
    try:
        if not nested:
            _write(doing, outcome, reason)
            return
        # The caller's transaction will be rolled back, or is broken already: the event needs a connection of its own.
        apart = connection.copy()
        try:
            with apart.cursor() as cursor:
                cursor.execute(INSERT, _row(doing, outcome, reason))
        finally:
            apart.close()
    except Exception:
        log.exception("event_lost", name=doing.name, outcome=outcome, reason=reason)


def judge(error: BaseException) -> tuple[str, str]:
    """Return outcome and reason of an act that ended by ``error``; an unexpected one is named by its type alone."""
    if isinstance(error, SenimError):
        return "refused", f"{error.code}: {error.message}"
    if isinstance(error, PermissionDenied):
        return "refused", "access.denied"
    if isinstance(error, ValidationError):
        return "refused", "validation"
    return "failed", type(error).__name__


def _row(doing: Act, outcome: str, reason: str) -> tuple[str | dt.datetime | dt.date | None, ...]:
    if doing.record is None:
        raise EventIncomplete("The event does not name its record.", event=doing.name)
    record_type, record_id = doing.record
    texts = (doing.actor.kind, doing.actor.identifier, doing.actor.label, doing.actor.address, record_type, record_id)
    if not (doing.name and texts[0] and texts[1] and texts[2] and record_type and str(record_id)):
        raise EventIncomplete(event=doing.name)
    limits = (8, 80, 140, 45, 40, 80)
    # The end is by the same clock as the beginning, which may be set back between the two.
    ended_at = max(timezone.now(), doing.began_at)
    return (
        doing.name,
        *(_storable(text, limit) for text, limit in zip(texts, limits, strict=True)),
        doing.began_at,
        ended_at,
        outcome,
        _storable(reason, 255),
        json.dumps(doing.data, cls=DjangoJSONEncoder, ensure_ascii=True).replace("\\u0000", ""),
        doing.operating_day,
    )


def _storable(value: object, length: int) -> str:
    """Cut to the column's length; PostgreSQL holds no NUL."""
    return str(value).replace("\0", "")[:length]
