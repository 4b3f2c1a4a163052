"""The ledger as a Django app: it brings migrations, and no models."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Named ``ledger`` so that migrations of roles can depend on its tables."""

    name = "senim.ledger"
    label = "ledger"
    verbose_name = "Ledger"
