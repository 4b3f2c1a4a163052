"""How a batch is walked: linked chains, and the checks that come before an event is looked at by itself."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from senim.ledger.types import TIMESTAMP_MAX, Account, Status, Transfer

LINKED = 1 << 0
Event = TypeVar("Event", Account, Transfer)
Event_contra = TypeVar("Event_contra", Account, Transfer, contravariant=True)


class Decider(Protocol[Event_contra]):
    """Decides single events and can undo what it decided since a mark."""

    def decide(self, event: Event_contra, timestamp: int) -> tuple[Status, int]:
        """The status of one event and the timestamp to answer with."""

    def open_scope(self) -> None:
        """Remember everything from here on, so that it can be undone."""

    def close_scope(self, *, keep: bool) -> None:
        """Keep or undo what was decided since the scope was opened."""


def walk(
    events: Sequence[Event], first_timestamp: int, imported_flag: int, decider: Decider[Event]
) -> tuple[list[Status], list[int]]:
    """Decide ``events`` in order; returns their statuses and timestamps.

    Event ``i`` has the timestamp ``first_timestamp + i``, unless it is imported and brings its own. A linked chain
    (events flagged ``linked`` and the first one after them that is not) succeeds or fails as a whole.
    """
    statuses: list[Status] = []
    timestamps: list[int] = []
    count = len(events)
    last_timestamp = first_timestamp + count - 1
    batch_is_imported = bool(events and events[0].flags & imported_flag)
    chain_start = -1
    chain_is_broken = False
    for index, event in enumerate(events):
        linked = event.flags & LINKED
        if linked and chain_start < 0:
            chain_start = index
            decider.open_scope()
        timestamp = first_timestamp + index
        if linked and index == count - 1:
            status = Status.LINKED_EVENT_CHAIN_OPEN
        elif chain_is_broken:
            status = Status.LINKED_EVENT_FAILED
        else:
            status = _before(event, imported_flag, batch_is_imported, last_timestamp)
            if status is Status.OK:
                status, timestamp = decider.decide(event, timestamp)
        statuses.append(status)
        timestamps.append(timestamp)
        if chain_start < 0:
            continue
        if status is not Status.OK and not chain_is_broken:
            chain_is_broken = True
            decider.close_scope(keep=False)
            statuses[chain_start:index] = [Status.LINKED_EVENT_FAILED] * (index - chain_start)
        if not linked or index == count - 1:
            if not chain_is_broken:
                decider.close_scope(keep=True)
            chain_start = -1
            chain_is_broken = False
    return statuses, timestamps


def _before(event: Account | Transfer, imported_flag: int, batch_is_imported: bool, last_timestamp: int) -> Status:
    """The checks of an event's timestamp against its batch; the first event says whether the batch is imported."""
    is_imported = bool(event.flags & imported_flag)
    if is_imported != batch_is_imported:
        return Status.IMPORTED_EVENT_NOT_EXPECTED if is_imported else Status.IMPORTED_EVENT_EXPECTED
    if is_imported:
        if not 1 <= event.timestamp <= TIMESTAMP_MAX:
            return Status.IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE
        if event.timestamp >= last_timestamp:
            return Status.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE
    elif event.timestamp != 0:
        return Status.TIMESTAMP_MUST_BE_ZERO
    return Status.OK
