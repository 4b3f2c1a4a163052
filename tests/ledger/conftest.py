"""An empty ledger for each test, in a schema of its own on the run's server."""

import os
import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import TupleRow

from senim.ledger.schema import scratch
from senim.runtime.pytest_plugin import SERVER

Connection = psycopg.Connection[TupleRow]


@pytest.fixture(scope="session")
def server_url() -> str:
    """The run's server; scratch ledgers need no migrated database."""
    return os.environ.get("SENIM_TEST_DATABASE_URL") or SERVER.url("postgres")


@pytest.fixture
def connection(server_url: str) -> Iterator[Connection]:
    """A connection whose search path is an empty ledger."""
    with psycopg.connect(server_url, autocommit=True) as made, scratch(made):
        yield made


@pytest.fixture
def schema(connection: Connection) -> str:
    """The name of the ledger's schema, for further connections and processes."""
    row = connection.execute("SELECT current_schema()").fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def scratch_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The schemas of scratch ledgers made during the test, as they are made."""
    made: list[str] = []
    draw = secrets.token_hex

    def token_hex(length: int) -> str:
        token = draw(length)
        made.append(f"ledger_scratch_{token}")
        return token

    monkeypatch.setattr("senim.ledger.schema.secrets.token_hex", token_hex)
    return made
