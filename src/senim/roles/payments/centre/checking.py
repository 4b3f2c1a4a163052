"""Ed25519 checks in a process of their own.

One check costs as much as all else that Python does for a single operation. In a thread it would wait for the
interpreter after each check; a process shares nothing, so checks run on another core while the loop reads the next
requests. What waits is sent together; the answer is one byte for each check. Should the process die, it is started
anew, and what it owed is checked here.
"""

import asyncio
import logging
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, cast

import msgspec

from senim.kernel.delivery.signatures import ed25519_checker

log = logging.getLogger(__name__)

CHECKS_WAITING_MAX: Final = 5_000
KEYS_REMEMBERED_MAX: Final = 4_096
RESTART_SECONDS: Final = 0.5
END_TIMEOUT_SECONDS: Final = 5.0
_LENGTH: Final = struct.Struct("!I")

checker = lru_cache(maxsize=KEYS_REMEMBERED_MAX)(ed25519_checker)


class Check(msgspec.Struct, array_like=True, gc=False):
    """A signature to be checked: the raw public key, the signature, and the bytes that it should be of."""

    public_key: bytes
    signature: bytes
    base: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Check]).decode


def check_all(checks: Sequence[Check]) -> bytes:
    """One byte for each check: 1 when the signature is right."""
    return bytes(checker(check.public_key)(check.signature, check.base) for check in checks)


class _Waiting(NamedTuple):
    check: Check
    future: "asyncio.Future[bool]"


class TooManyWait(Exception):
    """So many checks wait that a further one would only be late."""


class CheckingProcess(asyncio.Protocol):
    """The Centre's side. Everything here runs on the event loop; results come back in the order of the checks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._fresh: list[_Waiting] = []
        self._sent: deque[_Waiting] = deque()
        self._is_closing = False
        self._transport: asyncio.Transport | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process."""
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, str(number), pass_fds=[number]
            )
        await self._loop.create_connection(lambda: self, sock=ours)

    async def close(self) -> None:
        """End the process: it reads that the connection has ended."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), END_TIMEOUT_SECONDS)
            except TimeoutError:
                self._process.kill()

    def check(self, public_key: bytes, signature: bytes, base: bytes) -> "asyncio.Future[bool]":
        """Whether the signature is right, in time.

        Raises:
            TooManyWait: the bound on waiting checks is reached.
        """
        if len(self._sent) + len(self._fresh) >= CHECKS_WAITING_MAX:
            raise TooManyWait
        future: asyncio.Future[bool] = self._loop.create_future()
        if not self._fresh:
            self._loop.call_soon(self._flush)  # at the end of this turn, so that all that came in it go together
        self._fresh.append(_Waiting(Check(public_key, signature, base), future))
        return future

    def _flush(self) -> None:
        fresh, self._fresh = self._fresh, []
        self._sent.extend(fresh)
        if self._transport is None:
            self._check_here()
            return
        frame = _encode([waiting.check for waiting in fresh])
        self._transport.write(_LENGTH.pack(len(frame)) + frame)

    def _check_here(self) -> None:
        self._hand_back(check_all([waiting.check for waiting in self._sent]))

    def _hand_back(self, results: bytes) -> None:
        for result in results:
            future = self._sent.popleft().future
            if not future.done():
                future.set_result(result == 1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process can be written to."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take in results."""
        self._hand_back(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The process has ended; unless that was our wish, check here what it owed and start another."""
        self._transport = None
        if self._is_closing:
            return
        log.error("the process that checks signatures has ended; it is started anew: %s", exc)
        self._check_here()
        self._loop.call_later(RESTART_SECONDS, lambda: self._loop.create_task(self.start()))


def serve(connection: socket.socket, check: Callable[[Sequence[Check]], bytes] = check_all) -> None:
    """The process's side: answer frames until the Centre hangs up."""
    with connection, connection.makefile("rb") as incoming:
        while len(head := incoming.read(_LENGTH.size)) == _LENGTH.size:
            frame = incoming.read(_LENGTH.unpack(head)[0])
            connection.sendall(check(_decode(frame)))


if __name__ == "__main__":
    # Ctrl-C reaches the whole group: the Centre still needs its checks while it finishes what has begun.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        serve(socket.socket(fileno=int(sys.argv[1])))
    except ConnectionError:
        sys.exit(0)
