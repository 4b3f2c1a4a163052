"""One connection to the Centre: uvicorn's, with a bound on how long the head of a request may take to come.

uvicorn bounds the rest between two requests (keep-alive) and the application the arrival of a body. Without this a
stranger could hold all connections with ones that say nothing, or a letter now and then.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT_SECONDS: Final = 10.0


class BoundedConnection(HttpToolsProtocol):
    """Hangs up on whoever does not say in time what it wants."""

    _timer: asyncio.TimerHandle | None = None
    _is_in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nothing to wait for any more."""
        self._unwatch()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first letter of a head has come."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._is_in_head = False
        self._unwatch()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """A head that comes in one piece, as almost all do, needs no timer."""
        super().data_received(data)
        if self._is_in_head:
            self._watch()

    def _watch(self) -> None:
        if self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self._give_up)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self._watch()  # reading rests while an earlier request is being answered: that is not the sender's fault
