"""The worker as a process: jobs wake it, a signal ends it gracefully, its death loses nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob
from tests.kernel.jobs import example_jobs

from senim.kernel import events, jobs
from senim.kernel.events.models import Event, Unsealed

pytestmark = pytest.mark.django_db(transaction=True)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> float:
    """Wait until something is so, or fail; return how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - began


def done(name: str) -> int:
    return Event.objects.filter(name=name).count()


@pytest.fixture(autouse=True)
def no_jobs() -> None:
    """Django does not know that the queue's tables are to be emptied between tests."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_periodic_defers CASCADE")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start workers that know the example jobs."""
    started: list[subprocess.Popen[bytes]] = []

    def one() -> subprocess.Popen[bytes]:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.kernel.jobs.run_worker"], env=environment, stdout=log, stderr=log
            )
        started.append(process)
        return process

    yield one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def test_a_job_is_deferred_with_the_transaction_or_not_at_all() -> None:
    def undone() -> None:
        with transaction.atomic():
            example_jobs.quick.defer(number=1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undone()
    assert not ProcrastinateJob.objects.exists()
    with transaction.atomic():
        example_jobs.quick.defer(number=2)
    assert ProcrastinateJob.objects.get().args == {"number": 2}


def test_a_worker_is_woken_by_a_job_seals_and_ends_gracefully(start: Callable[[], subprocess.Popen[bytes]]) -> None:
    process = start()
    example_jobs.quick.defer(number=1)
    wait_for(lambda: done("example.quick") == 1)
    # Polling is every five seconds: only the notification can be as quick as this, three times in a row.
    waits = []
    for number in range(2, 5):
        example_jobs.quick.defer(number=number)
        waits.append(wait_for(lambda number=number: done("example.quick") == number))
    assert sum(waits) < 5
    wait_for(lambda: not Unsealed.objects.exists())
    example_jobs.slow.defer(seconds=1.5)
    wait_for(lambda: done("example.slow.began") == 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert done("example.slow.ended") == 1
    assert events.verify().intact


@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
def test_the_job_of_a_killed_worker_is_done_by_another(
    start: Callable[[], subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start()
    example_jobs.slow.defer(seconds=2.0)
    wait_for(lambda: done("example.slow.began") == 1)
    first.kill()
    first.wait(10)
    assert ProcrastinateJob.objects.get(task_name="example.slow").status == "doing"
    with connection.cursor() as cursor:  # let the silence have lasted long enough
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '1 hour'")
    start()
    wait_for(lambda: done("example.slow.ended") == 1)
    wait_for(lambda: ProcrastinateJob.objects.get(task_name="example.slow").status == "succeeded")


def test_a_worker_outlives_the_loss_of_all_its_connections(start: Callable[[], subprocess.Popen[bytes]]) -> None:
    process = start()
    example_jobs.quick.defer(number=1)
    wait_for(lambda: done("example.quick") == 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    example_jobs.quick.defer(number=2)
    wait_for(lambda: done("example.quick") == 2)
    wait_for(lambda: not Unsealed.objects.exists())
    assert process.poll() is None


def test_the_app_is_djangos_own() -> None:
    assert jobs.app.tasks["example.quick"] is not None
