"""Settings for real people and real money: they refuse to load where the configuration is unsafe."""

from senim.runtime.safety import require_safe
from senim.settings.base import *  # noqa: F403
from senim.settings.base import CONFIG, CONTENT_SECURITY_POLICY

require_safe(CONFIG)

SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-senim_session"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-senim_csrf"
LANGUAGE_COOKIE_SECURE = True
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
CONTENT_SECURITY_POLICY["DIRECTIVES"]["upgrade-insecure-requests"] = True

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
