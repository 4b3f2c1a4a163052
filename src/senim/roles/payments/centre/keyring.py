"""The keys that participants sign with, held in memory and read anew each second.

So a revoked key stops working within a second. Whether a participant is active is not decided here: every batch reads
that in its own transaction, and a suspended participant's operations are refused on record (AG01), with its key still
good for reading what was.
"""

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.rows import TupleRow

from senim.kernel.delivery.signatures import (
    ED25519,
    HMAC_SHA256,
    SignatureInput,
    VerificationKey,
    check_fresh,
    check_suits,
    verification_key,
)

log = logging.getLogger(__name__)

_KEYS: Final = """
SELECT k.key_id, k.algorithm, k.material, p.id, extract(epoch FROM k.valid_from)::float8,
       extract(epoch FROM least(k.valid_until, k.revoked_at))::float8
FROM payments_participantkey k JOIN payments_participant p ON p.id = k.participant_id
WHERE p.state IN ('active', 'suspended')
ORDER BY k.key_id
"""
_ROLES: Final = "SELECT id FROM payments_participant WHERE role = 'settlement_bank'"


class KeyRow(NamedTuple):
    """A key as it is stored; an HMAC secret is sealed. Moments are seconds of the epoch."""

    key_id: str
    algorithm: str
    material: bytes
    participant_id: int
    valid_from: float
    valid_until: float | None


# A request by an unknown key is checked against these, so that it takes as long to refuse as a known one's. Nobody has
# the private halves, and their owner, 0, is no participant.
_DECOYS: Final = {
    ED25519: verification_key("", ED25519, Ed25519PrivateKey.generate().public_key().public_bytes_raw(), 0),
    HMAC_SHA256: verification_key("", HMAC_SHA256, secrets.token_bytes(32), 0),
}


class KeyRing:
    """Keys by their ids. Replaced as a whole, so readers need no lock."""

    def __init__(self, open_secret: Callable[[bytes], bytes]) -> None:
        self._open_secret = open_secret
        self._rows: tuple[KeyRow, ...] = ()
        self._keys: Mapping[str, VerificationKey] = {}
        self.settlement_banks: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self._keys)

    def load(self, connection: psycopg.Connection[TupleRow]) -> None:
        """Read the keys; does nothing more when none has changed."""
        rows = tuple(KeyRow(row[0], row[1], bytes(row[2]), *row[3:]) for row in connection.execute(_KEYS, prepare=True))
        self.settlement_banks = frozenset(row[0] for row in connection.execute(_ROLES, prepare=True))
        if rows != self._rows:
            self._keys = self._made(rows)
            self._rows = rows

    def _made(self, rows: Iterable[KeyRow]) -> dict[str, VerificationKey]:
        keys: dict[str, VerificationKey] = {}
        for row in rows:
            try:
                material = self._open_secret(row.material) if row.algorithm == HMAC_SHA256 else row.material
                keys[row.key_id] = verification_key(
                    row.key_id, row.algorithm, material, row.participant_id, row.valid_from, row.valid_until
                )
            except Exception:
                # One key that cannot be read must not shut out the other participants.
                log.exception("key %s cannot be used", row.key_id)
        return keys

    def find(self, parsed: SignatureInput, now: float) -> VerificationKey:
        """The key a request says it is signed with, or a decoy whose owner is 0, of which nothing will be accepted.

        Raises:
            SignatureRefused: the signature is stale or does not suit the key.
        """
        check_fresh(parsed, now)
        key = self._keys.get(parsed.key_id)
        if key is None:
            return _DECOYS[ED25519 if len(parsed.signature) == 64 else HMAC_SHA256]
        check_suits(parsed, key, now)
        return key
