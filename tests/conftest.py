"""What every test may use. The run's database itself comes from ``senim.runtime.pytest_plugin``."""

import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import ProgrammingError, connections
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from senim.runtime.postgres import Embedded
from senim.runtime.pytest_plugin import RUN, VAR

DROP_ATTEMPTS = 40
DROP_PAUSE_SECONDS = 0.25

hypothesis_settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Let Django create and drop this run's database under the very name that the environment gives to processes."""
    from django.conf import settings

    assert settings.DATABASES["default"]["NAME"] == RUN
    settings.DATABASES["default"]["TEST"]["NAME"] = RUN


@pytest.fixture(scope="session", autouse=True)
def flush_past_the_guards() -> None:
    """Let the test runner empty append-only tables between tests: their triggers refuse TRUNCATE to everyone else."""
    from django.db.backends.postgresql.operations import DatabaseOperations

    flush = DatabaseOperations.execute_sql_flush

    def execute_sql_flush(self: DatabaseOperations, sql_list: list[str]) -> None:
        guarded = ["SET session_replication_role = replica", *sql_list, "SET session_replication_role = DEFAULT"]
        flush(self, guarded)

    DatabaseOperations.execute_sql_flush = execute_sql_flush  # type: ignore[method-assign,assignment]


@pytest.fixture(scope="session")
def database_url(django_db_setup: None) -> str:
    """URL of this run's migrated database, for code and for processes that connect on their own."""
    return os.environ["SENIM_DATABASE_URL"]


@pytest.fixture(scope="session", autouse=True)
def pristine_copy(request: pytest.FixtureRequest) -> None:
    """Copy the migrated database before any test has left something in it, where some test wants one of its own."""
    if any("own_database" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("database_template")


@pytest.fixture(scope="session")
def database_template(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A copy of the migrated database to which nobody ever connects, so that it can be cloned at any time."""
    default = connections["default"]
    migrated = default.settings_dict["NAME"]
    with django_db_blocker.unblock():
        default.close()
        with default._nodb_cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{migrated}_template" TEMPLATE "{migrated}"')
    yield f"{migrated}_template"
    with django_db_blocker.unblock(), default._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{migrated}_template" WITH (FORCE)')


@pytest.fixture
def own_database(database_template: str, db: None) -> Iterator[str]:
    """Point Django, its threads and its children at a fresh clone of the migrated database; drop it at the end.

    For tests that commit, kill processes in the middle of a transaction, or leave rows that nothing removes.
    """
    usual = connections["default"]
    clone = f"{database_template}_{uuid.uuid4().hex[:8]}"
    with usual._nodb_cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{clone}" TEMPLATE "{database_template}"')
    name = usual.settings_dict["NAME"]
    usual.settings_dict["NAME"] = clone  # shared by all connections that are opened from now on
    connections["default"] = connections.create_connection("default")
    try:
        yield clone
    finally:
        connections["default"].close()
        connections["default"] = usual
        usual.settings_dict["NAME"] = name
        with usual._nodb_cursor() as cursor:
            drop(cursor, clone)


def drop(cursor: Any, database: str) -> None:
    """Drop a database with its connections; the server's own vacuum, which may not be ended, is waited for."""
    for attempt in range(DROP_ATTEMPTS):
        try:
            cursor.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
        except ProgrammingError:
            if attempt == DROP_ATTEMPTS - 1:
                raise
            time.sleep(DROP_PAUSE_SECONDS)
        else:
            return


@pytest.fixture(scope="session")
def durable_server() -> Iterator[Embedded]:
    """A server with fsync and synchronous_commit on, for tests of what survives a crash."""
    server = Embedded(VAR, name="test-postgres-durable")
    server.start()
    yield server
    server.release()
