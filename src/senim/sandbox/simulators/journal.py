"""An append-only journal of JSON lines: what a simulator has promised, safe against kill -9.

A line is durable when ``append`` returns. A line that was cut off by a crash is the last one and was never acknowledged
to anybody: it is dropped when the journal is opened again.
"""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Lines of one file, in order. One process writes it; its threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._cut_unfinished_line()

    def append(self, *lines: dict[str, Any]) -> None:
        """Add lines, all of them in one write, and wait until they are on the disk."""
        data = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines).encode()
        with self._guard:
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            os.fdatasync(self._descriptor)

    def read(self) -> Iterator[dict[str, Any]]:
        """All lines, oldest first."""
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)

    def rewrite(self, lines: list[dict[str, Any]]) -> None:
        """Replace the whole journal by ``lines``: all or nothing, whatever happens meanwhile."""
        draft = self._path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        Journal(draft).close_after(lines)
        with self._guard:
            draft.rename(self._path)
            _sync(self._path.parent)
            os.close(self._descriptor)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)

    def close_after(self, lines: list[dict[str, Any]]) -> None:
        """Add lines and close the file."""
        self.append(*lines)
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    @property
    def size_bytes(self) -> int:
        """How large the journal has grown."""
        return os.fstat(self._descriptor).st_size

    def _cut_unfinished_line(self) -> None:
        data = self._path.read_bytes()
        if data and not data.endswith(b"\n"):
            os.truncate(self._descriptor, data.rfind(b"\n") + 1)
            os.fsync(self._descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
