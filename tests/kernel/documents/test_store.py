"""The document store keeps what it is given, whole and unchanged, or says that it could not."""

import io
import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senim.kernel.documents.store import DocumentDamaged, DocumentMissing, DocumentTooLarge, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "files")


@given(data=st.binary(max_size=5000))
def test_what_is_put_comes_back(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "any")
    stored = store.put(io.BytesIO(data))
    assert (stored.sha256, stored.size_bytes) == (sha256(data).hexdigest(), len(data))
    with store.open(stored.sha256) as handle:
        assert handle.read() == data


def test_equal_content_is_kept_once_and_only_its_owner_may_read_it(store: Store) -> None:
    first, second = store.put_bytes(b"statement"), store.put_bytes(b"statement")
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert first == second
    assert len(files) == 1
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in store.root.rglob("*") if path.is_dir())


def test_a_changed_byte_is_noticed_and_storing_again_mends_it(store: Store) -> None:
    stored = store.put_bytes(b"one hundred tenge")
    store.path(stored.sha256).write_bytes(b"two hundred tenge")
    with pytest.raises(DocumentDamaged) as caught:
        store.open(stored.sha256)
    assert caught.value.fields == {"sha256": stored.sha256}
    store.put_bytes(b"one hundred tenge")
    assert store.read(stored.sha256) == b"one hundred tenge"


@pytest.mark.parametrize("digest", ["0" * 64, "../../etc/passwd", "", "A" * 64, "/" + "0" * 63])
def test_only_digests_of_stored_documents_open(store: Store, digest: str) -> None:
    store.put_bytes(b"something")
    with pytest.raises(DocumentMissing):
        store.open(digest)


def test_a_document_over_its_limit_leaves_nothing(store: Store) -> None:
    with pytest.raises(DocumentTooLarge):
        store.put(io.BytesIO(b"x" * 3_000_000), limit_bytes=2_000_000)
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_a_failure_half_way_leaves_nothing(store: Store) -> None:
    def break_off() -> None:
        with store.create() as sink:
            sink.write(b"half of")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_content_is_on_the_disk_before_its_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda descriptor: (order.append("fsync"), real_fsync(descriptor))[1])
    monkeypatch.setattr(Path, "rename", lambda self, target: (order.append("rename"), real_rename(self, target))[1])
    store.put_bytes(b"first")
    order.clear()
    store.put_bytes(b"first")  # the folders exist now: what remains is the file, its name, and the name's folder
    assert order == ["fsync", "rename", "fsync"]
