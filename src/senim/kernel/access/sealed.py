"""Small secrets at rest, encrypted with a key that is derived from the deployment's own secret key.

AES-256-GCM; the key comes from ``SECRET_KEY`` by HKDF-SHA256 (RFC 5869). A sealed secret is
``version ‖ 12-byte nonce ‖ ciphertext with tag``; ``purpose`` is authenticated, so that a value sealed for one use
opens in no other.
"""

import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from senim.errors import SenimError

VERSION = b"\x01"
NONCE_BYTES = 12


class NotOpened(SenimError):
    """The sealed secret cannot be opened: it was changed, or the deployment's secret key is another one."""

    code = "access.sealed_not_opened"


def seal(secret: bytes, purpose: str = "secret") -> bytes:
    """Encrypt ``secret``; the answer is ``len(secret) + 29`` bytes and never the same twice."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return VERSION + nonce + _cipher(settings.SECRET_KEY).encrypt(nonce, secret, purpose.encode())


def open_(sealed: bytes, purpose: str = "secret") -> bytes:
    """Return the secret that was sealed for ``purpose``. Keys in ``SECRET_KEY_FALLBACKS`` open too.

    Raises:
        NotOpened: the bytes were changed, are of another purpose, or of another deployment.
    """
    sealed = bytes(sealed)
    if sealed[:1] != VERSION:
        raise NotOpened
    nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return _cipher(key).decrypt(nonce, body, purpose.encode())
        except (InvalidTag, ValueError):
            continue
    raise NotOpened


@lru_cache(maxsize=8)
def _cipher(secret_key: str) -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"senim.kernel.access.sealed/1").derive(
        secret_key.encode()
    )
    return AESGCM(derived)
