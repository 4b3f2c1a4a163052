"""Loops: an error never ends them."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from senim.kernel import jobs
from senim.kernel.jobs import loops


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until something is so, or fail."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def kept(work: Callable[[], bool | None], every_seconds: float) -> tuple[threading.Thread, threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=loops.keep, args=(jobs.Loop("test", every_seconds, work), stop))
    thread.start()
    return thread, stop


def test_a_loop_goes_on_after_errors_and_stops_when_told() -> None:
    calls: list[int] = []

    def work() -> bool:
        calls.append(1)
        if len(calls) < 4:
            raise RuntimeError("the network is away")
        return False

    thread, stop = kept(work, 0.001)
    wait_for(lambda: len(calls) > 6)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_loop_with_more_to_do_does_not_rest() -> None:
    calls: list[int] = []
    thread, stop = kept(lambda: bool(calls.append(1)) or len(calls) < 50, 3600)
    wait_for(lambda: len(calls) == 50)
    stop.set()
    thread.join(5)
    assert len(calls) == 50


@pytest.mark.django_db(transaction=True)
def test_a_lost_connection_is_replaced() -> None:
    answers: list[int] = []

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            row = cursor.fetchone()
            answers.append(row[0] if row else 0)
            if len(answers) == 1:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    thread, stop = kept(work, 0.001)
    wait_for(lambda: len(answers) >= 3)
    stop.set()
    thread.join(5)
    assert answers[0] != answers[-1]


@given(st.floats(0.001, 60), st.integers(0, 5000))
def test_pauses_grow_with_failures_and_stay_bounded(every: float, failures: int) -> None:
    pause = loops.pause_seconds(every, failures)
    assert every <= pause <= max(every, loops.PAUSE_SECONDS_MAX)
    assert loops.pause_seconds(every, failures + 1) >= pause


def test_what_the_clauses_rely_on_is_looped() -> None:
    names = {one.name for one in jobs.declared_loops()}
    assert {"ledger.seal", "ledger.expire_pending", "events.seal", "delivery.deliver", "jobs.recover"} <= names
