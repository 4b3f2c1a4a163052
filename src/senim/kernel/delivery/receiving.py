"""Receiving: kept, acted upon and receipted in one transaction; a repetition gets the same receipt and does nothing."""

from typing import ClassVar

from django.db import IntegrityError, transaction
from django.utils import timezone

from senim.errors import BadInput, SenimError
from senim.kernel import events
from senim.kernel.delivery import keys, refusals, wire
from senim.kernel.delivery.models import Attachment, Incoming, Peer
from senim.kernel.delivery.registry import receiver_of
from senim.kernel.delivery.sending import peer_keys


class MessageIdReused(BadInput):
    """The sender has used this message id for another content before."""

    code: ClassVar[str] = "delivery.message_id_reused"


def receive(envelope: bytes) -> str:
    """Take an envelope and return our signed receipt, to the first arrival and to every repetition alike.

    Raises:
        BadEnvelope, UnknownSender, BadSignature, TooLarge: as ``wire.open_``; nothing is kept but an event,
            where there are not too many.
        MessageIdReused: the id is known, the content is another.
        Anything a handler raises that is not a ``SenimError``: nothing is kept, and the sender will try again.
    """
    try:
        opened = wire.open_(envelope, keys.own(), _find_sender)
    except SenimError as error:
        refusals.note(error)
        raise
    peer = Peer.objects.get(code=opened.sender.code)
    message_id = opened.message.id
    known = Incoming.objects.filter(peer=peer, message_id=message_id).first()
    if known is None:
        try:
            return _take(peer, opened)
        except _Overtaken:
            known = Incoming.objects.get(peer=peer, message_id=message_id)
    if known.digest != opened.digest:
        with events.act("delivery.receive", events.Actor.peer(peer.code, peer.name), record=("message", message_id)):
            raise MessageIdReused(message_id=str(message_id), peer=peer.code)
    return known.receipt


class _Overtaken(Exception):
    """The same message was taken in another transaction while we were at it."""


def _find_sender(kid: str) -> wire.PeerKeys | None:
    peer = Peer.objects.filter(signing_kid=kid, active=True).first()
    return peer_keys(peer) if peer else None


def _take(peer: Peer, opened: wire.Opened) -> str:
    message = opened.message
    actor = events.Actor.peer(peer.code, peer.name)
    try:
        with transaction.atomic():
            incoming = _keep(peer, opened)
            with events.act("delivery.receive", actor, record=("message", message.id), kind=message.kind) as act:
                refusal = _handle(incoming)
                if refusal:
                    act.refuse(refusal)
                    incoming.state, incoming.reason = Incoming.State.REFUSED, refusal
                word = wire.Receipt(message.id, opened.digest, not refusal, refusal, incoming.received_at)
                incoming.receipt = wire.sign_receipt(word, keys.own())
                incoming.save(update_fields=["state", "reason", "receipt"])
    except IntegrityError as error:
        if "incoming_once" in str(error):
            raise _Overtaken from error
        raise
    return incoming.receipt


def _keep(peer: Peer, opened: wire.Opened) -> Incoming:
    """Write the message down; of two arrivals at once the second waits here for the first, and learns of it."""
    message = opened.message
    incoming = Incoming.objects.create(
        peer=peer,
        message_id=message.id,
        kind=message.kind,
        conversation=message.conversation,
        filename=message.filename,
        content_type=message.content_type,
        body=message.body,
        signed=opened.signed,
        digest=opened.digest,
        received_at=timezone.now(),
        state=Incoming.State.ACCEPTED,
    )
    Attachment.objects.bulk_create(
        Attachment(
            incoming=incoming, position=position, filename=one.filename, content_type=one.content_type, body=one.body
        )
        for position, one in enumerate(message.attachments)
    )
    return incoming


def _handle(incoming: Incoming) -> str:
    """Let the kind's function act; return why it refused, or nothing."""
    function = receiver_of(incoming.kind)
    if function is None:
        return "delivery.unknown_kind"
    try:
        with transaction.atomic():
            function(incoming)
    except SenimError as error:
        return f"{error.code}: {error.message}"[:255]
    return ""
