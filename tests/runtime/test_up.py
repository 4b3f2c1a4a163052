"""One deployment as its operator meets it: up, killed part by part, down."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.runtime.conftest import eventually

from senim.runtime.postgres import Embedded
from senim.runtime.processes import is_running

START_TIMEOUT_SECONDS = 90
STOP_TIMEOUT_SECONDS = 5


class Deployment:
    """A running ``senim up``."""

    def __init__(self, folder: Path, port: int, centre_port: int) -> None:
        self.folder = folder
        self.port = port
        self.centre_port = centre_port
        self.lines: list[str] = []
        environment = {name: value for name, value in os.environ.items() if name != "SENIM_DATABASE_URL"}
        environment |= {"SENIM_DATA_DIR": str(folder), "SENIM_PORT": str(port), "SENIM_CENTRE_PORT": str(centre_port)}
        self.environment = environment
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "senim", "up"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def is_ready(self) -> bool:
        """Whether it has said so; a deployment that ended is a failure at once."""
        assert self.process.poll() is None, self.lines
        return any(" serves " in line for line in self.lines)

    def answers(self, port: int, path: str) -> bool:
        """Whether a part of it answers below 400."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def serves(self) -> bool:
        """Whether the web with its database, and the centre, answer."""
        return self.answers(self.port, "/health/ready") and self.answers(self.centre_port, "/centre/v1/health")

    def child(self, name: str) -> int:
        """The process that runs this part now; 0 for none."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if parent == self.process.pid and words[-2:-1] == [name.encode()]:
                    return int(entry.name)
        return 0

    def stop(self) -> float:
        """Ctrl-C; how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return time.monotonic() - began


@pytest.fixture
def deployment(folder: Path) -> Iterator[Deployment]:
    """A deployment on an embedded database of its own, ready."""
    base = 20_000 + os.getpid() % 10_000 * 2
    one = Deployment(folder, base, base + 1)
    try:
        assert eventually(one.is_ready, START_TIMEOUT_SECONDS), one.lines
        yield one
    finally:
        if one.process.poll() is None:
            one.stop()
        Embedded(folder).release(10)


def test_a_deployment_comes_up_survives_and_goes_down(deployment: Deployment) -> None:
    """One long story, because a start is what costs."""
    assert deployment.serves()
    assert deployment.child("worker")

    # Each part killed in turn comes back.
    for name in ("web", "centre", "worker"):
        before = deployment.child(name)
        os.kill(before, signal.SIGKILL)
        assert eventually(lambda name=name, before=before: deployment.child(name) not in (0, before)), name
    assert eventually(deployment.serves, 30)

    # The database, then its keeper, killed under it come back too.
    database = Embedded(deployment.folder)
    for process in (database.status().postmaster, database.status().keeper):
        os.kill(process, signal.SIGKILL)
        assert eventually(lambda process=process: not is_running(process))
        assert eventually(deployment.serves, 30)

    # A second deployment on the same port says so in one line.
    second = subprocess.run(
        [sys.executable, "-m", "senim", "up"],
        env=deployment.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert second.returncode == 1
    assert re.fullmatch(r"senim: port \d+ on 127\.0\.0\.1 is taken by .*; stop that program .*\n", second.stderr)

    # Ctrl-C ends everything, cleanly and quickly.
    postmaster = database.status().postmaster
    parts = [deployment.child(name) for name in ("web", "centre", "worker")]
    assert deployment.stop() < STOP_TIMEOUT_SECONDS
    assert deployment.process.returncode == 0
    assert not any(is_running(process) for process in [postmaster, *parts])
    logs = {path.name for path in (deployment.folder / "log").iterdir()}
    assert {"web.log", "centre.log", "worker.log", "postgres.log"} <= logs
    words = (deployment.folder / "log" / "postgres.log").read_text(encoding="utf-8").splitlines()
    assert words[-1].endswith("database system is shut down")


def test_nothing_outlives_a_killed_deployment_and_the_next_start_heals(deployment: Deployment) -> None:
    parts = [deployment.child(name) for name in ("web", "centre", "worker")]
    status = Embedded(deployment.folder).status()
    deployment.process.kill()
    deployment.process.wait()
    assert eventually(lambda: not any(is_running(process) for process in [*parts, status.postmaster, status.keeper]))
    again = Deployment(deployment.folder, deployment.port, deployment.centre_port)
    try:
        assert eventually(again.is_ready, START_TIMEOUT_SECONDS), again.lines
        assert again.serves()
    finally:
        assert again.stop() < STOP_TIMEOUT_SECONDS


def test_status_tells_where_the_database_is(folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "SENIM_DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "senim", "database", "status", "--json"],
        env={**environment, "SENIM_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    status = json.loads(done.stdout)
    assert (status["running"], status["state"], status["version"]) == (False, "stopped", None)
    assert status["home"] == str(folder / "postgres")
