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
CLOCK_STOPPED: Final = (
    "DO $do$ BEGIN EXECUTE format('CREATE OR REPLACE FUNCTION ledger_now() RETURNS bigint LANGUAGE sql VOLATILE "
    "AS $now$ SELECT %s::bigint $now$', {}); END $do$"
)


def schema_sql() -> str:
    """The statements that create the ledger's tables and functions in the first schema of ``search_path``."""
    return files("senim.ledger").joinpath("schema.sql").read_text(encoding="utf-8")


@contextmanager
def scratch(connection: Connection[TupleRow]) -> Iterator[None]:
    """An empty ledger in a schema of its own, gone at the end; ``connection`` uses it meanwhile.

    The connection must not be inside a transaction.
    """
    name = sql.Identifier(f"ledger_scratch_{secrets.token_hex(6)}")
    row = connection.execute("SHOW search_path").fetchone()
    assert row is not None
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


def set_clock_offset(connection: Connection[TupleRow], seconds: int) -> None:
    """Make a scratch ledger's clock run ``seconds`` ahead of the wall clock."""
    connection.execute(
        sql.SQL(
            "CREATE OR REPLACE FUNCTION ledger_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$ "
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000 + {}::bigint $$"
        ).format(sql.Literal(seconds * NANOSECONDS_PER_SECOND))
    )


def stop_clock(connection: Connection[TupleRow]) -> None:
    """Make a scratch ledger's clock stand still at this moment, so that a file is answered the same at any speed."""
    connection.execute(CLOCK_STOPPED.format("ledger_now()").encode())


def advance_clock(connection: Connection[TupleRow], seconds: int) -> int:
    """Move a stopped clock on from the newest timestamp; returns the whole seconds that it moved.

    It goes no further than ``CLOCK_END``, so that there always are timestamps left to give out.
    """
    row = connection.execute("SELECT greatest(ledger_now(), last_value) FROM ledger_clock").fetchone()
    assert row is not None
    moment = max(row[0], min(row[0] + seconds * NANOSECONDS_PER_SECOND, CLOCK_END))
    connection.execute(CLOCK_STOPPED.format(moment).encode())
    return int(moment - row[0]) // NANOSECONDS_PER_SECOND
