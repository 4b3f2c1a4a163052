"""Acts that need two people: one proposes, another decides."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Approval(models.Model):
    """One act that waits, or waited, for a second person. The database itself refuses a maker who decides."""

    class State(models.TextChoices):
        """Where the act stands; only ``WAITING`` may still change."""

        WAITING = "waiting", _("Awaiting approval")
        APPROVED = "approved", _("Approved")
        REFUSED = "refused", _("Refused")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    kind = models.CharField(_("Act"), max_length=64)
    record_type = models.CharField(_("Kind of record"), max_length=40)
    record_id = models.CharField(_("Record"), max_length=80)
    title = models.CharField(_("Subject"), max_length=200)
    payload = models.JSONField(default=dict)
    state = models.CharField(_("State"), max_length=9, choices=State.choices, default=State.WAITING)
    maker = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("Proposed by"))
    made_at = models.DateTimeField(_("Proposed"))
    checker = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, verbose_name=_("Decided by")
    )
    decided_at = models.DateTimeField(_("Decided"), null=True)
    comment = models.CharField(_("Comment"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        indexes = (models.Index(fields=["state", "-made_at"], name="approval_state"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(checker__isnull=True) | ~Q(checker=F("maker")), name="approval_by_another"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", checker__isnull=True, decided_at__isnull=True)
                | Q(state="withdrawn", checker__isnull=True, decided_at__isnull=False)
                | Q(state__in=["approved", "refused"], checker__isnull=False, decided_at__isnull=False),
                name="approval_state_holds_together",
            ),
            models.UniqueConstraint(
                fields=["kind", "record_type", "record_id"], condition=Q(state="waiting"), name="approval_waits_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.record_id}: {self.state}"
