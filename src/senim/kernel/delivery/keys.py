"""This deployment's own keys: made at first start, in a file that only its account can read, never in the database."""

import json
import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from senim.kernel.delivery.wire import OwnKeys

FILE: Final = "delivery.json"


def load_or_create(path: Path, code: str) -> OwnKeys:
    """Return the keys kept in ``path``, making them once.

    Of several processes that start together the first to put its file there wins, and all use that one. The public half
    lies beside it as ``<name>.public.json``, a JWK set to hand to peers.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        _write(fresh, OwnKeys.generate(code).to_json(), 0o600)
        try:
            os.link(fresh, path)  # atomic, and never replaces a file that is there
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    keys = OwnKeys.from_json(path.read_text(encoding="utf-8"))
    public = path.with_name(f"{path.stem}.public.json")
    if not public.exists():
        _write(
            public.with_name(f".{public.name}.{secrets.token_hex(8)}"),
            json.dumps(keys.public.as_jwks(), indent=1),
            0o644,
            public,
        )
    return keys


def _write(path: Path, text: str, mode: int, target: Path | None = None) -> None:
    """Write a file that is whole on the disk before anybody can see it under its name."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if target:
        path.replace(target)


def own() -> OwnKeys:
    """The keys of this deployment."""
    from django.conf import settings

    return _loaded(Path(settings.SENIM_DATA_DIR) / "keys" / FILE, settings.SENIM_ORGANISATION)


@lru_cache(maxsize=4)
def _loaded(path: Path, code: str) -> OwnKeys:
    return load_or_create(path, code)


def split(jwks: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the signing key and the encryption key of a JWK set as ``as_jwks`` writes it.

    Raises:
        BadInput: the set lacks one of them.
    """
    from senim.errors import BadInput

    by_use = {str(key.get("use")): key for key in jwks.get("keys", []) if isinstance(key, dict)}
    if not {"sig", "enc"} <= by_use.keys():
        raise BadInput("The key set lacks a key for signing or a key for encryption.")
    return by_use["sig"], by_use["enc"]
