"""One lock under which the Centre's batches stand in line.

A net debit cap is exact only while nobody else posts against the same clearing accounts between reading their room and
using it. Every transaction that does so takes this lock first: the batches of all Centre processes, the recording of
files, the close of a day. PostgreSQL serves it in the order of asking, so a close waits for one batch and not behind
ever new ones, and after it the rows that earlier holders wrote are all visible. It ends with the transaction.
"""

from typing import Final

from psycopg import Connection
from psycopg.rows import TupleRow

CENTRE_LOCK: Final = 0x53454E494D  # "SENIM"
TAKE_LOCK: Final = f"pg_advisory_xact_lock({CENTRE_LOCK})"


def hold_centre(connection: Connection[TupleRow]) -> None:
    """Wait for the lock and hold it to the end of the open transaction (Django: pass ``connection.connection``)."""
    connection.execute(f"SELECT {TAKE_LOCK}")
