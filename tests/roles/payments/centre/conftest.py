"""A small market on a database of a test's own, and a Centre that serves it."""

import os
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow
from tests.roles.payments.centre.scene import DAY, Scene

from senim.roles.payments.centre.scratch import MadeBank, make_market
from senim.roles.payments.centre.server import seal_secret


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection to the run's database; whatever happens on it is rolled back."""
    with psycopg.connect(database_url) as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def scene(connection: psycopg.Connection[TupleRow]) -> Scene:
    """Three banks with two customers each, 1,000 tenge on every account, caps out of reach, one open day."""
    return Scene(
        connection, make_market(connection, seal=seal_secret, customers_per_bank=2, balance_tiyn=100_000, days=[DAY])
    )


@pytest.fixture(scope="class")
def database(database_template: str) -> Iterator[str]:
    """URL of a clone of the migrated database, where the tests of a class may commit."""
    parts = urlsplit(os.environ["SENIM_DATABASE_URL"])
    name = f"{database_template}_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(database_template))
        )
        yield urlunsplit(parts._replace(path=f"/{name}"))
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="class")
def banks(database: str) -> list[MadeBank]:
    """A committed market of three banks with ten customers each, on today's day."""
    with psycopg.connect(database) as opened:
        return make_market(opened, seal=seal_secret, customers_per_bank=10, balance_tiyn=100_000_000)
