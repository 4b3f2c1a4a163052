"""Running the Centre: the pieces put together under uvicorn."""

import asyncio
import gc
import os
import signal
import sys
from types import FrameType
from typing import Any, Final, NoReturn

from senim.roles.payments.centre.app import Centre, Receive, Scope, Send
from senim.roles.payments.centre.authentication import Authenticator
from senim.roles.payments.centre.checking import CheckingProcess
from senim.roles.payments.centre.connections import BoundedConnection
from senim.roles.payments.centre.database import Reader, connect_for_batches, connect_for_reading
from senim.roles.payments.centre.gatherer import Gatherer
from senim.roles.payments.centre.keyring import KeyRing

CONNECTIONS_MAX: Final = 2_000
DRAIN_TIMEOUT_SECONDS: Final = 30
KEEP_ALIVE_SECONDS: Final = 75
GARBAGE_OBJECTS_MAX: Final = 50_000
# A thread that waits for the interpreter gets it after this at the latest: batches and the loop share one.
SWITCH_SECONDS: Final = 0.0005


def open_secret(sealed: bytes) -> bytes:
    """A participant's shared secret in clear. Needs Django's settings (its secret key), but not its applications."""
    from senim.kernel.access.sealed import open_

    return open_(sealed)


def seal_secret(secret: bytes) -> bytes:
    """The inverse of :func:`open_secret`."""
    from senim.kernel.access.sealed import seal

    return seal(secret)


class Application:
    """The ASGI callable; the Centre behind it lives as long as the server."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._centre: Centre | None = None
        self._checking: CheckingProcess

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak ASGI 3: ``lifespan`` and ``http``."""
        if scope["type"] == "http":
            assert self._centre is not None, "the server calls lifespan first"
            await self._centre.handle(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def start(self) -> None:
        """Make the Centre. The database may come later: until then it answers 503."""
        loop = asyncio.get_running_loop()
        keys = KeyRing(open_secret)
        self._checking = CheckingProcess(loop)
        reader = Reader(lambda: connect_for_reading(self._database_url), keys)
        gatherer = Gatherer(lambda: connect_for_batches(self._database_url), loop)
        await reader.start()
        gatherer.start()
        await self._checking.start()
        self._centre = Centre(gatherer, keys, Authenticator(keys, self._checking), reader)
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not look at it again
        gc.set_threshold(GARBAGE_OBJECTS_MAX, 20, 20)  # a request leaves no cycles behind: look for some seldom

    async def stop(self) -> None:
        """Answer what is queued, then let go."""
        assert self._centre is not None
        await self._centre.gatherer.stop()
        await self._centre.reader.stop()
        await self._checking.close()


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def serve(host: str, port: int, database_url: str, **options: Any) -> None:
    """Serve until SIGTERM or SIGINT, then finish what has begun. ``options`` go to uvicorn.

    Needs ``DJANGO_SETTINGS_MODULE`` in the environment, for the key under which shared secrets are sealed.
    """
    import uvicorn

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "senim.settings.sandbox")
    sys.setswitchinterval(SWITCH_SECONDS)
    for polite in (signal.SIGTERM, signal.SIGINT):
        # uvicorn drains, and then raises the signal again for whoever was there before it: an end in good order.
        signal.signal(polite, _end)
    settings: dict[str, Any] = {
        "host": host,
        "port": port,
        "loop": "uvloop",
        "http": BoundedConnection,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,
        "limit_concurrency": CONNECTIONS_MAX,
        "backlog": 1_024,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": DRAIN_TIMEOUT_SECONDS,
    }
    uvicorn.run(Application(database_url), **(settings | options))
