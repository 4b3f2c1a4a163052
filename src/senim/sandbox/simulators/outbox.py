"""Operations that a bank has begun and the Centre has not answered yet: kept, so that a crash asks again, not twice."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from senim.sandbox.simulators.journal import Journal

COMPACT_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Begun:
    """An operation under its key, as the very bytes that were sent first: the same request gets the same answer."""

    key: str
    body: bytes


class Outbox:
    """The bank's open operations, oldest first, in a journal that is rewritten when it has grown."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._guard = threading.Lock()
        self._open: dict[str, Begun] = {}
        for line in self._journal.read():
            if "body" in line:
                self._open[line["key"]] = Begun(line["key"], line["body"].encode())
            else:
                self._open.pop(line["key"], None)

    def begin(self, begun: Begun) -> None:
        """Promise to carry the operation to an answer."""
        with self._guard:
            self._open[begun.key] = begun
            self._journal.append(_line(begun))

    def finish(self, key: str) -> None:
        """The operation has its answer."""
        with self._guard:
            self._open.pop(key, None)
            self._journal.append({"key": key})
            if self._journal.size_bytes > COMPACT_BYTES:
                self._journal.rewrite([_line(begun) for begun in self._open.values()])

    def open(self) -> list[Begun]:
        """What has no answer yet."""
        with self._guard:
            return list(self._open.values())

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()


def _line(begun: Begun) -> dict[str, str]:
    return {"key": begun.key, "body": begun.body.decode()}
