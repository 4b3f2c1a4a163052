"""The payment system's work by the clock: days open and close, a close goes on, reports reach their readers.

What must not be lost is in the database: whatever a run leaves undone, killed or not, the next one finds. Two workers
at once stand in line at the day's row.
"""

import datetime as dt
import time
from typing import Final

import structlog
from django.conf import settings
from django.utils import timezone

from senim.errors import SenimError
from senim.kernel import events, jobs
from senim.roles.payments.rules.kinds import DayState
from senim.roles.payments.services import day, reports

log = structlog.get_logger(__name__)

ACTOR: Final = events.Actor.job("payments.day")
PAUSE_SECONDS: Final = 5.0
PAUSE_SECONDS_MAX: Final = 600.0

_stopped: dict[dt.date, tuple[float, float]] = {}
"""Days that stopped: when to try again (by the monotonic clock), and the last pause in seconds."""


@jobs.loop("payments.days", every_seconds=2)
def watch_days() -> None:
    """Open the days that are coming, close those that are over, carry every close on (PS-1.1.10, PS-4.1)."""
    now = timezone.now()
    day.open_days(now)
    day.close_due(now, settings.SENIM_DAY_CLOSE, ACTOR)
    carry_on()


def carry_on() -> None:
    """Carry each closed day on as far as it goes; one that is stopped does not hold up the others."""
    for unfinished in day.unfinished():
        retry_at, _ = _stopped.get(unfinished, (0.0, 0.0))
        if time.monotonic() >= retry_at:
            _carry_on(unfinished)


def _carry_on(unfinished: dt.date) -> None:
    try:
        day.advance(unfinished, ACTOR)
    except SenimError as stopped:
        state = day.state_of(unfinished)
        log.warning("close_stopped", operating_day=unfinished.isoformat(), state=state.value, code=stopped.code)
        if state != DayState.INSTRUCTED:  # there the next answer of the settlement bank may come at any moment
            _, before = _stopped.get(unfinished, (0.0, 0.0))
            pause = min(max(2 * before, PAUSE_SECONDS), PAUSE_SECONDS_MAX)
            _stopped[unfinished] = (time.monotonic() + pause, pause)
    else:
        _stopped.pop(unfinished, None)


@jobs.loop("payments.reports", every_seconds=300)
def send_unsent_reports() -> None:
    """Send the reports that were made before their participant could be reached (PS-9.3.7)."""
    reports.send_unsent(ACTOR)
