"""One PostgreSQL server process: its data folder, its settings, its start and its end. Used by the keeper alone."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from senim.runtime.postgres.errors import DatabaseServerError
from senim.runtime.postgres.place import PORT, Place
from senim.runtime.processes import POLL_SECONDS, die_with_parent, open_log

SUPERUSER: Final = "postgres"
APPLICATION_ROLE: Final = "senim"
LOCK_PATIENCE_SECONDS: Final = 30.0
ORPHANS_MAY_LIVE_SECONDS: Final = 5.0
STOP_TIMEOUT_SECONDS: Final = 60.0
LOG_BYTES_MAX: Final = 16 * 1024 * 1024
MEBIBYTE: Final = 1024 * 1024
# A crashed server's children hold its memory and its lock file for a moment: such a start is tried again.
PASSING_TROUBLES: Final = ("lock file", "shared memory block", "Address already in use", "is still in use")
KEEPER_SIGNALS: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


@dataclass(frozen=True, slots=True)
class Server:
    """How to run the server of one place."""

    place: Place
    programs: Path
    log: Path
    durable: bool = True

    def make_data(self) -> None:
        """Create the data folder, whole or not at all: a start that was cut short leaves nothing behind."""
        if self.place.data_major is not None:
            return
        draft = self.place.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        command: list[str | Path] = [
            self.programs / "initdb",
            "-D",
            draft,
            "-U",
            SUPERUSER,
            "--auth=peer",
            "--data-checksums",
        ]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
        if not self.durable:
            command.append("--no-sync")
        done = subprocess.run(
            command,
            **self._as_owner(),
            preexec_fn=die_with_parent(signal.SIGKILL, KEEPER_SIGNALS),
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}").splitlines()
            raise DatabaseServerError(f"initdb: {' '.join(reason[:3])}", folder=str(self.place.data))
        draft.rename(self.place.data)

    def write_settings(self) -> None:
        """Write the files that PostgreSQL reads, anew at each start; ``local.conf`` beside them is yours."""
        self._write("postgresql.conf", settings_text(self.place.socket_dir, self.durable, self._compression()))
        self._write("pg_hba.conf", f"local all {SUPERUSER},{APPLICATION_ROLE} peer map=senim\n")
        users = dict.fromkeys(["root", self.place.owner.name])
        roles = (SUPERUSER, APPLICATION_ROLE)
        self._write("pg_ident.conf", "".join(f'senim "{user}" {role}\n' for user in users for role in roles))

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the server and return when it answers; recovery after a crash may take its time.

        Raises:
            DatabaseServerError: it does not start; the message carries PostgreSQL's own reason.
        """
        began = time.monotonic()
        pause_seconds = 0.1
        while True:
            self._clear_remains(time.monotonic() - began)
            process, log_start = self._spawn()
            if self._became_ready(process):
                return process
            reason = _failure(self.log, log_start)
            passing = any(trouble in reason for trouble in PASSING_TROUBLES)
            if not passing or time.monotonic() - began > LOCK_PATIENCE_SECONDS:
                raise DatabaseServerError(f"PostgreSQL does not start: {reason}; see {self.log}", log=str(self.log))
            time.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, 1.0)

    def stop(self, process: "subprocess.Popen[bytes]") -> None:
        """Fast shutdown: open transactions are rolled back and everything committed is written."""
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)  # leaves the rest to recovery at the next start
            process.wait()

    def _spawn(self) -> "tuple[subprocess.Popen[bytes], int]":
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        with os.fdopen(open_log(self.log), "ab") as log:
            position = log.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.place.data],
                **self._as_owner(),
                preexec_fn=die_with_parent(signal.SIGINT, KEEPER_SIGNALS),  # noqa: PLW1509 - the keeper has one thread here
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return process, position

    def _became_ready(self, process: "subprocess.Popen[bytes]") -> bool:
        while process.poll() is None:
            lines = _lines(self.place.data / "postmaster.pid")
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _clear_remains(self, waited_seconds: float) -> None:
        """Remove what a killed server left: a lock file whose number is a stranger's by now, children that linger."""
        lock = self.place.data / "postmaster.pid"
        lines = _lines(lock)
        alive = set(_processes_in(self.place.data))
        if lines and lines[0].isdecimal() and int(lines[0]) not in alive:
            lock.unlink(missing_ok=True)
        if alive and waited_seconds > ORPHANS_MAY_LIVE_SECONDS:
            postmaster = int(lines[0]) if lines and lines[0].isdecimal() else 0
            if postmaster in alive:
                raise DatabaseServerError(
                    f"another PostgreSQL (process {postmaster}) already runs on {self.place.data}; stop it first",
                    process=postmaster,
                )
            for number in alive:
                os.kill(number, signal.SIGQUIT)

    def _as_owner(self) -> dict[str, Any]:
        """Arguments for a child that runs as the owner, with a plain environment in a folder that it may enter."""
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        arguments: dict[str, Any] = {"cwd": self.place.home, "env": environment, "umask": 0o077}
        if not self.place.owner.is_me:
            arguments |= {"user": self.place.owner.uid, "group": self.place.owner.gid, "extra_groups": []}
        return arguments

    def _compression(self) -> str:
        """``lz4`` costs a tenth of PostgreSQL's own method; not every build has it."""
        trial = subprocess.run(
            [self.programs / "postgres", "-D", self.place.data, "-C", "wal_compression", "-c", "wal_compression=lz4"],
            **self._as_owner(),
            preexec_fn=die_with_parent(signal.SIGKILL, KEEPER_SIGNALS),
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        return "lz4" if trial.returncode == 0 else "on"

    def _write(self, name: str, text: str) -> None:
        path = self.place.data / name
        draft = path.with_name(f"{name}.new")
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o600)
        if not self.place.owner.is_me:
            os.chown(draft, self.place.owner.uid, self.place.owner.gid)
        draft.replace(path)


