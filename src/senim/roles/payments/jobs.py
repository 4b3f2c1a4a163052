"""The payment system's work by the clock: days open and close, a close goes on, reports reach their readers.

All of it keeps nothing in memory: whatever a run leaves undone, killed or not, the next one finds. Two workers at once
stand in line at the day's row.
"""

import structlog
from django.conf import settings
from django.utils import timezone

from senim.kernel import events, jobs
from senim.roles.payments import file_jobs
from senim.roles.payments.services import day, reports
from senim.roles.payments.services.day_state import CloseStopped

__all__ = ["carry_on", "file_jobs", "send_unsent_reports", "watch_days"]  # the worker looks for jobs in this module

log = structlog.get_logger(__name__)

ACTOR = events.Actor.job("payments.day")


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
        try:
            day.advance(unfinished, ACTOR)
        except CloseStopped as stopped:
            log.info("close_stopped", code=stopped.code, **{"day": unfinished.isoformat(), **stopped.fields})


@jobs.loop("payments.reports", every_seconds=300)
def send_unsent_reports() -> None:
    """Send the reports that were made before their participant could be reached (PS-9.3.7)."""
    reports.send_unsent(ACTOR)
