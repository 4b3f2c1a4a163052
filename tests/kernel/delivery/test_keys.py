"""The deployment's own keys: made once, readable by nobody else."""

import json
import stat
import threading
from pathlib import Path

import pytest

from senim.errors import BadInput
from senim.kernel.delivery import keys, wire


def test_keys_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "delivery.json"
    made = keys.load_or_create(path, "us")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    again = keys.load_or_create(path, "another name")
    assert (again.code, again.signing.thumbprint()) == ("us", made.signing.thumbprint())
    public = json.loads((tmp_path / "keys" / "delivery.public.json").read_text(encoding="utf-8"))
    peer = wire.PeerKeys.from_jwks("us", *keys.split(public))
    assert peer.encryption.thumbprint() == made.encryption.thumbprint()
    assert sorted(child.name for child in path.parent.iterdir()) == ["delivery.json", "delivery.public.json"]


def test_processes_that_start_together_agree_on_one_pair(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "delivery.json"
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(keys.load_or_create(path, "us").signing.thumbprint()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("jwks", [{}, {"keys": []}, {"keys": [{"use": "sig"}]}, {"keys": ["x"]}])
def test_half_a_key_set_is_refused(jwks: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        keys.split(jwks)


def test_keys_do_not_show_in_logs() -> None:
    own = wire.OwnKeys.generate("us")
    assert str(own.signing.as_dict(private=True)["d"]) not in repr(own)
