"""Django's settings for every deployment; what differs comes from :mod:`senim.runtime.config`."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONE, SELF

from senim.runtime.config import load, secret_key
from senim.runtime.postgres import planned_url

CONFIG: Final = load()
SOURCE: Final = Path(__file__).resolve().parents[1]

SECRET_KEY = secret_key(CONFIG)
DEBUG = False
ALLOWED_HOSTS = list(CONFIG.allowed_hosts)
USE_X_FORWARDED_HOST = False

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "procrastinate.contrib.django",
    "senim.ledger",
    "senim.kernel.access",
    "senim.kernel.events",
    "senim.kernel.approvals",
    "senim.kernel.delivery",
    "senim.kernel.documents",
    "senim.kernel.registers",
    "senim.kernel.jobs",
    "senim.kernel.console",
    *(f"senim.roles.{role}" for role in CONFIG.roles),
]

MIDDLEWARE = [
    "senim.settings.health.health",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "senim.kernel.access.middleware.AccessMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "senim.settings.urls"
WSGI_APPLICATION = "senim.settings.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "access.Staff"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def database(url: str) -> dict[str, Any]:
    """Django's form of a PostgreSQL URL; libpq's options after ``?`` go to the driver as they are."""
    parts = urlsplit(url)
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": str(options.pop("port", None) or parts.port or ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,  # a connection that died with its server is replaced unseen
        "OPTIONS": {"application_name": "senim", **options},
        "ATOMIC_REQUESTS": False,
    }


DATABASES = {"default": database(planned_url(config=CONFIG))}

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "senim.kernel.access.validators.Length"},
    {"NAME": "senim.kernel.access.validators.NotCommon"},
    {"NAME": "senim.kernel.access.validators.NotOneself"},
    {"NAME": "senim.kernel.access.validators.Varied"},
]
LOGIN_URL = "access:sign_in"
CSRF_FAILURE_VIEW = "senim.kernel.console.failures.csrf"

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_NAME = f"senim_session_{CONFIG.port}"  # cookies know no ports: two deployments on one machine do
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_IDLE_SECONDS = CONFIG.session_idle_seconds
CSRF_COOKIE_NAME = f"senim_csrf_{CONFIG.port}"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [CONFIG.public_url.rstrip("/")] if CONFIG.public_url else []
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if CONFIG.behind_proxy else None
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"  # each part's jobs.py

LANGUAGE_CODE = CONFIG.language
LANGUAGES = [("kk", "Қазақша"), ("ru", "Русский"), ("en", "English")]  # each in itself, whatever the page's language
LANGUAGE_COOKIE_NAME = "senim_language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LOCALE_PATHS = [SOURCE / "locale"]
TIME_ZONE = "Asia/Almaty"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = CONFIG.data_dir / "static"
WHITENOISE_MANIFEST_STRICT = True
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # larger files go to the disk as they arrive
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "senim"}}
LOGGING_CONFIG = "senim.runtime.logs.configure_django"
LOGGING = {"json_lines": CONFIG.production, "level": CONFIG.log_level}

SENIM_MODE = CONFIG.mode
SENIM_ORGANISATION = CONFIG.organisation
SENIM_DATA_DIR = CONFIG.data_dir
SENIM_ADDRESS = CONFIG.address
SENIM_DAY_CLOSE = CONFIG.day_close
SENIM_CENTRE_URL = f"http://{CONFIG.local_host}:{CONFIG.centre_port}"
