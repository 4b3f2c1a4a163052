"""Every address of the deployment is guarded: by a permission, by a signature, or it is named here as open."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from senim.kernel.access import guard, roles, services

OPEN = {
    "health-live",
    "health-ready",
    "set_language",
    "access:sign_in",
    "access:sign_out",
    "console:language",
    "console:theme",
    "delivery:messages",
    "delivery:keys",
}
"""Open to all: the way in, what chooses a language, and what is signed by itself."""
ANYBODY_OF_THE_STAFF = {"access:password", "console:home", "console:search", "console:style"}


def pages(resolver: URLResolver, namespace: str = "", path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Name, address and view of everything."""
    for entry in resolver.url_patterns:
        address = path + str(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from pages(entry, inner, address)
        elif isinstance(entry, URLPattern):
            yield f"{namespace}{entry.name or address}", address, entry.callback


PAGES = [page for page in pages(get_resolver()) if not page[1].startswith(("console/-", "centre/", "payments/v1/"))]
CONSOLE = [page for page in PAGES if page[1].startswith("console/")]


@pytest.mark.clause("EM-55.2")
@pytest.mark.clause("PO-34.2")
@pytest.mark.parametrize(("name", "address", "view"), CONSOLE, ids=[name for name, _, _ in CONSOLE])
def test_every_page_of_the_console_asks_for_a_declared_permission(name: str, address: str, view: Any) -> None:
    permission = guard.permission_of(view)
    if name in OPEN | ANYBODY_OF_THE_STAFF:
        assert permission is None
        return
    assert permission is not None, f"{name} ({address}) is not guarded by @requires"
    assert roles.is_declared(permission), f"{name} asks for {permission}, which nobody declares"


@pytest.mark.django_db
@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
def test_without_signing_in_every_page_leads_to_the_door() -> None:
    plain = [(name, address) for name, address, _ in CONSOLE if "<" not in address and name not in OPEN]
    assert len(plain) > 10
    for name, address in plain:
        answers = [Client().get(f"/{address}"), Client().post(f"/{address}")]
        assert any(answer.status_code == 302 for answer in answers), name
        for answer in answers:
            assert answer.status_code == 405 or answer["Location"].startswith("/console/sign-in?next="), name


@pytest.mark.django_db
@pytest.mark.clause("EM-55.2")
@pytest.mark.clause("PO-34.2")
@pytest.mark.parametrize("role", list(roles.LABELS))
def test_each_role_opens_exactly_what_is_declared_for_it(role: str) -> None:
    staff = services.create_staff("worker", "Example Worker", roles=[role], must_change_password=False).staff
    client = Client()
    client.force_login(staff)
    seen = 0
    for name, address, view in CONSOLE:
        permission = guard.permission_of(view)
        if permission is None or "<" in address:
            continue
        status = client.get(f"/{address}").status_code
        if status == 405:
            status = client.post(f"/{address}").status_code
        assert (status == 403) is not staff.has_perm(permission), f"{role} at {name}: {status}"
        seen += 1
    assert seen > 10
