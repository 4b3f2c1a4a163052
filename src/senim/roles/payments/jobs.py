"""The payment system's work by the clock: days open and close, a close goes on, reports reach their readers."""

import structlog
from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from senim.kernel import events
from senim.roles.payments import file_jobs
from senim.roles.payments.services import day, reports
from senim.roles.payments.services.day_state import CloseStopped

__all__ = ["carry_on", "file_jobs", "send_unsent_reports", "watch_days"]  # the worker looks for jobs in this module

log = structlog.get_logger(__name__)

ACTOR = events.Actor.job("payments.day")
QUEUE = "payments"


@app.periodic(cron="* * * * * */5")
@app.task(name="payments.watch_days", queue=QUEUE, queueing_lock="payments.watch_days")
def watch_days(timestamp: int) -> None:
    """Open the days that are coming, close those that are over, and carry every close on (PS-1.1.10, PS-4.1).

    Runs every few seconds and keeps nothing in memory, so whatever a run leaves undone the next one finds; two runs at
    once stand in line at the day's row.
    """
    del timestamp
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
            log.info("close_stopped", day=unfinished.isoformat(), code=stopped.code, **stopped.fields)


@app.periodic(cron="*/5 * * * *")
@app.task(name="payments.send_unsent_reports", queue=QUEUE, queueing_lock="payments.send_unsent_reports")
def send_unsent_reports(timestamp: int) -> None:
    """Send the reports that were made before their participant could be reached (PS-9.3.7)."""
    del timestamp
    reports.send_unsent(ACTOR)
