"""Keeps a set of processes running as one thing: start, readiness, restart after a crash, a clean and quick end.

Children cannot outlive the supervisor (the kernel tells them when it dies), each has a process group of its own, so
that Ctrl-C reaches only the supervisor, which stops them in order, and a log file of its own.
"""

import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from senim.errors import SenimError
from senim.runtime.processes import die_with_parent, open_log, process_listening_on

READY_POLL_SECONDS: Final = 0.05
WATCH_SECONDS: Final = 0.2
HEARTBEAT_SECONDS: Final = 1.0
STOP_TIMEOUT_SECONDS: Final = 3.5
BACKOFF_FIRST_SECONDS: Final = 0.5
BACKOFF_MAX_SECONDS: Final = 30.0
CALM_SECONDS: Final = 60.0
LOG_BYTES_MAX: Final = 16 * 1024 * 1024
LOG_TAIL_LINES: Final = 5
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SupervisorError(SenimError):
    """A process could not be started."""

    code = "senim.supervisor"


class NotReadyError(SupervisorError):
    """A process was started but does not answer."""

    code = "senim.supervisor.not_ready"


class PortTakenError(SupervisorError):
    """Another program listens on the port."""

    code = "senim.port_taken"


@dataclass(frozen=True, slots=True)
class Process:
    """One process to keep running.

    ``env`` is laid over the supervisor's own environment. ``ready_url`` answers below 400 once the process can serve;
    without one the process counts as ready as soon as it runs.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready_url: str = ""
    ready_timeout_seconds: float = 60.0


class _Child:
    """A process with its present incarnation."""

    def __init__(self, process: Process, log_dir: Path) -> None:
        self.process = process
        self.log = log_dir / f"{process.name}.log"
        self.running: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.restart_at: float | None = None
        self.backoff_seconds = BACKOFF_FIRST_SECONDS

    def start(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        with os.fdopen(open_log(self.log), "ab") as log:
            try:
                self.running = subprocess.Popen(
                    list(self.process.argv),
                    env={**os.environ, **self.process.env},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it calls two functions of the kernel
                )
            except OSError as error:
                raise SupervisorError(f"{self.process.name}: {error.strerror}", process=self.process.name) from error
        self.started_at = time.monotonic()
        self.restart_at = None

    @property
    def alive(self) -> bool:
        return self.running is not None and self.running.poll() is None

    def terminate(self) -> None:
        if self.running is not None and self.alive:
            self.running.send_signal(signal.SIGTERM)

    def kill_group(self) -> None:
        """End whatever is left of the process and of its own children (web workers would hold the port)."""
        if self.running is not None:
            try:
                os.killpg(self.running.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            finally:
                self.running.wait()

    def plan_restart(self) -> float:
        """Decide when to start again: at once after a calm life, ever later in a row of crashes."""
        if time.monotonic() - self.started_at > CALM_SECONDS:
            self.backoff_seconds = BACKOFF_FIRST_SECONDS
        pause = self.backoff_seconds
        self.backoff_seconds = min(self.backoff_seconds * 2, BACKOFF_MAX_SECONDS)
        self.restart_at = time.monotonic() + pause
        return pause

    def answers(self) -> bool:
        if not self.process.ready_url:
            return self.alive
        try:
            with urllib.request.urlopen(self.process.ready_url, timeout=2):  # noqa: S310
                return True
        except (OSError, urllib.error.URLError, ValueError):
            return False

    def last_words(self) -> str:
        try:
            lines = self.log.read_bytes()[-8192:].decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return " | ".join(line.strip() for line in lines[-LOG_TAIL_LINES:] if line.strip())


class Supervisor:
    """Runs processes until it is told to stop.

    ``heartbeat`` is called each second in a thread of its own (it keeps the embedded database alive); ``tell`` gets
    what people read.
    """

    def __init__(
        self,
        processes: Sequence[Process],
        log_dir: Path,
        *,
        heartbeat: Callable[[], object] | None = None,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.log_dir = log_dir
        self.heartbeat = heartbeat
        self.tell = tell
        self._children = [_Child(process, log_dir) for process in processes]
        self._stopping = threading.Event()

    def run(self, on_ready: Callable[[], object] | None = None) -> int:
        """Start everything, call ``on_ready`` once all answer, and keep it until SIGINT or SIGTERM; the exit code.

        Must be called from the main thread: signals arrive there, and children are bound to the life of the thread
        that made them.

        Raises:
            SupervisorError: a process does not start or never answers; all are stopped before.
        """
        previous = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        try:
            self.start()
            if self.heartbeat is not None:
                threading.Thread(target=self._beat, daemon=True).start()
            if on_ready is not None and not self._stopping.is_set():
                on_ready()
            while not self._stopping.wait(WATCH_SECONDS):
                self._watch()
        finally:
            self.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return 0

    def start(self) -> None:
        """Start everything at once and wait until each process answers, or until the stop is asked for."""
        for child in self._children:
            child.start()
        for child in self._children:
            self._await_ready(child)

    def add(self, process: Process) -> None:
        """Start one more process and wait until it answers."""
        child = _Child(process, self.log_dir)
        self._children.append(child)
        child.start()
        self._await_ready(child)

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """Ask every process to end, the last started first, then end by force what has not; safe to call twice."""
        self._stopping.set()
        for child in reversed(self._children):
            child.terminate()
        deadline = time.monotonic() + timeout_seconds
        while any(child.alive for child in self._children) and time.monotonic() < deadline:
            time.sleep(READY_POLL_SECONDS)
        for child in self._children:
            if child.alive:
                self.tell(f"{child.process.name} did not end in {timeout_seconds:.0f} s and was killed")
            child.kill_group()

    def process_ids(self) -> dict[str, int]:
        """The process of each name that runs now."""
        return {child.process.name: child.running.pid for child in self._children if child.running and child.alive}

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def _await_ready(self, child: _Child) -> None:
        name = child.process.name
        deadline = time.monotonic() + child.process.ready_timeout_seconds
        while not child.answers() or not child.alive:
            if self._stopping.is_set():
                return
            if not child.alive:
                raise NotReadyError(f"{name} ended at once: {child.last_words() or 'no word'}; see {child.log}")
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"{name} did not answer within {child.process.ready_timeout_seconds:.0f} s; see {child.log}"
                )
            self._stopping.wait(READY_POLL_SECONDS)

    def _beat(self) -> None:
        """In a thread of its own: what it heals may take long, and must delay neither a restart nor the end."""
        assert self.heartbeat is not None
        while not self._stopping.wait(HEARTBEAT_SECONDS):
            try:
                self.heartbeat()
            except SenimError as error:
                self.tell(error.message)

    def _watch(self) -> None:
        for child in self._children:
            self._restart_if_crashed(child)

    def _restart_if_crashed(self, child: _Child) -> None:
        if child.alive:
            return
        if child.restart_at is None:
            code = child.running.returncode if child.running else "?"
            child.kill_group()
            pause = child.plan_restart()
            self.tell(f"{child.process.name} ended ({code}); starting it again in {pause:.1f} s, see {child.log}")
        elif time.monotonic() >= child.restart_at:
            try:
                child.start()
            except SupervisorError as error:
                self.tell(error.message)
                child.plan_restart()


def require_free_port(host: str, port: int, variable: str) -> None:
    """Refuse early, in one line, where another program has the port already.

    Raises:
        PortTakenError: names the port, the program if it can be seen, and the variable that chooses another port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise PortTakenError(
                f"port {port} is reserved for root; choose one above 1023 with {variable}", port=port
            ) from error
        except OSError as error:
            holder = process_listening_on(port)
            by = f" by {holder}" if holder else ""
            raise PortTakenError(
                f"port {port} on {host} is taken{by}; stop that program or choose another port with {variable}",
                port=port,
                reason=error.strerror,
            ) from error
