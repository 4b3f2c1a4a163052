"""Several processes run as one thing, and end as one thing."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.runtime.conftest import eventually

from senim.runtime import supervisor
from senim.runtime.processes import is_running
from senim.runtime.supervisor import NotReadyError, PortTakenError, Process, Supervisor, SupervisorError

PYTHON = (sys.executable, "-S", "-c")
SLEEP = (*PYTHON, "import time; time.sleep(60)")
STUBBORN = (
    *PYTHON,
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
)
SERVE_SCRIPT = """
import sys, http.server, time
time.sleep(0.3)
class Ok(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'ok')
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Ok).serve_forever()
"""
SERVE = (*PYTHON, SERVE_SCRIPT)
RUN = """
import sys
from pathlib import Path
from senim.runtime.supervisor import Process, Supervisor
sleep = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
supervisor = Supervisor([Process("one", sleep), Process("two", sleep)], Path(sys.argv[1]), tell=print)
code = supervisor.run(lambda: print(*supervisor.process_ids().values(), flush=True))
print("ended", flush=True)
sys.exit(code)
"""


@pytest.fixture
def lines() -> list[str]:
    """What the supervisor tells people."""
    return []


@pytest.fixture
def running(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A supervisor of two processes in a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def children_of(running: "subprocess.Popen[str]") -> list[int]:
    """The processes that it says it runs."""
    assert running.stdout is not None
    return [int(number) for number in running.stdout.readline().split()]


def test_ready_means_that_it_answers(tmp_path: Path, free_port: int) -> None:
    one = Supervisor([Process("web", [*SERVE, str(free_port)], ready_url=f"http://127.0.0.1:{free_port}/")], tmp_path)
    one.start()
    try:
        with socket.create_connection(("127.0.0.1", free_port), timeout=1):
            pass
    finally:
        one.stop()
    assert one.process_ids() == {}


def test_the_environment_is_laid_over(tmp_path: Path) -> None:
    show = Process("show", [*PYTHON, "import os, time; print(os.environ['COLOUR'], flush=True); time.sleep(60)"])
    one = Supervisor([Process(show.name, show.argv, {"COLOUR": "gold"})], tmp_path)
    one.start()
    try:
        assert eventually(lambda: (tmp_path / "show.log").read_text(encoding="utf-8") == "gold\n")
        assert stat.S_IMODE((tmp_path / "show.log").stat().st_mode) == 0o600
    finally:
        one.stop()


def test_one_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path, free_port: int) -> None:
    failing = Process("web", [*PYTHON, "raise SystemExit('no ink left')"], ready_url=f"http://127.0.0.1:{free_port}/")
    one = Supervisor([failing, Process("other", SLEEP)], tmp_path)
    with pytest.raises(NotReadyError, match=r"web ended at once: no ink left; see .*web\.log"):
        one.run()
    assert one.process_ids() == {}, "the others are stopped too"


def test_one_that_never_answers_is_told(tmp_path: Path, free_port: int) -> None:
    silent = Process("web", SLEEP, ready_url=f"http://127.0.0.1:{free_port}/", ready_timeout_seconds=0.3)
    with pytest.raises(NotReadyError, match="web did not answer"):
        Supervisor([silent], tmp_path).run()


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SupervisorError, match="ghost: No such file"):
        Supervisor([Process("ghost", ["/no/such/program"])], tmp_path).run()


def test_a_crashed_one_comes_back_ever_later(tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_FIRST_SECONDS", 0.1)
    one = Supervisor(
        [Process("frail", [*PYTHON, "import time; time.sleep(0.1); raise SystemExit(3)"])], tmp_path, tell=lines.append
    )
    threading.Timer(3.5, one._stopping.set).start()
    assert one.run() == 0
    pauses = [float(line.split(" in ")[1].split()[0]) for line in lines if "starting it again" in line]
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert lines[0].startswith("frail ended (3); starting it again in 0.1 s, see ")


def test_the_heart_beats_and_its_trouble_is_told(tmp_path: Path, lines: list[str]) -> None:
    def heartbeat() -> None:
        raise SupervisorError("the database sleeps")

    one = Supervisor([Process("one", SLEEP)], tmp_path, heartbeat=heartbeat, tell=lines.append)
    threading.Timer(1.6, one._stopping.set).start()
    assert one.run() == 0
    assert lines == ["the database sleeps"]


def test_a_heart_that_hangs_delays_nothing(tmp_path: Path) -> None:
    one = Supervisor([Process("one", SLEEP)], tmp_path, heartbeat=lambda: time.sleep(60))
    threading.Timer(1.6, one._stopping.set).start()
    began = time.monotonic()
    assert one.run() == 0
    assert time.monotonic() - began < 4


def test_one_that_does_not_listen_is_killed(tmp_path: Path, lines: list[str]) -> None:
    one = Supervisor([Process("deaf", STUBBORN)], tmp_path, tell=lines.append)
    one.start()
    assert eventually(lambda: "deaf" in (tmp_path / "deaf.log").read_text(encoding="utf-8"))
    process = one.process_ids()["deaf"]
    began = time.monotonic()
    one.stop(timeout_seconds=0.3)
    assert time.monotonic() - began < 2
    assert not is_running(process)
    assert lines == ["deaf did not end in 0 s and was killed"]


def test_what_a_killed_one_has_started_is_ended_before_it_comes_back(tmp_path: Path) -> None:
    nested = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    one = Supervisor([Process("parent", [*PYTHON, nested])], tmp_path)
    one.start()
    log = tmp_path / "parent.log"
    assert eventually(lambda: log.read_text(encoding="utf-8").strip())
    grandchild = int(log.read_text(encoding="utf-8"))
    os.kill(one.process_ids()["parent"], signal.SIGKILL)
    assert eventually(lambda: not one.process_ids())
    one._watch()
    assert eventually(lambda: not is_running(grandchild))
    one.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_cleanly_and_quickly(running: "subprocess.Popen[str]", number: signal.Signals) -> None:
    children = children_of(running)
    assert len(children) == 2
    began = time.monotonic()
    running.send_signal(number)
    rest, _ = running.communicate(timeout=5)
    assert running.returncode == 0
    assert rest == "ended\n"
    assert time.monotonic() - began < 2
    assert not any(is_running(child) for child in children)


def test_children_do_not_outlive_a_killed_supervisor(running: "subprocess.Popen[str]") -> None:
    children = children_of(running)
    running.kill()
    running.wait()
    assert eventually(lambda: not any(is_running(child) for child in children), 5)


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortTakenError) as refused:
            supervisor.require_free_port("127.0.0.1", port, "SENIM_PORT")
    assert f"port {port} on 127.0.0.1 is taken by " in refused.value.message
    assert f"(process {os.getpid()})" in refused.value.message
    assert "SENIM_PORT" in refused.value.message
    supervisor.require_free_port("127.0.0.1", port, "SENIM_PORT")
