"""The document store: files kept byte for byte under the SHA-256 of their content.

A document is written, flushed to the disk and renamed into place *before* the database row that names it commits, so
a row never names a file that a power cut could take away. A file without a row is harmless: the same content written
again takes the same name.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from senim.errors import SenimError

CHUNK_BYTES = 1 << 20
DIGEST_LENGTH = 64


class DocumentError(SenimError):
    """The document store could not do what was asked."""

    code = "documents.error"


class DocumentMissing(DocumentError):
    """The document is not in the store."""

    code = "documents.missing"


class DocumentDamaged(DocumentError):
    """The document's bytes are not those that were stored."""

    code = "documents.damaged"


class DocumentTooLarge(DocumentError):
    """The document is larger than is accepted here."""

    code = "documents.too_large"


@dataclass(frozen=True, slots=True)
class Stored:
    """What the row of a stored document keeps: the content's SHA-256 (64 hex digits) and its size in bytes."""

    sha256: str
    size_bytes: int


class Sink:
    """Takes the bytes of one document as they are made; ``stored`` is set when the document is safely in its place."""

    def __init__(self, handle: BinaryIO, limit_bytes: int | None) -> None:
        self._handle = handle
        self._digest = sha256()
        self._limit_bytes = limit_bytes
        self.size_bytes = 0
        self.stored: Stored | None = None

    def write(self, data: bytes) -> int:
        """Append bytes.

        Raises:
            DocumentTooLarge: the document has passed its limit; nothing of it is kept.
        """
        self.size_bytes += len(data)
        if self._limit_bytes is not None and self.size_bytes > self._limit_bytes:
            raise DocumentTooLarge(limit_bytes=self._limit_bytes)
        self._digest.update(data)
        return self._handle.write(data)

    def digest(self) -> str:
        """The SHA-256 of what was written so far, as 64 hex digits."""
        return self._digest.hexdigest()


class Store:
    """A folder of documents named by their content. Safe for any number of processes: a rename is all or nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def create(self, *, limit_bytes: int | None = None) -> Iterator[Sink]:
        """Write a document piece by piece; on leaving the block it is durable and ``sink.stored`` names it.

        An exception inside the block leaves nothing behind.
        """
        folder = self._folder(self.root / "incoming")
        descriptor, name = tempfile.mkstemp(dir=folder)  # mode 0600
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                sink = Sink(handle, limit_bytes)
                yield sink
                handle.flush()
                os.fsync(handle.fileno())
            digest = sink.digest()
            target = self._place(digest)
            self._folder(target.parent)
            temporary.rename(target)  # over an equal file: this also mends a damaged one
            _sync_folder(target.parent)
            sink.stored = Stored(digest, sink.size_bytes)
        finally:
            temporary.unlink(missing_ok=True)

    def put(self, stream: BinaryIO, *, limit_bytes: int | None = None) -> Stored:
        """Keep everything that ``stream`` still gives, in pieces of a mebibyte, and name it.

        Raises:
            DocumentTooLarge: the stream gave more than ``limit_bytes``; nothing is kept.
        """
        with self.create(limit_bytes=limit_bytes) as sink:
            while chunk := stream.read(CHUNK_BYTES):
                sink.write(chunk)
        return _finished(sink)

    def put_bytes(self, data: bytes) -> Stored:
        """Keep ``data`` and name it."""
        with self.create() as sink:
            sink.write(data)
        return _finished(sink)

    def open(self, digest: str) -> BinaryIO:
        """Open a stored document for reading, after checking every byte of it against its name.

        The check reads through the very descriptor that is returned, so nothing can be swapped in between.

        Raises:
            DocumentMissing: no such document, or not a digest at all.
            DocumentDamaged: the bytes on the disk have changed.
        """
        try:
            handle = self._place(digest).open("rb")
        except FileNotFoundError:
            raise DocumentMissing(sha256=digest) from None
        actual = sha256()
        while chunk := handle.read(CHUNK_BYTES):
            actual.update(chunk)
        if actual.hexdigest() != digest:
            handle.close()
            raise DocumentDamaged(sha256=digest)
        handle.seek(0)
        return handle

    def read(self, digest: str) -> bytes:
        """All bytes of a document that is known to be small. Raises as ``open``."""
        with self.open(digest) as handle:
            return handle.read()

    def path(self, digest: str) -> Path:
        """Where the document lies, for a server that sends files itself. Raises DocumentMissing."""
        place = self._place(digest)
        if not place.is_file():
            raise DocumentMissing(sha256=digest)
        return place

    def _place(self, digest: str) -> Path:
        # The digest may come from a URL: anything but 64 hex digits must not become a path.
        if len(digest) != DIGEST_LENGTH or not set(digest) <= set("0123456789abcdef"):
            raise DocumentMissing(sha256=digest[:DIGEST_LENGTH])
        return self.root / digest[:2] / digest

    @staticmethod
    def _folder(folder: Path) -> Path:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_folder(folder.parent)
        return folder


def _sync_folder(folder: Path) -> None:
    """Make names in ``folder`` durable: a file's own fsync does not cover the entry that names it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _finished(sink: Sink) -> Stored:
    assert sink.stored is not None, "a sink is finished when its block has been left"
    return sink.stored


def default() -> Store:
    """This deployment's store: ``DATA_DIR/files``."""
    from senim.runtime import config  # here, since a simulator keeps a store without being a deployment

    return Store(config.load().data_dir / "files")


def create(*, limit_bytes: int | None = None) -> AbstractContextManager[Sink]:
    """``Store.create`` of this deployment's store."""
    return default().create(limit_bytes=limit_bytes)


def put(stream: BinaryIO, *, limit_bytes: int | None = None) -> Stored:
    """``Store.put`` of this deployment's store."""
    return default().put(stream, limit_bytes=limit_bytes)


def put_bytes(data: bytes) -> Stored:
    """``Store.put_bytes`` of this deployment's store."""
    return default().put_bytes(data)


def open(digest: str) -> BinaryIO:  # noqa: A001 - read as ``store.open``
    """``Store.open`` of this deployment's store."""
    return default().open(digest)


def read(digest: str) -> bytes:
    """``Store.read`` of this deployment's store."""
    return default().read(digest)
