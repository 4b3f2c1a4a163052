"""Databases of a test's own, for what commits, forks and kills."""

import uuid
from collections.abc import Iterator

import pytest
from django.db import connections
from tests.roles.payments.closing import Market, make_market


@pytest.fixture(scope="session")
def database_template(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[str]:
    """A copy of the migrated database to which nobody ever connects, so that it can be cloned at any time."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]  # pytest-django names no type
        default = connections["default"]
        migrated = default.settings_dict["NAME"]
        default.close()
        with default._nodb_cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{migrated}_template" TEMPLATE "{migrated}"')
    yield f"{migrated}_template"
    with django_db_blocker.unblock(), default._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(f'DROP DATABASE "{migrated}_template" WITH (FORCE)')


@pytest.fixture
def own_database(database_template: str, db: None) -> Iterator[str]:
    """Point Django, its threads and its children at a fresh clone of the migrated database; drop it at the end.

    Unlike the shared test database it may keep what is committed: rows that nothing removes do not disturb other tests.
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
            cursor.execute(f'DROP DATABASE "{clone}" WITH (FORCE)')


@pytest.fixture
def market(own_database: str) -> Market:
    """Three banks, a settlement bank and their customers, on an open day, in a database of the test's own."""
    return make_market()
