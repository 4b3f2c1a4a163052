"""What happened here, to what, by whom, from when to when, and how it ended (EM-55.11, PO-34.11)."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Event(models.Model):
    """One event with the six attributes of EM-55.11. Rows are only ever added: a trigger refuses anything else."""

    class ActorKind(models.TextChoices):
        """What sort of user acted."""

        STAFF = "staff", _("Staff")
        JOB = "job", _("Job")
        PEER = "peer", _("Organisation")
        COMMAND = "command", _("Command line")
        CLIENT = "client", _("Client")

    class Outcome(models.TextChoices):
        """The result of the event."""

        SUCCEEDED = "succeeded", _("Succeeded")
        REFUSED = "refused", _("Refused")
        FAILED = "failed", _("Failed")

    name = models.CharField(_("Event"), max_length=80)
    actor_kind = models.CharField(max_length=8, choices=ActorKind.choices)
    actor = models.CharField(max_length=80, help_text="Stable identifier of who acted, within its kind.")
    actor_label = models.CharField(_("User"), max_length=140)
    address = models.CharField(_("Network address"), max_length=45, blank=True)
    record_type = models.CharField(_("Kind of record"), max_length=40)
    record_id = models.CharField(_("Record"), max_length=80)
    began_at = models.DateTimeField(_("Began"))
    ended_at = models.DateTimeField(_("Ended"))
    outcome = models.CharField(_("Result"), max_length=9, choices=Outcome.choices)
    reason = models.CharField(_("Reason"), max_length=255, blank=True)
    data = models.JSONField(default=dict)
    operating_day = models.DateField(_("Operating day"), null=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = (
            models.Index(fields=["-began_at"], name="event_began"),
            models.Index(fields=["record_type", "record_id", "-began_at"], name="event_record"),
            models.Index(fields=["actor", "-began_at"], name="event_actor"),
            models.Index(fields=["name", "-began_at"], name="event_name"),
        )
        constraints = (
            models.CheckConstraint(
                condition=~Q(name="") & ~Q(actor="") & ~Q(actor_label="") & ~Q(record_type="") & ~Q(record_id=""),
                name="event_attributes_filled",
            ),
            models.CheckConstraint(condition=Q(ended_at__gte=F("began_at")), name="event_ends_after_it_began"),
            models.CheckConstraint(
                condition=Q(outcome__in=["succeeded", "refused", "failed"]), name="event_outcome_known"
            ),
            models.CheckConstraint(
                condition=Q(actor_kind__in=["staff", "job", "peer", "command", "client"]), name="event_actor_kind_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.record_type} {self.record_id}: {self.outcome}"


class Unsealed(models.Model):
    """Events that await their link of the chain, put here by a trigger in the transaction that wrote them.

    The queue is why events that commit out of order are never skipped: whatever is visible in it is sealed next, and a
    late commit simply appears in it later. Transaction ids would do the same until the first restore from a dump.
    """

    event_id = models.BigIntegerField(primary_key=True)

    def __str__(self) -> str:
        return str(self.event_id)


class Seal(models.Model):
    """One link of the chain: ``digest`` = SHA-256(previous digest ‖ SHA-256(canonical form of the event))."""

    sequence = models.BigIntegerField(primary_key=True, help_text="1, 2, 3, ... without a gap.")
    event_id = models.BigIntegerField(unique=True)
    digest = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.sequence}: event {self.event_id}"


class Head(models.Model):
    """A signed statement of how far the chain had come, so that its end cannot be cut off or written anew unseen."""

    sequence = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)
    signed_at = models.DateTimeField()
    signature = models.TextField(
        help_text="Compact JWS over sequence, digest and time, by the deployment's signing key."
    )

    class Meta:
        indexes = (models.Index(fields=["sequence"], name="head_sequence"),)

    def __str__(self) -> str:
        return f"{self.sequence} at {self.signed_at.isoformat()}"
