"""Requests become batches: one thread takes whatever has arrived and authorises it in one transaction.

While it waits for the database, the event loop reads and checks the next requests; so the busier it is, the larger the
batches and the cheaper each operation. Answers go back to the loop only after the commit.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow

from senim.ledger.errors import LedgerContention
from senim.roles.payments.centre.problems import Problem
from senim.roles.payments.rules.authorisation import Answer
from senim.roles.payments.services.authorise import LedgerDisagrees, NoOpenDay, authorise_arrivals
from senim.roles.payments.services.recording import Arrival

log = logging.getLogger(__name__)

QUEUE_OPERATIONS_MAX: Final = 20_000
BATCH_OPERATIONS_MAX: Final = 8_000
TRIES_MAX: Final = 5
LOOK_UP_BATCHES: Final = 32
"""Repeats come in clusters (a participant's time-out, a lost answer). Batches do not look their keys up until one meets
a repeat, which the unique index finds; so many batches after it then look first."""
DAY_WAIT_SECONDS: Final = 3.0
"""At midnight the next day opens a moment after the old one has ended; so long is waited before saying that none is."""
DAY_POLL_SECONDS: Final = 0.1

# Two writers met, or a row was written twice at once: nothing is wrong, the transaction has to be run again.
_AGAIN: Final = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.UniqueViolation,
    errors.LockNotAvailable,
    LedgerContention,
    LedgerDisagrees,
)

Connect = Callable[[], psycopg.Connection[TupleRow]]


class Submission(NamedTuple):
    """The operations of one HTTP request and where their answers are awaited."""

    arrivals: Sequence[Arrival]
    future: "asyncio.Future[list[Answer]]"


class Gatherer:
    """The queue and its thread. Made and used on the event loop's thread; only ``_run`` is on the other."""

    def __init__(self, connect: Connect, loop: asyncio.AbstractEventLoop) -> None:
        self._connect = connect
        self._loop = loop
        self._queue: SimpleQueue[Submission | None] = SimpleQueue()
        self._connection: psycopg.Connection[TupleRow] | None = None
        self._thread = threading.Thread(target=self._run, name="centre-batches", daemon=True)
        self._look_up_batches = LOOK_UP_BATCHES  # whoever got no answer from a Centre before this one asks again now
        self.queued_operations = 0
        self.is_stopping = False

    def start(self) -> None:
        """Begin to take batches."""
        self._thread.start()

    async def stop(self) -> None:
        """Decide what is queued, then end the thread."""
        self.is_stopping = True
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def submit(self, arrivals: Sequence[Arrival]) -> "asyncio.Future[list[Answer]]":
        """Queue the operations of a request.

        Raises:
            Problem: 503, the queue is full or the Centre is being stopped.
        """
        if self.is_stopping:
            raise Problem(503, "stopping", "The Centre is being stopped.", remedy="Try again.", retry_after_seconds=2)
        if self.queued_operations + len(arrivals) > QUEUE_OPERATIONS_MAX:
            raise Problem(503, "busy", "The Centre's queue is full.", remedy="Try again.", retry_after_seconds=1)
        future: asyncio.Future[list[Answer]] = self._loop.create_future()
        self.queued_operations += len(arrivals)
        self._queue.put(Submission(arrivals, future))
        return future

    def _run(self) -> None:
        is_last = False
        while not is_last:
            batch, is_last = self._take()
            if batch:
                self._process(batch)
        if self._connection is not None:
            self._connection.close()

    def _take(self) -> tuple[list[Submission], bool]:
        """Wait for a request, then take all that are queued, up to the bound; True when it is time to end."""
        first = self._queue.get()
        if first is None:
            return [], True
        batch = [first]
        count = len(first.arrivals)
        while count < BATCH_OPERATIONS_MAX:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                return batch, True
            batch.append(following)
            count += len(following.arrivals)
        return batch, False

    def _process(self, batch: list[Submission]) -> None:
        arrivals = [arrived for submission in batch for arrived in submission.arrivals]
        try:
            answers = self._authorise(arrivals)
        except Problem as problem:
            self._give_up(batch, problem)
        except Exception:
            log.exception("a batch of %d requests failed", len(batch))
            if len(batch) == 1:
                self._give_up(batch, Problem(500, "internal", "The Centre failed; nothing was recorded."))
            else:
                # One of them may be what fails: let the others not suffer for it.
                for submission in batch:
                    self._process([submission])
        else:
            self._loop.call_soon_threadsafe(self._answer, batch, answers)

    def _authorise(self, arrivals: Sequence[Arrival]) -> list[Answer]:
        """Run the transaction until it commits. Running it twice is harmless: the keys make every operation once.

        Raises:
            Problem: 503, the database is away, no day is open, or others kept getting in the way.
        """
        deadline = time.monotonic() + DAY_WAIT_SECONDS
        tries = 0
        while True:
            try:
                return self._transaction(arrivals)
            except NoOpenDay:
                if time.monotonic() > deadline:
                    raise Problem(
                        503,
                        "no_open_day",
                        "No operating day is open to which the operation could belong.",
                        remedy="Try again.",
                        retry_after_seconds=5,
                    ) from None
                time.sleep(DAY_POLL_SECONDS)
            except _AGAIN as error:
                tries += 1
                if isinstance(error, errors.UniqueViolation):
                    self._look_up_batches = LOOK_UP_BATCHES
                log.warning("batch is run again: %s", type(error).__name__)
                if tries >= TRIES_MAX:
                    raise Problem(
                        503, "busy", "Others kept getting in the way.", remedy="Try again.", retry_after_seconds=1
                    ) from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                tries += 1
                log.warning("the database is away: %s", error)
                # The first try may have met a connection that died while idle; the second one is fresh.
                if tries >= 2:
                    raise Problem(
                        503,
                        "unavailable",
                        "The database is out of reach. Whether the operation was recorded is not known.",
                        remedy="Send the same request again: its key keeps it from being carried out twice.",
                        retry_after_seconds=2,
                    ) from error

    def _transaction(self, arrivals: Sequence[Arrival]) -> list[Answer]:
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connection = self._connect()
        try:
            answers = authorise_arrivals(connection, arrivals, looks_up_keys=self._look_up_batches > 0)
            connection.commit()
            self._look_up_batches = max(self._look_up_batches - 1, 0)
        except BaseException:
            self._roll_back(connection)
            raise
        return answers

    def _roll_back(self, connection: psycopg.Connection[TupleRow]) -> None:
        """Leave the connection ready for the next batch, or without one when it is broken."""
        try:
            connection.rollback()
        except psycopg.Error:
            connection.close()
            self._connection = None

    def _give_up(self, batch: list[Submission], problem: Problem) -> None:
        self._loop.call_soon_threadsafe(self._refuse, batch, problem)

    def _answer(self, batch: list[Submission], answers: list[Answer]) -> None:
        """On the loop: hand each request its answers. Whoever has hung up meanwhile finds them by the same key."""
        at = 0
        for arrivals, future in batch:
            if not future.done():
                future.set_result(answers[at : at + len(arrivals)])
            at += len(arrivals)
        self.queued_operations -= at

    def _refuse(self, batch: list[Submission], problem: Problem) -> None:
        for arrivals, future in batch:
            if not future.done():
                future.set_exception(problem)
            self.queued_operations -= len(arrivals)
