"""Tells Django of this part."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccessConfig(AppConfig):
    """Staff and access."""

    name = "senim.kernel.access"
    label = "access"
    verbose_name = _("Staff and access")
    default_auto_field = "django.db.models.BigAutoField"
