"""Releasing what expired pending transfers hold.

A pending transfer counts as expired from its moment on, whoever asks: posting releases those that touch its accounts,
and refuses to post or void an expired one. This module releases the rest; a worker calls it each second.
"""

from typing import Final

from psycopg import Connection
from psycopg.rows import TupleRow

from senim.ledger import codec
from senim.ledger.exact import expire_due

BATCH: Final = 1_000


def expire_pending(connection: Connection[TupleRow], limit: int = BATCH) -> int:
    """Release up to ``limit`` due pending transfers inside the caller's open transaction; returns how many.

    Call it again while it returns ``limit``. Safe beside any number of writers and of its own kind.
    """
    return expire_due(codec.cursor(connection), limit)
