"""What every test may use. The run's database itself comes from ``senim.runtime.pytest_plugin``."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from senim.runtime.postgres import Embedded
from senim.runtime.pytest_plugin import RUN, VAR

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


@pytest.fixture(scope="session")
def durable_server() -> Iterator[Embedded]:
    """A server with fsync and synchronous_commit on, for tests of what survives a crash."""
    server = Embedded(VAR, name="test-postgres-durable")
    server.start()
    yield server
    server.release()
