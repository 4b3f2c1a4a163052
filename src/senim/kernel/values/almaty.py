"""The operating day: 00:00 to 24:00 by the clock of Almaty (PS-1.1.10). Moments are aware; days are plain dates."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

ALMATY: Final = ZoneInfo("Asia/Almaty")


def operating_day(moment: dt.datetime) -> dt.date:
    """Return the operating day in which ``moment`` falls.

    Raises:
        ValueError: the moment does not say its time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone belongs to no operating day")
    return moment.astimezone(ALMATY).date()


def begins_at(day: dt.date) -> dt.datetime:
    """Return the first moment of the operating day, in UTC."""
    return dt.datetime.combine(day, dt.time(), ALMATY).astimezone(dt.UTC)


def ends_at(day: dt.date) -> dt.datetime:
    """Return the moment at which the operating day has just ended (24:00), in UTC."""
    return begins_at(day + dt.timedelta(days=1))


def minute_of_day(moment: dt.datetime) -> int:
    """Return the minute of the clock day in Almaty, 0 to 1439.

    Raises:
        ValueError: the moment does not say its time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone has no minute in Almaty")
    local = moment.astimezone(ALMATY)
    return local.hour * 60 + local.minute
