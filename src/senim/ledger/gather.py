"""Single transfers from many threads, gathered into batches.

A commit costs one wait for the disk whether it holds one transfer or a thousand. So callers hand their transfer to one
writer and sleep; the writer takes whatever has gathered while the batch before was written, posts it in one
transaction, and wakes every caller with its result once that is durable.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from psycopg import Connection
from psycopg.errors import DeadlockDetected, OperationalError, SerializationFailure
from psycopg.rows import TupleRow

from senim.ledger.errors import LedgerContention, LedgerError
from senim.ledger.posting import post_alone
from senim.ledger.types import Result, Transfer

BATCH_MAX: Final = 8_000
QUEUE_MAX: Final = 100_000
ATTEMPTS_MAX: Final = 5
PATIENCE_STEPS: Final = 5
PATIENCE_STEP_SECONDS: Final = 0.0001


class GathererClosed(LedgerError):
    """The gatherer was closed before it could post the transfer."""

    code = "ledger.gatherer_closed"


class GathererFull(LedgerError):
    """Too many transfers are waiting; nothing was posted, try again later."""

    code = "ledger.gatherer_full"


class _Waiting:
    """One caller and its transfer. The lock is held until the result is there."""

    __slots__ = ("error", "lock", "result", "transfer")

    def __init__(self, transfer: Transfer) -> None:
        self.transfer = transfer
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.lock = threading.Lock()
        self.lock.acquire()


class Gatherer:
    """Posts single transfers for any number of threads over one connection that it owns.

    ``connect`` makes the connection (autocommit); after a lost connection it is called again. Use as a context manager.
    """

    def __init__(self, connect: Callable[[], Connection[TupleRow]]) -> None:
        self._connect = connect
        self._queue: deque[_Waiting] = deque()
        self._wake = threading.Semaphore(0)
        self._is_asleep = False
        self._is_closed = False
        self._expected = 1
        self._thread = threading.Thread(target=self._run, name="ledger-gatherer")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Post what is waiting, then stop."""
        self._is_closed = True
        self._wake.release()
        self._thread.join()
        self._refuse_the_rest()

    def post(self, transfer: Transfer) -> Result:
        """Post one transfer; returns when it is durable (or refused).

        If this raises, the outcome is unknown: post the same transfer again, its id keeps it from moving twice.
        """
        waiting = _Waiting(transfer)
        if len(self._queue) >= QUEUE_MAX:
            raise GathererFull(waiting=QUEUE_MAX)
        self._queue.append(waiting)
        if self._is_closed:
            # The writer may have looked at the queue for the last time already.
            self._thread.join()
            self._refuse_the_rest()
        elif self._is_asleep:
            self._wake.release()
        waiting.lock.acquire()
        if waiting.error is not None:
            raise waiting.error
        assert waiting.result is not None
        return waiting.result

    def _run(self) -> None:
        connection: Connection[TupleRow] | None = None
        while True:
            batch = self._take()
            if batch is None:
                break
            try:
                if connection is None or connection.closed:
                    connection = self._connect()
                results = _post_with_retries(connection, [waiting.transfer for waiting in batch])
            except BaseException as error:  # noqa: BLE001 every caller must be woken, with the reason
                for waiting in batch:
                    waiting.error = error
                    waiting.lock.release()
                continue
            for waiting, result in zip(batch, results, strict=True):
                waiting.result = result
                waiting.lock.release()
        if connection is not None:
            connection.close()

    def _take(self) -> list[_Waiting] | None:
        """What has gathered, in order; None when closed and empty."""
        queue = self._queue
        while not queue:
            if self._is_closed:
                return None
            self._is_asleep = True
            # Look again after saying so: a caller that saw us awake did not wake us.
            if not queue and not self._is_closed:
                self._wake.acquire()
            self._is_asleep = False
        self._wait_for_the_usual()
        count = min(len(queue), BATCH_MAX)
        self._expected = max(count, self._expected - 1)
        return [queue.popleft() for _ in range(count)]

    def _wait_for_the_usual(self) -> None:
        """Callers that were woken together come back together: a moment's patience makes one batch of them."""
        for _ in range(PATIENCE_STEPS):
            if len(self._queue) >= self._expected:
                return
            time.sleep(PATIENCE_STEP_SECONDS)

    def _refuse_the_rest(self) -> None:
        """Wake whoever came too late with an error, so that nobody waits for ever."""
        while True:
            try:
                waiting = self._queue.popleft()
            except IndexError:
                return
            waiting.error = GathererClosed()
            waiting.lock.release()


def _post_with_retries(connection: Connection[TupleRow], transfers: Sequence[Transfer]) -> Sequence[Result]:
    """Post in one transaction; what other writers may cause (deadlock, contention) is tried again a few times."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return list(post_alone(connection, transfers))
        except (DeadlockDetected, SerializationFailure, LedgerContention):
            if attempt == ATTEMPTS_MAX:
                raise
        except OperationalError:
            connection.close()
            raise
    raise AssertionError("unreachable")
