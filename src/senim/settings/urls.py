"""Every address of a deployment: the shell's, the kernel's, then those of the roles that are switched on."""

from importlib.util import find_spec

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

PARTS = ["senim.kernel.access.urls", "senim.kernel.console.urls", "senim.kernel.delivery.urls"]
PARTS += [f"senim.roles.{role}.urls" for role in settings.CONFIG.roles]

urlpatterns: list[URLPattern | URLResolver] = [
    path("i18n/", include("django.conf.urls.i18n")),
    *(path("", include(part)) for part in PARTS if find_spec(part)),
]
