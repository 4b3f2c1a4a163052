"""A process that closes a day and dies where it is told to. Forked from a clean server, since threads do not survive a
fork and the typesetter has some. Django is made ready here once, when the server imports this module.
"""

import datetime as dt
import multiprocessing
import os
import signal
from importlib import import_module
from typing import Any

import django
from django.apps import apps

if not apps.ready:
    django.setup()

BEFORE, AFTER = "before", "after"
Point = tuple[str, str, str]
"""Module, function, and when: before it begins or after it has returned."""


def kill_at(point: Point) -> None:
    """Let this process die by SIGKILL the first time it comes to the point."""
    from senim.roles.payments.services import day

    module = import_module(point[0])
    usual = getattr(module, point[1])

    def deadly(*args: Any, **kwargs: Any) -> Any:
        if point[2] == BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        result = usual(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, point[1], deadly)
    for state, step in list(day.STEPS.items()):
        if step is usual:
            day.STEPS[state] = deadly  # type: ignore[index]  # a test's own way in


def run_close(day_iso: str, ended: dt.datetime) -> None:
    """What the job does: close what is over, carry it on."""
    from tests.roles.payments.closing import JOB

    from senim.roles.payments.rules.kinds import DayState
    from senim.roles.payments.services import day

    one = dt.date.fromisoformat(day_iso)
    day.close_due(ended, "00:00", JOB)
    if day.state_of(one) != DayState.OPEN:
        day.advance(one, JOB)


def _work(database: str, point: Point | None, day_iso: str, ended: dt.datetime) -> None:
    from django.db import connections

    connections["default"].settings_dict["NAME"] = database
    if point:
        kill_at(point)
    run_close(day_iso, ended)


def close_in_a_process(database: str, point: Point | None, day: dt.date, ended: dt.datetime) -> int:
    """Close the day in a process of its own; its exit code, -9 when it was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_work, args=(database, point, day.isoformat(), ended))
    process.start()
    process.join(60)
    assert process.exitcode is not None, "the process hangs"
    return process.exitcode
