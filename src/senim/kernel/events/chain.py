"""The chain over the register, sealed behind the writing so that no act waits for it.

Each event gets one link, in the order in which the sealer meets it:

    content = SHA-256(canonical form of the event)
    digest  = SHA-256(digest of the link before ‖ content)        the first link stands on 32 zero bytes

The canonical form is the JSON array of the columns named in ``COLUMNS``: UTF-8, object keys sorted, no spaces, no
escapes beyond those that JSON demands, moments as ``YYYY-MM-DDThh:mm:ss.ffffffZ``, days as ``YYYY-MM-DD``. Anyone can
check an export of it with any language's SHA-256.
"""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

GENESIS: Final = bytes(32)
BATCH: Final = 5_000
LOCK: Final = 0x5E41_4C00  # any constant number: the advisory lock that makes sealing the work of one at a time
COLUMNS: Final = (
    "id", "name", "actor_kind", "actor", "actor_label", "address", "record_type", "record_id",
    "began_at", "ended_at", "outcome", "reason", "data", "operating_day",
)  # fmt: skip

TAKE: Final = f"""
WITH next AS (
    SELECT queued.event_id FROM events_unsealed queued JOIN events_event event ON event.id = queued.event_id
    ORDER BY queued.event_id LIMIT %s
), taken AS (
    DELETE FROM events_unsealed USING next WHERE events_unsealed.event_id = next.event_id RETURNING next.event_id
)
SELECT {", ".join(f"event.{column}{'::text' if column == 'data' else ''}" for column in COLUMNS)}
FROM events_event event JOIN taken ON taken.event_id = event.id ORDER BY event.id
"""  # noqa: S608 - made of constants


def canonical(row: Sequence[Any]) -> bytes:
    """Return the canonical form of an event given as its columns in the order of ``COLUMNS``, ``data`` as JSON text."""
    values = [_plain(value) for value in row]
    values[COLUMNS.index("data")] = json.loads(row[COLUMNS.index("data")])
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def _plain(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, dt.date) else value


def link(before: bytes, row: Sequence[Any]) -> bytes:
    """Return the digest of the link of this event after the link whose digest is ``before``."""
    return sha256(before + sha256(canonical(row)).digest()).digest()


def seal(limit: int = BATCH) -> int:
    """Seal up to ``limit`` events that wait, in one transaction; return how many.

    Call it again while it returns ``limit``. Safe beside any writers and beside itself.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute("SELECT sequence, digest FROM events_seal ORDER BY sequence DESC LIMIT 1")
        last = cursor.fetchone()
        sequence, digest = (int(last[0]), bytes(last[1])) if last else (0, GENESIS)
        cursor.execute(TAKE, [limit])
        rows = cursor.fetchall()
        if rows:
            _store(cursor, sequence, _digests(digest, rows), [row[0] for row in rows])
        return len(rows)


def _digests(digest: bytes, rows: Iterable[Sequence[Any]]) -> list[bytes]:
    digests = []
    for row in rows:
        digest = link(digest, row)
        digests.append(digest)
    return digests


def _store(cursor: CursorWrapper, sequence: int, digests: list[bytes], event_ids: list[int]) -> None:
    cursor.execute(
        "INSERT INTO events_seal (sequence, event_id, digest, sealed_at)"
        " SELECT %s + number, event_id, digest, %s"
        " FROM unnest(%s::bigint[], %s::bytea[]) WITH ORDINALITY AS link (event_id, digest, number)",
        [sequence, timezone.now(), event_ids, digests],
    )
