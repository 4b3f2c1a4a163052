"""A load generator in a process of its own: signed requests over keep-alive sockets, answers counted and timed.

It does as little as it can for each request, since it shares the machine with what it measures. Started by the bench as
``python -m senim.roles.payments.centre.load`` with an order as JSON on standard input; tells its figures as JSON.
"""

import asyncio
import datetime as dt
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain
from typing import Final, cast

from senim.kernel.delivery.signatures import SigningKey, ed25519_signing_key, hmac_signing_key, sign_request

SINGLE_TARGET: Final = "/centre/v1/operations"
BATCH_TARGET: Final = "/centre/v1/operations:batch"
DRAWN: Final = 8_000
# A closed loop: every connection sends its next request when it has the answer to the last.


@dataclass(frozen=True, slots=True)
class Order:
    """What to send, for how many seconds. ``batch`` is 1 for singles; ``prepared`` requests are signed ahead."""

    port: int
    algorithm: str
    batch: int
    connections: int
    seconds: float
    prepared: int
    run: str
    banks: list[dict[str, str | list[str]]] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What came back: seconds of each request, answers by status."""

    latencies: list[float] = field(default_factory=list)
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    started: float = 0.0
    ended: float = 0.0


def requests(order: Order) -> Iterator[bytes]:
    """Whole HTTP requests, signed, without end."""
    chance = random.Random(order.run)  # noqa: S311 - traffic, not secrets
    signers = [(_signing_key(bank, order.algorithm), list(bank["customers"])) for bank in order.banks]
    everybody = [customer for _, customers in signers for customer in customers]
    # What differs between operations of a batch, beside their ids, is drawn beforehand: making it would cost as much as
    # what is measured.
    drawn = [[_operation(chance, customers, everybody)[1:] for _ in range(DRAWN)] for _, customers in signers]
    number = 0
    while True:
        bank = number % len(signers)
        key, customers = signers[bank]
        number += 1
        if order.batch == 1:
            name = f"{order.run}-{number:010d}"
            body = _operation(chance, customers, everybody).encode()
            yield _request(key, SINGLE_TARGET, body, name)
            continue
        start = chance.randrange(DRAWN - order.batch)
        operations = (
            f'{{"id":"{order.run}-{number:07d}-{index:04d}",{operation}'
            for index, operation in enumerate(drawn[bank][start : start + order.batch])
        )
        yield _request(key, BATCH_TARGET, f'{{"operations":[{",".join(operations)}]}}'.encode(), "")


def _signing_key(bank: dict[str, str | list[str]], algorithm: str) -> SigningKey:
    name, material = str(bank[f"{algorithm} key"]), bytes.fromhex(str(bank[algorithm]))
    return ed25519_signing_key(name, material) if algorithm == "ed25519" else hmac_signing_key(name, material)


def _operation(chance: random.Random, customers: list[str], everybody: list[str]) -> str:
    payer, payee = chance.choice(customers), chance.choice(everybody)
    while payee == payer:
        payee = chance.choice(everybody)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    return (
        f'{{"kind":"transfer","amount":"{chance.randint(1, 99)}.{chance.randint(0, 99):02d}","currency":"KZT",'
        f'"means":"qr","initiated_at":"{now}","debit_account":"{payer}","credit_account":"{payee}",'
        f'"end_to_end_id":"E2E-{chance.randint(0, 10**9)}"}}'
    )


def _request(key: SigningKey, target: str, body: bytes, name: str) -> bytes:
    fields = sign_request(key, "POST", target, body, name)
    lines = [
        f"POST {target} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{field}: {value}" for field, value in fields.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Caller(asyncio.Protocol):
    """One connection in its loop of request and answer."""

    def __init__(self, source: Iterator[bytes], tally: Tally, done: "asyncio.Future[None]") -> None:
        self._source = source
        self._tally = tally
        self._done = done
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are not derived from it
        self._next()

    def _next(self) -> None:
        request = next(self._source, None) if time.perf_counter() < self._tally.ended else None
        assert self._transport is not None
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take in an answer; when it is whole, count it and go on."""
        self._buffer = self._buffer + data if self._buffer else data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        at = head.index(b"content-length: ") + 16
        if len(body) < int(head[at : head.find(b"\r", at) if b"\r" in head[at:] else len(head)]):
            return
        self._buffer = b""
        tally = self._tally
        tally.latencies.append(time.perf_counter() - self._sent_at)
        if head.startswith(b"HTTP/1.1 200"):
            tally.accepted += body.count(b'"status":"accepted"')
            tally.refused += body.count(b'"status":"refused"')
        else:
            tally.failed += 1
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop of this connection has ended."""
        if exc is not None:
            self._tally.failed += 1
        if not self._done.done():
            self._done.set_result(None)


async def run(order: Order) -> Tally:
    """Send for the ordered time and tell what came back."""
    loop = asyncio.get_running_loop()
    # Signing ahead keeps its cost out of the measurement; a batch is cheap to sign, so batches are made on the way.
    made = requests(order)
    ahead = [next(made) for _ in range(order.prepared or 1)]
    source = iter(ahead) if order.prepared else chain(ahead, made)
    tally = Tally(started=time.perf_counter())
    tally.ended = tally.started + order.seconds
    waiting: list[asyncio.Future[None]] = []
    for _ in range(order.connections):
        done: asyncio.Future[None] = loop.create_future()
        waiting.append(done)
        await loop.create_connection(partial(Caller, source, tally, done), "127.0.0.1", order.port)
    await asyncio.gather(*waiting)
    tally.ended = time.perf_counter()
    return tally


def main() -> None:
    """Read the order, run, print the figures."""
    import uvloop

    order = Order(**json.load(sys.stdin))
    tally = uvloop.run(run(order))
    json.dump(asdict(tally), sys.stdout)


if __name__ == "__main__":
    main()
