"""The ledger's tables come and go: by the migration's own statements, and with a scratch ledger."""

from importlib import import_module

import psycopg
from tests.ledger.conftest import Connection

from senim.ledger.schema import SCRATCH_LOCK, scratch


def test_the_migration_can_be_taken_back(connection: Connection) -> None:
    migration = import_module("senim.ledger.migrations.0001_schema")
    connection.execute(migration.REVERSE.encode())
    left = connection.execute(
        "SELECT (SELECT count(*) FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace) "
        "+ (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace)"
    ).fetchone()
    assert left == (0,)


def scratches(connection: Connection) -> set[str]:
    rows = connection.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE 'ledger_scratch_%'")
    return {row[0] for row in rows}


def test_what_a_killed_process_left_is_dropped_by_the_next(
    connection: Connection, schema: str, server_url: str
) -> None:
    with psycopg.connect(server_url, autocommit=True) as killed:
        left = scratch(killed)
        left.__enter__()
        row = killed.execute("SELECT current_schema()").fetchone()
        assert row is not None
        abandoned = row[0]
        with psycopg.connect(server_url, autocommit=True) as other, scratch(other):
            assert {schema, abandoned} < scratches(connection)
        killed.close()  # as a kill does: no time to tidy up
    # The server notices a moment later; this waits for it.
    connection.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (SCRATCH_LOCK, abandoned))
    connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (SCRATCH_LOCK, abandoned))
    with psycopg.connect(server_url, autocommit=True) as next_one, scratch(next_one), scratch(next_one):
        assert schema in scratches(connection)
        assert abandoned not in scratches(connection)
    assert connection.execute("SELECT count(*) FROM ledger_account").fetchone() == (0,)
