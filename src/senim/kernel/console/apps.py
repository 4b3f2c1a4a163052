"""Tells Django of this part."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class ConsoleConfig(AppConfig):
    """The shell of the staff's pages."""

    name = "senim.kernel.console"
    label = "console"
    verbose_name = _("Console")

    def ready(self) -> None:
        """Load what the kernel and the roles declare: their ``console`` modules."""
        from senim.kernel.console import own

        own.declare()
        autodiscover_modules("console")
