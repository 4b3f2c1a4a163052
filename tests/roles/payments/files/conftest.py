"""The market of the file tests, in a database of the test's own: importing a file works with two connections."""

from collections.abc import Callable

import pytest
from django.db import transaction
from django.utils import timezone
from tests.roles.payments.files.two_banks import FUNDS_TIYN, Market, bank, clients, top_up

from senim import ledger
from senim.kernel.values import almaty, iban
from senim.roles.payments.models import OperatingDay
from senim.roles.payments.services import accounts


@pytest.fixture
def market(own_database: str) -> Market:
    """Two banks, their clients, money, and an open day."""
    with transaction.atomic():
        now = timezone.now()
        OperatingDay.objects.create(day=almaty.operating_day(now), opened_at=now)
        a, b = bank(0), bank(1)
        made = Market(a, b, clients(a), clients(b))
        top_up(a, made.of_a[0], FUNDS_TIYN)
        top_up(b, made.of_b[0], FUNDS_TIYN)
    return made


@pytest.fixture
def balance() -> Callable[[str], int]:
    """What is in an account, in tiyn."""

    def find(number: str) -> int:
        [account] = ledger.lookup_accounts(accounts.raw_connection(), [iban.account_id(number)])
        return int(account.credits_posted - account.debits_posted)

    return find