def settings_text(socket_dir: Path, durable: bool, compression: str) -> str:
    """postgresql.conf: a single machine that posts money in large batches and must not lose one of them."""
    buffers_mib = max(64, min(512, memory_bytes() // MEBIBYTE // 8))
    settings: dict[str, object] = {
        "listen_addresses": "''",
        "port": PORT,
        "unix_socket_directories": f"'{_quoted(str(socket_dir))}'",
        "unix_socket_permissions": "0700",
        "max_connections": 100,
        "shared_buffers": f"{buffers_mib}MB",
        "work_mem": "32MB",
        "maintenance_work_mem": "256MB",
        "effective_cache_size": f"{buffers_mib * 3}MB",
        "max_wal_size": "8GB",
        "min_wal_size": "512MB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": 0.9,
        "wal_compression": compression,
        "wal_buffers": "32MB",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "random_page_cost": 1.1,
        "jit": "off",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "log_line_prefix": "'%m [%p] '",
        "log_checkpoints": "off",
        "log_parameter_max_length_on_error": 0,
        "log_min_error_statement": "panic",  # a refused statement carries people's data
        "idle_in_transaction_session_timeout": "5min",
    }
    if not durable:  # the test suite's server: its data is worth nothing
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings |= {"max_connections": 300, "max_wal_size": "1GB", "min_wal_size": "80MB", "shared_buffers": "128MB"}
    lines = ["# Written by Senim at each start; your own settings belong into local.conf beside this file."]
    lines += [f"{name} = {value}" for name, value in settings.items()]
    return "\n".join([*lines, "include_if_exists = 'local.conf'"]) + "\n"


def memory_bytes() -> int:
    """Memory that this machine or container may use."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdecimal() else machine


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "''")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _processes_in(data: Path) -> list[int]:
    """Processes that work in the data folder: each process of a server does, and nothing else has a reason to."""
    found = []
    wanted = str(data.resolve())
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                inside = str((entry / "cwd").readlink()) == wanted
            except OSError:
                continue  # ended meanwhile, or another user's and so not ours
            if inside:
                found.append(int(entry.name))
    return found


def _failure(log: Path, start: int) -> str:
    """PostgreSQL's reason: the first fatal line that it wrote since ``start``."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read(65_536).decode("utf-8", "replace").splitlines()
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    chosen = fatal[0] if fatal else (lines[-1] if lines else "it ended without a word")
    for mark in ("FATAL:", "PANIC:"):
        chosen = chosen.partition(mark)[2].strip() or chosen
    return chosen
