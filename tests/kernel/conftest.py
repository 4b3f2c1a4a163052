"""The example market for tests of pages."""

import pytest
from tests import example_market


@pytest.fixture
def market(db: None) -> example_market.Market:
    """Banks, accounts, a day of traffic, files, messages, people of each role."""
    return example_market.build(operations=130)
