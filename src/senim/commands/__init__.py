"""The command line's own commands, and what they need made ready."""

import os

from senim.runtime.config import Config
from senim.runtime.postgres import database_url


def prepare_environment(config: Config, database: bool = True) -> None:
    """Name Django's settings, and start the embedded database; it runs as long as this process does."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"senim.settings.{config.mode}")
    if database:
        database_url(config=config)


def prepare_django(config: Config, database: bool = True) -> None:
    """The same, with Django set up in this process.

    Raises:
        UnsafeError: production, and the configuration is not safe.
    """
    prepare_environment(config, database)
    import django

    django.setup()
