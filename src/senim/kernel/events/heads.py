"""Signed heads: how far the chain had come at a moment, signed by a key that the database does not hold.

Whoever can write to every table could compute the chain anew from any event on, or cut off its end; not the signature.
"""

import json
from collections.abc import Callable
from typing import ClassVar

from django.db import connection, transaction
from django.utils import timezone

from senim.errors import SenimError
from senim.kernel.events.models import Head, Seal

Sign = Callable[[bytes], str]
"""Signs the payload; gives a compact JWS."""
Check = Callable[[str], bytes | None]
"""Checks a compact JWS; gives its payload, or None when the signature is not ours."""


class ForgedHead(SenimError):
    """A head of the chain does not carry our signature."""

    code: ClassVar[str] = "events.forged_head"


def sign(signer: Sign) -> Head | None:
    """Sign the chain as far as it has come; None when nothing was sealed since the last head."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE events_head IN SHARE ROW EXCLUSIVE MODE")
        last = Seal.objects.order_by("-sequence").first()
        before = Head.objects.order_by("-sequence").first()
        if last is None or (before is not None and before.sequence >= last.sequence):
            return None
        signed_at = timezone.now()
        digest = bytes(last.digest)
        statement = {"digest": digest.hex(), "sequence": last.sequence, "signed_at": signed_at.isoformat()}
        signature = signer(json.dumps(statement, sort_keys=True).encode())
        return Head.objects.create(sequence=last.sequence, digest=digest, signed_at=signed_at, signature=signature)


def read(head: Head, check: Check) -> tuple[int, bytes]:
    """Return sequence and digest as they were signed.

    Raises:
        ForgedHead: the signature is not ours, or the row does not say what was signed.
    """
    payload = check(head.signature)
    if payload is None:
        raise ForgedHead(sequence=head.sequence)
    statement = json.loads(payload)
    signed = (int(statement["sequence"]), bytes.fromhex(statement["digest"]))
    if signed != (head.sequence, bytes(head.digest)):
        raise ForgedHead(sequence=head.sequence)
    return signed
