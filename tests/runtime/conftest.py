"""Servers and programs that the tests of the runtime start for themselves."""

import contextlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from senim.runtime.postgres import Embedded
from senim.runtime.postgres.binaries import Binaries, _found
from senim.runtime.pytest_plugin import RUN, VAR

PROGRAMS: dict[int, Binaries] = {}
for _one in _found(None):
    PROGRAMS.setdefault(_one.major, _one)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty data folder that other users may enter (pytest's own is closed to them)."""
    path = VAR / "test" / RUN / f"data-{time.monotonic_ns()}"
    path.mkdir(parents=True)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def server(folder: Path) -> Iterator[Embedded]:
    """A durable server of this test's own, stopped and removed at its end."""
    one = Embedded(folder)
    yield one
    one.release(10)


@pytest.fixture
def free_port() -> int:
    """A TCP port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], object], timeout_seconds: float = 15) -> bool:
    """Whether ``condition`` comes true within the time; an OSError counts as not yet."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if condition():
                return True
        time.sleep(0.02)
    return False


def python_for_others() -> tuple[str, dict[str, str]] | None:
    """An interpreter of this version that any user may run, with the environment in which it finds our code."""
    source = Path(__file__).resolve().parents[2] / "src"
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{source}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"}
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/{name}"):
        if os.access(candidate, os.X_OK) and _open_to_all(Path(candidate)) and _open_to_all(source):
            return candidate, environment
    return None


def _open_to_all(path: Path) -> bool:
    return all(one.stat().st_mode & 0o001 for one in [path, *path.parents])
