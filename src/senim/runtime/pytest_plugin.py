"""The test suite's own PostgreSQL: loaded by pytest before Django reads its settings.

The server is an embedded one under ``var/test-postgres`` (shared by the runs of a moment, stopped by the last of them),
or the one that SENIM_TEST_DATABASE_URL names. Each run has a database and a data folder named by its process, and
removes them at its end; what a killed run left is removed by the next.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import pytest

from senim.runtime.config import checkout_root
from senim.runtime.postgres import Embedded
from senim.runtime.postgres.server import APPLICATION_ROLE, SUPERUSER

VAR: Final = (checkout_root() or Path.cwd()) / "var"
RUN_NAME: Final = re.compile(r"senim_test_(\d+)_(\d+)\Z")
KEPT_VARIABLES: Final = ("SENIM_TEST_DATABASE_URL", "SENIM_POSTGRES_BIN", "SENIM_DEBUG")


def _started(process: int) -> str | None:
    """When a process began, in the kernel's ticks since boot; None when there is no such process."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def _environment() -> None:
    """Forget the developer's own deployment, and name this run's database and data folder."""
    for name in [name for name in os.environ if name.startswith("SENIM_") and name not in KEPT_VARIABLES]:
        del os.environ[name]
    parts = urlsplit(os.environ.get("SENIM_TEST_DATABASE_URL") or SERVER.url("postgres"))
    os.environ["SENIM_DATABASE_URL"] = urlunsplit(parts._replace(path=f"/{RUN}"))
    os.environ["SENIM_DATA_DIR"] = str(VAR / "test" / RUN)


RUN: Final = f"senim_test_{os.getpid()}_{_started(os.getpid())}"
SERVER: Final = Embedded(
    VAR,
    name="test-postgres",
    programs=Path(os.environ["SENIM_POSTGRES_BIN"]) if os.environ.get("SENIM_POSTGRES_BIN") else None,
    durable=False,
)
_environment()


def pytest_sessionstart() -> None:
    """Start the server, and remove what killed runs left on it."""
    if not os.environ.get("SENIM_TEST_DATABASE_URL"):
        SERVER.ensure_database("postgres")
        _prepare_server()
    for folder in (VAR / "test").glob("senim_test_*"):
        if _is_stale(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
    Path(os.environ["SENIM_DATA_DIR"]).mkdir(parents=True, exist_ok=True)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Remove this run's folder, and let the server stop when this was the last run."""
    shutil.rmtree(VAR / "test" / RUN, ignore_errors=True)
    SERVER.release(wait_seconds=0)


def _is_stale(name: str) -> bool:
    match = RUN_NAME.match(name)
    return match is not None and _started(int(match.group(1))) != match.group(2)


def _prepare_server() -> None:
    """Drop the databases of killed runs; let tests empty append-only tables, which the product's own role cannot."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(SERVER.url("postgres", SUPERUSER), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(7360633)")  # two runs that start at once grant in turn
        connection.execute(f"GRANT CREATE ON DATABASE postgres TO {APPLICATION_ROLE}")  # for schemas of scratch ledgers
        connection.execute(f"GRANT SET ON PARAMETER session_replication_role TO {APPLICATION_ROLE}")
        names = [str(row[0]) for row in connection.execute("SELECT datname FROM pg_database").fetchall()]
        for name in filter(_is_stale, names):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
