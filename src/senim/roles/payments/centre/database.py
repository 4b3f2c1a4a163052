"""The Centre's connections: one for its batches (its own), one for reading on a thread beside the loop."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import psycopg
from psycopg.rows import TupleRow

from senim.roles.payments.centre.keyring import KeyRing
from senim.roles.payments.centre.problems import Problem

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS: Final = 3
REFRESH_SECONDS: Final = 1.0
READS_WAITING_MAX: Final = 200
# Bounds on everything that may hang.
_BATCH_OPTIONS: Final = (
    "-c timezone=UTC -c lock_timeout=20s -c statement_timeout=60s -c idle_in_transaction_session_timeout=30s "
    "-c synchronous_commit=on"
)
_READ_OPTIONS: Final = "-c timezone=UTC -c statement_timeout=5s -c default_transaction_read_only=on"

T = TypeVar("T")


def connect_for_batches(url: str) -> psycopg.Connection[TupleRow]:
    """A connection on which a transaction begins by itself and ends by ``commit``."""
    return psycopg.connect(
        url,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        options=_BATCH_OPTIONS,
        application_name="senim-centre",
        prepare_threshold=1,
    )


def connect_for_reading(url: str) -> psycopg.Connection[TupleRow]:
    """A connection that cannot write."""
    return psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        options=_READ_OPTIONS,
        application_name="senim-centre-reader",
    )


class Reader:
    """Runs queries one after another on a thread of its own, and keeps the key ring fresh."""

    def __init__(self, connect: Callable[[], psycopg.Connection[TupleRow]], keys: KeyRing) -> None:
        self._connect = connect
        self._keys = keys
        self._connection: psycopg.Connection[TupleRow] | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="centre-reader")
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self.is_database_up = False

    async def start(self) -> None:
        """Read the keys once, so that the first request finds them, then each second."""
        await self._refresh()
        self._task = asyncio.get_running_loop().create_task(self._keep_fresh())

    async def stop(self) -> None:
        """End the thread and the connection."""
        if self._task is not None:
            self._task.cancel()
        await asyncio.get_running_loop().run_in_executor(self._pool, self._close)
        self._pool.shutdown()

    async def read(self, query: Callable[[psycopg.Connection[TupleRow]], T]) -> T:
        """Run ``query`` beside the loop.

        Raises:
            Problem: 503, the database is away or too many wait.
        """
        if self._waiting >= READS_WAITING_MAX:
            raise Problem(503, "busy", "Too many readers wait.", remedy="Try again.", retry_after_seconds=1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, query)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            log.warning("the database is away: %s", error)
            raise Problem(
                503, "unavailable", "The database is out of reach.", remedy="Try again.", retry_after_seconds=2
            ) from None
        finally:
            self._waiting -= 1

    def _run(self, query: Callable[[psycopg.Connection[TupleRow]], T]) -> T:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = self._connect()
            answer = query(self._connection)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.is_database_up = False
            self._close()
            raise
        self.is_database_up = True
        return answer

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            await self.read(self._keys.load)
        except Problem:
            log.warning("the keys could not be read anew")
        except psycopg.Error:
            log.exception("the keys could not be read anew")
