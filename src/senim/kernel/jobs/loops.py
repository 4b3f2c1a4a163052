"""Loops: small frequent work, each in a thread and on a connection of its own, that no error can end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from django.db import close_old_connections, connection

log = structlog.get_logger(__name__)

PAUSE_SECONDS_MAX: Final = 30.0

Work = Callable[[], bool | None]


@dataclass(frozen=True, slots=True)
class Loop:
    """``work`` is called every so many seconds, or at once while it answers True; ``threads`` of it side by side."""

    name: str
    every_seconds: float
    work: Work
    threads: int = 1


_LOOPS: dict[str, Loop] = {}


def loop(name: str, *, every_seconds: float, threads: int = 1) -> Callable[[Work], Work]:
    """Let every worker call a function again and again.

    Raises:
        ValueError: another function has this name already.
    """

    def register(work: Work) -> Work:
        known = _LOOPS.get(name)
        if known is not None and known.work.__qualname__ != work.__qualname__:
            raise ValueError(f"the loop {name} is declared twice")
        _LOOPS[name] = Loop(name, every_seconds, work, threads)
        return work

    return register


def declared_loops() -> list[Loop]:
    """Every declared loop."""
    return [_LOOPS[name] for name in sorted(_LOOPS)]


def keep(one: Loop, stop: threading.Event) -> None:
    """Run a loop until ``stop`` is set. An error is logged and the loop goes on, ever more slowly while it repeats."""
    failures = 0
    while not stop.is_set():
        more = False
        try:
            close_old_connections()
            more = bool(one.work())
            if failures:
                log.info("loop_recovered", loop=one.name, failures=failures)
            failures = 0
        except Exception:
            failures += 1
            log.exception("loop_failed", loop=one.name, failures=failures)
            connection.close()  # whatever state it is in: the next round begins on a fresh one
        stop.wait(0 if more else pause_seconds(one.every_seconds, failures))
    connection.close()


def pause_seconds(every_seconds: float, failures: int) -> float:
    """How long to rest: the loop's own pace, doubled with each failure in a row up to ``PAUSE_SECONDS_MAX``."""
    return max(every_seconds, min(every_seconds * 2.0 ** min(failures, 10), PAUSE_SECONDS_MAX))


def start(stop: threading.Event) -> list[threading.Thread]:
    """Start every declared loop."""
    threads = [
        threading.Thread(target=keep, args=(one, stop), name=f"{one.name}-{number}", daemon=True)
        for one in declared_loops()
        for number in range(one.threads)
    ]
    for thread in threads:
        thread.start()
    return threads
