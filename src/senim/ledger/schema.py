"""Putting the ledger's tables in place, for good or for a moment."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Final

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from senim.ledger.types import NANOSECONDS_PER_SECOND, TIMESTAMP_MAX

# Where a clock that is moved by hand stops: a little before the last timestamp there is (in the year 2262).
CLOCK_END: Final = TIMESTAMP_MAX - 3 * NANOSECONDS_PER_SECOND
SCRATCH_PREFIX: Final = "ledger_scratch_"
SCRATCH_LOCK: Final = 7249
# A session may take its own lock again, so the scratch ledgers that it stands in are left out.
FIND_SCRATCHES: Final = (
    "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s AND nspname <> ALL (current_schemas(false))"
)
WALL_CLOCK: Final = sql.SQL("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000")
READ_CLOCK: Final = "SELECT greatest(ledger_now(), last_value) FROM ledger_clock"


def schema_sql() -> str:
    """The statements that create the ledger's tables and functions in the first schema of ``search_path``."""
    return files("senim.ledger").joinpath("schema.sql").read_text(encoding="utf-8")


@contextmanager
def scratch(connection: Connection[TupleRow]) -> Iterator[None]:
    """An empty ledger in a schema of its own, gone at the end; ``connection`` uses it meanwhile.

    The connection must not be inside a transaction. What a killed process left behind is dropped on the way.
    """
    text = f"{SCRATCH_PREFIX}{secrets.token_hex(6)}"
    name = sql.Identifier(text)
    row = connection.execute("SHOW search_path").fetchone()
    assert row is not None
    # Held as long as this session lives: a scratch ledger whose lock is free has lost its owner.
    connection.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (SCRATCH_LOCK, text))
    _drop_abandoned(connection)
    with connection.transaction():
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        connection.execute(sql.SQL("SET search_path TO {}").format(name))
        connection.execute(schema_sql().encode())
    try:
        yield
    finally:
        if not connection.closed:
            connection.rollback()
            with connection.transaction():
                connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
                connection.execute("SELECT set_config('search_path', %s, false)", (row[0],))
            connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", (SCRATCH_LOCK, text))


def _drop_abandoned(connection: Connection[TupleRow]) -> None:
    for (text,) in connection.execute(FIND_SCRATCHES, (f"{SCRATCH_PREFIX}%",)).fetchall():
        with connection.transaction():
            query = "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))"
            row = connection.execute(query, (SCRATCH_LOCK, text)).fetchone()
            if row is not None and row[0]:
                connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(text)))


def set_clock_offset(connection: Connection[TupleRow], seconds: int) -> None:
    """Make a scratch ledger's clock run ``seconds`` ahead of the wall clock."""
    offset = sql.Literal(seconds * NANOSECONDS_PER_SECOND)
    _replace_clock(connection, sql.SQL("{} + {}::bigint").format(WALL_CLOCK, offset))


def stop_clock(connection: Connection[TupleRow]) -> None:
    """Make a scratch ledger's clock stand still at this moment, so that a file is answered the same at any speed."""
    _replace_clock(connection, sql.Literal(_newest_moment(connection)))


def advance_clock(connection: Connection[TupleRow], seconds: int) -> int:
    """Move a stopped clock on from the newest timestamp; returns the whole seconds that it moved.

    It goes no further than ``CLOCK_END``, so that there always are timestamps left to give out.
    """
    before = _newest_moment(connection)
    after = max(before, min(before + seconds * NANOSECONDS_PER_SECOND, CLOCK_END))
    _replace_clock(connection, sql.Literal(after))
    return (after - before) // NANOSECONDS_PER_SECOND


def _newest_moment(connection: Connection[TupleRow]) -> int:
    row = connection.execute(READ_CLOCK).fetchone()
    assert row is not None
    return int(row[0])


def _replace_clock(connection: Connection[TupleRow], moment: sql.Composable) -> None:
    connection.execute(
        sql.SQL(
            "CREATE OR REPLACE FUNCTION ledger_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT {} $$"
        ).format(moment)
    )
