"""Envelopes that nobody known has signed: written down, within bounds.

Whoever finds the address can post rubbish to it. Each refusal is an event (EM-55.11), but an event is kept for years,
so a flood of them must not fill the disk: in each minute a process writes the first ones singly and counts the others,
and the next refusal after that minute writes the count as one event.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from senim.errors import SenimError
from senim.kernel import events

EVENTS_PER_MINUTE_MAX: Final = 30
TOO_MANY: Final = "delivery.too_many_refused"
_RECORD: Final = ("message", "-")


class Bound:
    """Which refusals are written singly. ``clock`` gives seconds that only rise."""

    def __init__(self, per_minute_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max = per_minute_max
        self._clock = clock
        self._lock = threading.Lock()
        self._minute = -1
        self._count = 0

    def take(self) -> tuple[bool, int]:
        """Count one refusal: whether it is to be written, and how many of an earlier minute never were."""
        minute = int(self._clock() // 60)
        with self._lock:
            left_out = 0
            if minute != self._minute:
                left_out = max(0, self._count - self._max)
                self._minute, self._count = minute, 0
            self._count += 1
            return self._count <= self._max, left_out


_bound = Bound(EVENTS_PER_MINUTE_MAX)


def note(error: SenimError) -> bool:
    """Write down that an envelope was refused, if the bound allows; return whether it was written.

    The sender that ``error`` names is the one that the envelope names, which proves nothing.
    """
    is_written, left_out = _bound.take()
    if left_out:
        events.note(
            "delivery.receive",
            events.Actor.peer("unknown"),
            _RECORD,
            outcome="refused",
            reason=TOO_MANY,
            data={"count": left_out},
        )
    if is_written:
        actor = events.Actor.peer(str(error.fields.get("peer") or "unknown"))
        events.note("delivery.receive", actor, _RECORD, outcome="refused", reason=f"{error.code}: {error.message}")
    return is_written
