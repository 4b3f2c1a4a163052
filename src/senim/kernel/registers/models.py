"""Queries that people keep (EM-55.4)."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class SavedQuery(models.Model):
    """A search of a register with its filters and order, kept by a person under a name to be run again."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    register = models.CharField(max_length=80)
    name = models.CharField(_("Name of the query"), max_length=80)
    query = models.CharField(max_length=2000, help_text="The query string, without a place in the list.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("saved query")
        verbose_name_plural = _("saved queries")
        constraints = (
            models.UniqueConstraint(fields=["owner", "register", "name"], name="savedquery_named_once"),
            models.CheckConstraint(condition=~Q(name=""), name="savedquery_named"),
        )

    def __str__(self) -> str:
        return self.name
