"""Words for what the kernel stores as codes: names of events, kinds of record and of act. Parts declare their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext

from senim.kernel.approvals.models import Approval
from senim.kernel.events.models import Event

Words = str | Promise
Facts = list[tuple[Words, object]]


@dataclass(frozen=True)
class Record:
    """A kind of record: its name and the page of one."""

    label: Words
    address: Callable[[str], str | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Act:
    """A kind of act that needs two people: its name, what exactly is decided, and what a yes will do."""

    label: Words
    subject: Callable[[Approval], str]
    facts: Callable[[Approval], Facts]
    consequence: Words
    permission: str


_events: dict[str, Words] = {}
_records: dict[str, Record] = {}
_acts: dict[str, Act] = {}
_messages: dict[str, Words] = {}
_programs: dict[str, Words] = {}


def declare_events(names: Mapping[str, Words]) -> None:
    """Give events their names in words."""
    _events.update(names)


def declare_record(record_type: str, label: Words, address: Callable[[str], str | None] | None = None) -> None:
    """Give a kind of record its name, and the address of one."""
    _records[record_type] = Record(label, address)


def declare_act(kind: str, act: Act) -> None:
    """Say how an act of this kind is shown to those who decide it."""
    _acts[kind] = act


def declare_messages(kinds: Mapping[str, Words]) -> None:
    """Give kinds of delivered message their names in words."""
    _messages.update(kinds)


def declare_programs(names: Mapping[str, Words]) -> None:
    """Give the program's own jobs their names in words."""
    _programs.update(names)


def actor(done: Event) -> str:
    """Who acted, in words: a person by name, a job by what it does."""
    if done.actor_kind == Event.ActorKind.JOB:
        return str(_programs.get(done.actor, done.actor_label))
    if done.actor_kind == Event.ActorKind.STAFF and done.actor == "unknown":
        return gettext("Not signed in")
    return done.actor_label


def event(name: str) -> str:
    """An event in words; its own name where nobody declared any."""
    return str(_events.get(name, name))


def event_names() -> list[tuple[str, object]]:
    """All declared events, for a filter."""
    return sorted(((name, label) for name, label in _events.items()), key=lambda pair: str(pair[1]))


def record(record_type: str) -> str:
    """A kind of record in words."""
    found = _records.get(record_type)
    return str(found.label) if found else record_type


def record_types() -> list[tuple[str, object]]:
    """All declared kinds of record, for a filter."""
    return [(name, one.label) for name, one in _records.items()]


def record_address(record_type: str, record_id: str) -> str | None:
    """The page of a record, if it has one."""
    found = _records.get(record_type)
    return found.address(record_id) if found and found.address else None


def act(kind: str) -> Act | None:
    """How an act is shown; None where nobody declared it."""
    return _acts.get(kind)


def subject(approval: Approval) -> str:
    """What an act is about, in the reader's language; the proposal's own title where its part does not say."""
    found = _acts.get(approval.kind)
    return found.subject(approval) if found else approval.title


def act_label(kind: str) -> str:
    """A kind of act in words."""
    found = _acts.get(kind)
    return str(found.label) if found else kind


def acts() -> list[tuple[str, object]]:
    """All declared kinds of act, for a filter."""
    return [(kind, one.label) for kind, one in _acts.items()]


def message(kind: str) -> str:
    """A kind of delivered message in words, with its standard's name."""
    found = _messages.get(kind)
    return f"{found} ({kind})" if found else kind
