"""Sending: a row in the caller's transaction, then tries by the worker until the signed receipt is here."""

import datetime as dt
import random
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import structlog
from django.db import transaction
from django.utils import timezone

from senim.errors import SenimError
from senim.kernel import events
from senim.kernel.delivery import http, keys, wire

if TYPE_CHECKING:  # models cannot be imported while this package itself is being loaded as an application
    from senim.kernel.delivery.models import Outgoing, Peer

log = structlog.get_logger(__name__)

ATTEMPTS_MAX: Final = 40
"""About a day and a half of trying, with the longest pause of an hour."""
PAUSE_SECONDS_MAX: Final = 3600
LEASE_SECONDS: Final = 120
"""An attempt whose worker is gone is taken up again after this; longer than any attempt may last."""
ACTOR: Final = events.Actor.job("delivery")


class PeerInactive(SenimError):
    """No messages go to this peer: it is not active."""

    code: ClassVar[str] = "delivery.peer_inactive"


class NotDead(SenimError):
    """The message is not among the undelivered: there is nothing to send again."""

    code: ClassVar[str] = "delivery.not_dead"


def add_peer(
    code: str, name: str, url: str, *, signing_jwk: dict[str, Any], encryption_jwk: dict[str, Any], actor: events.Actor
) -> "Peer":
    """Make an organisation known, or its address and keys known anew.

    Raises:
        BadInput: a key is no public key of the kind that is used here.
    """
    from senim.kernel.delivery.models import Peer

    public = wire.PeerKeys.from_jwks(code, signing_jwk, encryption_jwk)
    known = {
        "name": name,
        "url": url.rstrip("/"),
        "signing_jwk": public.signing.as_dict(private=False),
        "encryption_jwk": public.encryption.as_dict(private=False),
        "signing_kid": public.signing.thumbprint(),
    }
    with events.act("delivery.peer", actor, record=("peer", code), url=url, signing_kid=known["signing_kid"]):
        peer, _created = Peer.objects.update_or_create(code=code, defaults=known)
    return peer


def peer_keys(peer: "Peer") -> wire.PeerKeys:
    """The public keys of a peer."""
    return wire.PeerKeys.from_jwks(peer.code, peer.signing_jwk, peer.encryption_jwk)


def send(
    peer: "Peer",
    kind: str,
    payload: bytes,
    *,
    filename: str = "",
    content_type: str = "application/octet-stream",
    conversation: str = "",
    attachments: Sequence[wire.Attached] = (),
) -> "Outgoing":
    """Put a message into the queue, in the caller's transaction: it leaves when, and only if, that commits.

    Raises:
        PeerInactive: nothing goes to this peer.
        TooLarge: one envelope does not hold it.
    """
    from senim.kernel.delivery.models import Attachment, Outgoing

    if not peer.active:
        raise PeerInactive(peer=peer.code)
    wire.check_size(payload, tuple(attachments))
    now = timezone.now()
    with transaction.atomic():
        message = Outgoing.objects.create(
            peer=peer,
            kind=kind,
            conversation=conversation,
            filename=filename,
            content_type=content_type,
            body=payload,
            created_at=now,
            next_at=now,
        )
        Attachment.objects.bulk_create(
            Attachment(
                outgoing=message, position=position, filename=one.filename, content_type=one.content_type, body=one.body
            )
            for position, one in enumerate(attachments)
        )
    return message


def resend(message_id: uuid.UUID, actor: events.Actor) -> "Outgoing":
    """Try an undelivered message again. One that the peer refused is sent as a new message: it has judged the old one.

    Raises:
        Outgoing.DoesNotExist: there is no such message.
        NotDead: it is on its way, or delivered.
    """
    from senim.kernel.delivery.models import Outgoing

    with events.act("delivery.resend", actor, record=("outgoing", message_id)) as act:
        message = Outgoing.objects.select_for_update(of=("self",)).select_related("peer").get(pk=message_id)
        if message.state != Outgoing.State.DEAD:
            raise NotDead(message_id=str(message_id), state=message.state)
        if message.receipt:
            files = tuple(message_of(message).attachments)
            again = send(
                message.peer,
                message.kind,
                bytes(message.body),
                filename=message.filename,
                content_type=message.content_type,
                conversation=message.conversation,
                attachments=files,
            )
            act.data["sent_as"] = again.pk
            return again
        message.state, message.attempts, message.next_at, message.finished_at = "waiting", 0, timezone.now(), None
        message.save(update_fields=["state", "attempts", "next_at", "finished_at"])
    return message


