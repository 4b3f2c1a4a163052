"""What tests of the payment system share."""

import pytest
from tests.roles.payments.closing import Market, make_market


@pytest.fixture
def market(own_database: str) -> Market:
    """Three banks, a settlement bank and their customers, on an open day, in a database of the test's own."""
    return make_market()
