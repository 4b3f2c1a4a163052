"""The database of this deployment: any PostgreSQL 15 or newer by URL, else a server that Senim starts for itself.

``database_url()`` is all that most code needs. The embedded server runs as long as some process that asked for it
lives, listens on a socket in a 0700 folder only, and knows its users by the system's own word (peer authentication),
so there is no password to keep.
"""

import atexit
import fcntl
import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from senim.runtime.config import Config, load
from senim.runtime.postgres.binaries import MAJOR_MIN, choose
from senim.runtime.postgres.errors import DatabaseServerError, FolderError, NoBinariesError, OtherVersionError
from senim.runtime.postgres.keeper import KEEPER_LOCK, STATE_FILE, USERS_LOCK, describe
from senim.runtime.postgres.place import PORT, Place, locate, reachable_binaries
from senim.runtime.postgres.server import APPLICATION_ROLE, SUPERUSER, Server
from senim.runtime.processes import is_locked, is_running, open_lock, try_lock, wait_until

__all__ = [
    "MAJOR_MIN",
    "DatabaseServerError",
    "Embedded",
    "FolderError",
    "NoBinariesError",
    "OtherVersionError",
    "Status",
    "database_url",
    "embedded",
    "planned_url",
]

START_TIMEOUT_SECONDS: Final = 600.0  # recovery after a crash replays up to max_wal_size
TURN_TIMEOUT_SECONDS: Final = 120.0
SPAWN_TIMEOUT_SECONDS: Final = 30.0
RELEASE_TIMEOUT_SECONDS: Final = 4.0
DATABASE_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")


@dataclass(frozen=True, slots=True)
class Status:
    """What the embedded server does at this moment."""

    running: bool
    state: str
    postmaster: int
    keeper: int
    home: Path
    version: int | None


