"""The worker process: jobs, periodic jobs and loops, until it is told to stop."""

import asyncio
import signal
import threading
import time
from typing import Final

import structlog
from procrastinate import App
from procrastinate.contrib.django import app

from senim.kernel.jobs import loops

log = structlog.get_logger(__name__)

GRACE_SECONDS: Final = 20.0
HEARTBEAT_SECONDS: Final = 5.0
LOST_SECONDS: Final = 20.0
"""A worker that has been silent for so long is taken for dead, and its jobs are given to others."""
RESTART_SECONDS: Final = 2.0


def run(concurrency: int = 2) -> None:
    """Work until SIGTERM or SIGINT: then take nothing new, finish what is under way, and return.

    A lost connection to the database ends nothing: the worker tries again until it is back.
    """
    stop = threading.Event()
    threads = loops.start(stop)
    log.info("worker_started", loops=len(threads), concurrency=concurrency)
    try:
        asyncio.run(_until_stopped(concurrency))
    finally:
        stop.set()
        ends_at = time.monotonic() + GRACE_SECONDS
        for thread in threads:
            thread.join(max(0.0, ends_at - time.monotonic()))
        log.info("worker_stopped", unfinished=[thread.name for thread in threads if thread.is_alive()])


async def _until_stopped(concurrency: int) -> None:
    stop = asyncio.Event()
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait())
    while not stop.is_set():
        # Listens for new jobs on connections of its own; deferring goes on through Django's, inside its transactions.
        worker = asyncio.create_task(_jobs(app.with_connector(app.connector.get_worker_connector()), concurrency))  # type: ignore[attr-defined]  # the Django connector has it
        await asyncio.wait({worker, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            log.error("worker_lost", error=repr(worker.exception()) if worker.done() else "")
            await asyncio.wait({stopped}, timeout=RESTART_SECONDS)
            continue
        worker.cancel()  # procrastinate takes this as the wish to stop, and finishes its jobs first
        await asyncio.wait({worker})


async def _jobs(worker_app: App, concurrency: int) -> None:
    async with worker_app.open_async():
        await worker_app.run_worker_async(
            concurrency=concurrency,
            install_signal_handlers=False,
            listen_notify=True,
            shutdown_graceful_timeout=GRACE_SECONDS,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=LOST_SECONDS,
        )
