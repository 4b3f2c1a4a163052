"""Putting the ledger's tables in place, for good or for a moment."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from senim.ledger.types import NANOSECONDS_PER_SECOND


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
