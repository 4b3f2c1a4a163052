"""Transfers of a file between its checking and its recording: on disk, so that memory stays flat.

What takes time, reading and judging XML, is done before the Centre's lock is taken; under the lock the requests are
only read back.
"""

import struct
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import msgspec

from senim.roles.payments.rules.authorisation import OperationRequest

_LENGTH: Final = struct.Struct("!I")
BUFFER_BYTES: Final = 1024 * 1024


class Presented(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One transfer of a file: what the Centre is asked, what its answer has to repeat, and where it stands."""

    request: OperationRequest
    index: int
    line: int
    instruction_id: str
    end_to_end_id: str
    transaction_id: str
    uetr: str


class Spool:
    """Presented transfers in a temporary file that has no name and ends with the process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=BUFFER_BYTES)  # noqa: SIM115 - closed in __exit__
        self._encoder = msgspec.msgpack.Encoder()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, presented: Presented) -> None:
        """Append one transfer."""
        raw = self._encoder.encode(presented)
        self._file.write(_LENGTH.pack(len(raw)) + raw)

    def chunks(self, size: int) -> Iterator[list[Presented]]:
        """All transfers from the first, in lists of at most ``size``."""
        decoder = msgspec.msgpack.Decoder(Presented)
        self._file.seek(0)
        chunk: list[Presented] = []
        while head := self._file.read(_LENGTH.size):
            chunk.append(decoder.decode(self._file.read(_LENGTH.unpack(head)[0])))
            if len(chunk) == size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk
