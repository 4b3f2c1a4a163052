"""When an operating day ends, and which one comes next (PS-1.1.10, PS-3.1.1). Pure."""

import datetime as dt
from typing import Final

from senim.kernel.values import almaty

OPENS_AHEAD: Final = dt.timedelta(minutes=10)
"""The next day is opened so long before midnight, so that what arrives at 00:00:00 finds its day."""


def closes_at(day: dt.date, close_time: str) -> dt.datetime:
    """The moment, in UTC, at which ``day`` closes by itself.

    ``close_time`` is HH:MM by the clock of Almaty; ``00:00`` is the end of the day (24:00), any other time lies within
    the day, as a contract may set it (PS-1.1.10).
    """
    hours, minutes = int(close_time[:2]), int(close_time[3:])
    if (hours, minutes) == (0, 0):
        return almaty.ends_at(day)
    return dt.datetime.combine(day, dt.time(hours, minutes), almaty.ALMATY).astimezone(dt.UTC)


def is_over(day: dt.date, close_time: str, now: dt.datetime) -> bool:
    """Whether the day is to be closed without anybody's word."""
    return now >= closes_at(day, close_time)


def day_after(day: dt.date, now: dt.datetime) -> dt.date:
    """The day to open when ``day`` closes: the next one, or today where the system stood still for longer."""
    return max(day + dt.timedelta(days=1), almaty.operating_day(now))


def days_to_open(now: dt.datetime) -> tuple[dt.date, ...]:
    """The days that have to stand open at ``now`` unless they were closed already: today, and soon the next."""
    today = almaty.operating_day(now)
    ahead = almaty.operating_day(now + OPENS_AHEAD)
    return (today,) if ahead == today else (today, ahead)
