"""Messages between organisations: whom we know, what we send, what we received."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Peer(models.Model):
    """An organisation with which this deployment exchanges messages, and its public keys (PS-14.2)."""

    code = models.CharField(_("Code"), max_length=40, unique=True)
    name = models.CharField(_("Name"), max_length=140)
    url = models.URLField(
        _("Address"), max_length=255, help_text="Base address; messages go to <url>/delivery/v1/messages."
    )
    signing_jwk = models.JSONField(help_text="Public Ed25519 key (RFC 8037) with which the peer signs.")
    encryption_jwk = models.JSONField(help_text="Public P-256 key with which we encrypt to the peer.")
    signing_kid = models.CharField(max_length=64, unique=True, help_text="RFC 7638 thumbprint of the signing key.")
    active = models.BooleanField(_("Active"), default=True)

    class Meta:
        verbose_name = _("peer")
        verbose_name_plural = _("peers")

    def __str__(self) -> str:
        return self.name


class Outgoing(models.Model):
    """A message to a peer: kept until the peer's signed receipt is here, and after."""

    class State(models.TextChoices):
        """Where the message stands."""

        WAITING = "waiting", _("To be sent")
        SENT = "sent", _("Sent, no receipt yet")
        RECEIPTED = "receipted", _("Receipt received")
        DEAD = "dead", _("Not delivered")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    peer = models.ForeignKey(Peer, models.PROTECT, related_name="outgoing", verbose_name=_("Recipient"))
    kind = models.CharField(_("Kind"), max_length=64)
    conversation = models.CharField(_("Conversation"), max_length=80, blank=True)
    filename = models.CharField(_("File name"), max_length=255, blank=True)
    content_type = models.CharField(max_length=100, default="application/octet-stream")
    body = models.BinaryField()
    state = models.CharField(_("State"), max_length=9, choices=State.choices, default=State.WAITING)
    attempts = models.IntegerField(_("Attempts"), default=0)
    created_at = models.DateTimeField(_("Created"))
    next_at = models.DateTimeField(_("Next attempt"), help_text="While an attempt runs: when it is given up for lost.")
    finished_at = models.DateTimeField(_("Finished"), null=True)
    last_error = models.CharField(_("Last error"), max_length=255, blank=True)
    receipt = models.TextField(blank=True, help_text="The peer's compact JWS over message id and digest.")

    class Meta:
        verbose_name = _("outgoing message")
        verbose_name_plural = _("outgoing messages")
        indexes = (
            models.Index(fields=["next_at"], name="outgoing_due", condition=Q(state__in=["waiting", "sent"])),
            models.Index(fields=["-created_at"], name="outgoing_created"),
        )
        constraints = (
            models.CheckConstraint(
                condition=~Q(state="receipted") | ~Q(receipt=""), name="outgoing_receipted_has_receipt"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Incoming(models.Model):
    """A message from a peer, as it came. One row per message id and peer, however often it is sent."""

    class State(models.TextChoices):
        """What became of it."""

        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")

    peer = models.ForeignKey(Peer, models.PROTECT, related_name="incoming", verbose_name=_("Sender"))
    message_id = models.UUIDField()
    kind = models.CharField(_("Kind"), max_length=64)
    conversation = models.CharField(_("Conversation"), max_length=80, blank=True)
    filename = models.CharField(_("File name"), max_length=255, blank=True)
    content_type = models.CharField(max_length=100, default="application/octet-stream")
    body = models.BinaryField()
    signed = models.BinaryField(
        help_text="The sender's JWS as it came out of its envelope: proof of who formed the document."
    )
    digest = models.CharField(max_length=64, help_text="SHA-256 of the signed content, hexadecimal.")
    received_at = models.DateTimeField(_("Received"))
    state = models.CharField(_("State"), max_length=8, choices=State.choices)
    reason = models.CharField(_("Reason"), max_length=255, blank=True)
    receipt = models.TextField(help_text="Our signed receipt, given again to every repetition.")

    class Meta:
        verbose_name = _("incoming message")
        verbose_name_plural = _("incoming messages")
        indexes = (models.Index(fields=["-received_at"], name="incoming_received"),)
        constraints = (models.UniqueConstraint(fields=["peer", "message_id"], name="incoming_once"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id}"


class Attachment(models.Model):
    """A file that travels with a message."""

    outgoing = models.ForeignKey(Outgoing, models.PROTECT, null=True, related_name="attachments")
    incoming = models.ForeignKey(Incoming, models.PROTECT, null=True, related_name="attachments")
    position = models.SmallIntegerField()
    filename = models.CharField(_("File name"), max_length=255)
    content_type = models.CharField(max_length=100)
    body = models.BinaryField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(outgoing__isnull=True) ^ Q(incoming__isnull=True), name="attachment_of_one_message"
            ),
            models.UniqueConstraint(fields=["outgoing", "position"], name="attachment_outgoing_position"),
            models.UniqueConstraint(fields=["incoming", "position"], name="attachment_incoming_position"),
        )

    def __str__(self) -> str:
        return self.filename
