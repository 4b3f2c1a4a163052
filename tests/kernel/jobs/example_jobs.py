"""Jobs for the tests of the worker; each leaves events as its trace."""

import time

from senim.kernel import events, jobs

ACTOR = events.Actor.job("example")


@jobs.task(name="example.quick")
def quick(*, number: int) -> None:
    """Leave a trace."""
    events.note("example.quick", ACTOR, ("number", str(number)))


@jobs.task(name="example.slow")
def slow(*, seconds: float) -> None:
    """Leave a trace at the beginning and at the end."""
    events.note("example.slow.began", ACTOR, ("number", "1"))
    time.sleep(seconds)
    events.note("example.slow.ended", ACTOR, ("number", "1"))
