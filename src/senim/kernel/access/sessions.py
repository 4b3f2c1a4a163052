"""How long a session lasts: until its person rests too long (PS-12.5), or the working day is over."""

import time
from typing import Final

from django.conf import settings
from django.http import HttpRequest

SEEN: Final = "seen_at"
BEGAN: Final = "began_at"
LIFE_SECONDS: Final = 12 * 60 * 60
NOTE_EVERY_PART: Final = 30
"""A session is written anew only when this part of the idle time has passed: not at every click."""


def begin(request: HttpRequest) -> None:
    """Start counting."""
    request.session[BEGAN] = request.session[SEEN] = now()


def on_sign_in(request: HttpRequest | None = None, **_signal: object) -> None:
    """Start counting, when Django says that somebody has signed in."""
    if request is not None:
        begin(request)


def touch(request: HttpRequest) -> None:
    """Note that the person acted just now."""
    if now() - request.session.get(SEEN, 0) >= settings.SESSION_IDLE_SECONDS / NOTE_EVERY_PART:
        request.session[SEEN] = now()


def is_over(request: HttpRequest) -> bool:
    """Tell whether the session has rested longer than ``SESSION_IDLE_SECONDS``, or lived longer than a working day."""
    seen, began = request.session.get(SEEN), request.session.get(BEGAN)
    if seen is None or began is None:
        return True
    return bool(now() - seen > settings.SESSION_IDLE_SECONDS or now() - began > LIFE_SECONDS)


def now() -> int:
    """Seconds since 1970: sessions outlive processes, so the wall clock it is."""
    return int(time.time())
