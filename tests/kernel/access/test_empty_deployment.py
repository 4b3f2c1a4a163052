"""Before there is any data, nothing breaks: the first hour of a deployment."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from senim.kernel.access import guard, roles, services


def pages(resolver: URLResolver, path: str = "") -> Iterator[tuple[str, Any]]:
    """Address and view of everything that stands at a fixed address."""
    for entry in resolver.url_patterns:
        address = path + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from pages(entry, address)
        elif isinstance(entry, URLPattern) and "<" not in address:
            yield address, entry.callback


@pytest.mark.django_db
def test_no_page_breaks_while_there_is_nothing_to_show() -> None:
    staff = services.create_staff("worker", "Example Worker", roles=roles.LABELS, must_change_password=False).staff
    client = Client()
    client.force_login(staff)
    statuses = {
        address: client.get(f"/{address}").status_code
        for address, view in pages(get_resolver())
        if guard.permission_of(view)
    }
    assert len(statuses) > 20
    assert {address: status for address, status in statuses.items() if status not in {200, 204, 302, 405}} == {}
