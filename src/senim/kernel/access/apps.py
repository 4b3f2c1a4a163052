"""Tells Django of this part."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccessConfig(AppConfig):
    """Staff and access."""

    name = "senim.kernel.access"
    label = "access"
    verbose_name = _("Staff and access")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Begin every session with its clock, however it came to be signed in."""
        from django.contrib.auth.signals import user_logged_in

        from senim.kernel.access import sessions

        user_logged_in.connect(sessions.on_sign_in, dispatch_uid="senim.kernel.access.sessions")
