"""Tells Django of this part."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EventsConfig(AppConfig):
    """Register of events."""

    name = "senim.kernel.events"
    label = "events"
    verbose_name = _("Register of events")
    default_auto_field = "django.db.models.BigAutoField"