def message_of(row: "Outgoing") -> wire.Message:
    """The wire form of a row: the same at each attempt, so that the recipient knows a repetition."""
    attached = row.attachments.order_by("position")
    return wire.Message(
        id=row.pk,
        kind=row.kind,
        body=bytes(row.body),
        created_at=row.created_at,
        conversation=row.conversation,
        filename=row.filename,
        content_type=row.content_type,
        attachments=tuple(wire.Attached(one.filename, one.content_type, bytes(one.body)) for one in attached),
    )


def pause_seconds(attempts: int, chance: float) -> float:
    """How long to wait after so many failed attempts: doubling from a second to an hour, between half and all of it.

    ``chance`` in [0, 1) spreads those who failed together, so that they do not come back together.
    """
    whole = min(2.0 ** min(attempts - 1, 20), PAUSE_SECONDS_MAX)
    return whole * (0.5 + chance / 2)


def deliver_due(limit: int = 100) -> int:
    """Make one attempt for each message that is due, up to ``limit``; return how many were made.

    Safe in any number of threads and processes. An attempt whose process dies is made again when its lease is over.
    """
    made = 0
    while made < limit and (message := _claim()) is not None:
        _attempt(message)
        made += 1
    return made


def _claim() -> "Outgoing | None":
    """Take one due message for ourselves for ``LEASE_SECONDS``; no transaction stays open while we talk to the peer."""
    from senim.kernel.delivery.models import Outgoing

    now = timezone.now()
    with transaction.atomic():
        message = (
            Outgoing.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("peer")
            .filter(state__in=[Outgoing.State.WAITING, Outgoing.State.SENT], next_at__lte=now, peer__active=True)
            .order_by("next_at")
            .first()
        )
        if message is not None:
            message.attempts += 1
            message.next_at = now + dt.timedelta(seconds=LEASE_SECONDS)
            message.save(update_fields=["attempts", "next_at"])
    return message


def _attempt(row: "Outgoing") -> None:
    peer = row.peer
    try:
        message, theirs = message_of(row), peer_keys(peer)
        answer = http.post(f"{peer.url}/delivery/v1/messages", wire.seal(message, keys.own(), theirs))
        receipt = wire.open_receipt(answer, theirs, message.id, message.digest)
    except http.Unreachable as error:
        _put_off(row, error, reached=False)
    except SenimError as error:
        _put_off(row, error, reached=True)
    else:
        _conclude(row, receipt, answer)


def _conclude(row: "Outgoing", receipt: wire.Receipt, token: str) -> None:
    """Keep the peer's word, whichever it is."""
    from senim.kernel.delivery.models import Outgoing

    with events.act("delivery.send", ACTOR, record=("outgoing", row.pk), peer=row.peer.code, kind=row.kind) as act:
        act.data["attempts"] = row.attempts
        if not receipt.accepted:
            act.refuse(receipt.reason)
        # A receipt is the end of the matter, even if another attempt was given up for lost and counted meanwhile.
        Outgoing.objects.filter(pk=row.pk).exclude(state=Outgoing.State.RECEIPTED).update(
            state=Outgoing.State.RECEIPTED if receipt.accepted else Outgoing.State.DEAD,
            receipt=token,
            finished_at=timezone.now(),
            last_error="" if receipt.accepted else f"refused: {receipt.reason}"[:255],
        )


def _put_off(row: "Outgoing", error: SenimError, *, reached: bool) -> None:
    """Note what went wrong and when to try again; after too many attempts, lay the message among the undelivered."""
    from senim.kernel.delivery.models import Outgoing

    now = timezone.now()
    problem = f"{error.code}: {error.message}"[:255]
    mine = Outgoing.objects.filter(
        pk=row.pk, state__in=[Outgoing.State.WAITING, Outgoing.State.SENT], attempts=row.attempts
    )
    log.warning(
        "delivery_attempt_failed", message=str(row.pk), peer=row.peer.code, attempts=row.attempts, problem=problem
    )
    if row.attempts >= ATTEMPTS_MAX:
        with transaction.atomic():
            if mine.update(state=Outgoing.State.DEAD, finished_at=now, last_error=problem):
                events.note("delivery.send", ACTOR, ("outgoing", row.pk), outcome="failed", reason=problem)
        return
    pause = dt.timedelta(seconds=pause_seconds(row.attempts, random.random()))  # noqa: S311 - spreading, not secrecy
    state = Outgoing.State.SENT if reached and isinstance(error, wire.BadReceipt) else Outgoing.State.WAITING
    mine.update(next_at=now + pause, last_error=problem, state=state)
    if not reached:
        # The peer is away: its other messages need not each wait for the same silence.
        others = Outgoing.objects.filter(peer=row.peer, state__in=[Outgoing.State.WAITING, Outgoing.State.SENT])
        others.filter(next_at__lte=now).update(next_at=now + pause)
