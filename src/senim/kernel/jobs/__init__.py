"""Work in the background, in three sorts.

- a **job** is deferred inside the transaction that needs it, and runs at least once, in any worker::

      @jobs.task(name="payments.import_file", retry=...)
      def import_file(*, file_id: str) -> None: ...

      import_file.defer(file_id=...)        # takes effect when the transaction commits

- a **periodic** job runs by the clock (cron in UTC, optionally with seconds as the sixth field)::

      @jobs.periodic(cron="0 19 * * *")
      @jobs.task(name="events.sign_head")
      def sign_head(timestamp: int) -> None: ...

- a **loop** is called again and again in each worker, for what is too frequent and too small for a job::

      @jobs.loop("events.seal", every_seconds=1)
      def seal() -> bool: ...               # True: there is more, call again at once

Every part keeps its own in its ``jobs.py``, which is found by itself. All three may be run twice, or die half way and
be run again: they must come to the same end.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from procrastinate.contrib.django import app
from procrastinate.tasks import Task

from senim.kernel.jobs.loops import Loop, declared_loops, loop

__all__ = ["Loop", "app", "declared_loops", "loop", "periodic", "task"]


P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def task(**options: Any) -> Callable[[Callable[P, R]], Task[P, R, P]]:
    """Declare a job; options are those of procrastinate's ``App.task``."""
    # Looked up at each call: the real app takes the place of a placeholder while Django starts.
    return cast("Callable[[Callable[P, R]], Task[P, R, P]]", app.task(**options))


def periodic(*, cron: str, **options: Any) -> Callable[[T], T]:
    """Run a job by the clock, in UTC; options are those of procrastinate's ``App.periodic``."""
    schedule: Callable[[T], T] = app.periodic(cron=cron, **options)  # type: ignore[assignment]  # it gives the task back
    return schedule