class Embedded:
    """The server that lives under one data folder. However often and wherever started, it is one server."""

    def __init__(
        self, data_dir: Path, *, name: str = "postgres", programs: Path | None = None, durable: bool = True
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.name = name
        self.programs = programs
        self.durable = durable
        self._place: Place | None = None
        self._hold: int | None = None
        self._guard = threading.RLock()
        self._databases: set[str] = set()

    @property
    def place(self) -> Place:
        """Where the server lives; decided once in a process."""
        if self._place is None:
            self._place = locate(self.data_dir, self.name)
        return self._place

    def start(self) -> None:
        """Make sure that the server runs, and keep it running until this process ends or calls :meth:`release`.

        Raises:
            DatabaseServerError: it cannot be started; the message says why and what to do.
        """
        with self._guard:
            if self._hold is None:
                self._hold = self._take(USERS_LOCK, fcntl.LOCK_SH)
            if self._is_ready():
                return
            turn = self._take("start.lock", fcntl.LOCK_EX)
            try:
                self._start_in_turn()
            finally:
                os.close(turn)

    def release(self, wait_seconds: float = RELEASE_TIMEOUT_SECONDS) -> bool:
        """Let go of the server; it stops when nobody else uses it. True when it has stopped within the time.

        A start that still goes on in another thread is not waited for: the hold then ends with the process.
        """
        if self._guard.acquire(timeout=max(wait_seconds, 0)):
            try:
                if self._hold is not None:
                    os.close(self._hold)
                    self._hold = None
            finally:
                self._guard.release()
        if self._place is None:  # no place for a server was ever found, so none runs
            return True
        keeper_lock = self._place.home / KEEPER_LOCK
        return wait_until(lambda: not is_locked(keeper_lock), wait_seconds)

    def hold_descriptor(self) -> int:
        """The descriptor whose lock keeps the server running, for a program that takes this process's place."""
        self.start()
        if self._hold is None:
            raise DatabaseServerError("the database server is not held")
        return self._hold

    def status(self) -> Status:
        """What the server does now, without starting it."""
        kept = is_locked(self.place.home / KEEPER_LOCK)
        told = self._told() if kept else {}
        return Status(
            running=self._is_ready(),
            state=str(told.get("state", "stopped")),
            postmaster=int(told.get("postmaster", 0)),
            keeper=int(told.get("keeper", 0)),
            home=self.place.home,
            version=self.place.data_major,
        )

    def url(self, database: str = "senim", role: str = APPLICATION_ROLE) -> str:
        """The address of a database on this server, for psycopg and for ``SENIM_DATABASE_URL``."""
        folder = quote(str(self.place.socket_dir), safe="")
        return f"postgresql://{role}@/{quote(database, safe='')}?host={folder}&port={PORT}"

    def ensure_database(self, database: str = "senim") -> str:
        """Start the server, create the application's role and ``database`` where they are absent; returns its URL."""
        if not DATABASE_NAME.match(database):
            raise DatabaseServerError(f"not a name for a database: {database!r}", database=database)
        self.start()
        with self._guard:
            if database not in self._databases:
                _create(self.url("postgres", SUPERUSER), database)
                self._databases.add(database)
        return self.url(database)

    def _take(self, name: str, kind: int) -> int:
        descriptor = open_lock(self.place.home / name)
        if not try_lock(descriptor, kind, TURN_TIMEOUT_SECONDS):
            os.close(descriptor)
            raise DatabaseServerError(f"the database server under {self.place.home} is busy starting or stopping")
        return descriptor

    def _start_in_turn(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self._is_ready():
                return
            if not is_locked(self.place.home / KEEPER_LOCK):
                self._run_keeper(deadline)
            else:
                time.sleep(0.02)
        raise DatabaseServerError(f"the database server was not ready within {START_TIMEOUT_SECONDS:.0f} s")

    def _run_keeper(self, deadline: float) -> None:
        """Start the keeper and wait until its server is ready or it says why not."""
        major = self.place.data_major
        programs = reachable_binaries(choose(self.programs, major), self.place.owner)
        log = self.data_dir / "log" / f"{self.name}.log"
        token = uuid.uuid4().hex
        server = Server(self.place, programs.folder, log, self.durable)
        spawned = subprocess.run(
            [sys.executable, "-m", "senim.runtime.postgres.keeper", describe(server, token)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=SPAWN_TIMEOUT_SECONDS,
            check=False,
            start_new_session=True,
        )
        if spawned.returncode != 0:
            reason = (spawned.stderr.decode("utf-8", "replace").strip() or "?").splitlines()[-1]
            raise DatabaseServerError(f"the database server's keeper does not start: {reason}")
        while time.monotonic() < deadline:
            kept = is_locked(self.place.home / KEEPER_LOCK)
            told = self._told()
            if told.get("token") == token and told["state"] == "ready":
                return
            if told.get("token") == token and told["state"] == "failed":
                raise DatabaseServerError(str(told["message"]))
            if not kept:
                raise DatabaseServerError(f"the database server's keeper ended; see {log}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        """The state file may be the last word of a keeper just killed, whose lock the kernel has yet to free."""
        if not is_locked(self.place.home / KEEPER_LOCK):
            return False
        told = self._told()
        return told.get("state") == "ready" and is_running(told["keeper"]) and is_running(told["postmaster"])

    def _told(self) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads((self.place.home / STATE_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return told


def _create(superuser_url: str, database: str) -> None:
    import psycopg
    from psycopg import sql

    with psycopg.connect(superuser_url, autocommit=True) as connection:
        # two processes at their first start: the second waits, then finds everything in place
        connection.execute("SELECT pg_advisory_lock(7360631)")
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APPLICATION_ROLE]).fetchone():
            role = sql.Identifier(APPLICATION_ROLE)
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB IN ROLE pg_monitor, pg_checkpoint").format(role))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(database), sql.Identifier(APPLICATION_ROLE)
                )
            )


_servers: dict[tuple[Path, Path | None], Embedded] = {}
_servers_guard = threading.Lock()


def embedded(config: Config | None = None) -> Embedded:
    """The embedded server of this deployment, the same object for the whole process."""
    config = config or load()
    with _servers_guard:
        key = (config.data_dir, config.postgres_bin)
        if key not in _servers:
            _servers[key] = Embedded(config.data_dir, programs=config.postgres_bin)
            atexit.register(_servers[key].release, 0)
        return _servers[key]


def database_url(name: str = "senim", config: Config | None = None) -> str:
    """The URL of database ``name`` of this deployment; starts the embedded server and creates the database if needed.

    With ``SENIM_DATABASE_URL`` set, the URL as it is for ``senim``, and the same server with another database name for
    any other ``name`` (which is not created).

    Raises:
        DatabaseServerError: the embedded server cannot be started.
    """
    config = config or load()
    if config.embedded:
        return embedded(config).ensure_database(name)
    return planned_url(name, config)


def planned_url(name: str = "senim", config: Config | None = None) -> str:
    """The same URL without starting anything: what settings need at import."""
    config = config or load()
    if config.embedded:
        return embedded(config).url(name)
    if name == "senim":
        return config.database_url
    return urlunsplit(urlsplit(config.database_url)._replace(path=f"/{quote(name, safe='')}"))
