"""Every address of a deployment: the shell's, the kernel's, then those of the roles that are switched on."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

PARTS = [
    "senim.kernel.access.urls",
    "senim.kernel.console.urls",
    "senim.kernel.delivery.urls",
    *(f"senim.roles.{role}.urls" for role in settings.CONFIG.roles),
]

urlpatterns: list[URLPattern | URLResolver] = [path("", include(part)) for part in PARTS]

handler400 = "senim.kernel.console.failures.bad_request"
handler403 = "senim.kernel.console.failures.forbidden"
handler404 = "senim.kernel.console.failures.not_found"
handler500 = "senim.kernel.console.failures.failed"
