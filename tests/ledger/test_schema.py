"""The ledger's tables come and go by the migration's own statements."""

from importlib import import_module

from tests.ledger.conftest import Connection


def test_the_migration_can_be_taken_back(connection: Connection) -> None:
    migration = import_module("senim.ledger.migrations.0001_schema")
    connection.execute(migration.REVERSE.encode())
    left = connection.execute(
        "SELECT (SELECT count(*) FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace) "
        "+ (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace)"
    ).fetchone()
    assert left == (0,)
