"""Every address of the console × every role: allowed or refused exactly as it is declared (EM-55.2)."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from tests.example_market import PEOPLE, Market

from senim.kernel.access import guard, roles
from senim.roles.payments.models import ParticipantReport, SettlementInstruction

OPEN_TO_ALL = {"console:home", "console:search", "console:language", "console:theme", "console:style"}
FORBIDDEN, METHOD_NOT_ALLOWED = 403, 405


@dataclass(frozen=True)
class Address:
    """A named address of the console and the permission that its view declares."""

    name: str
    arguments: tuple[str, ...]
    permission: str | None


def addresses() -> list[Address]:
    """All addresses in the namespace of the console."""

    def walk(patterns: list[URLPattern | URLResolver], namespace: str) -> Iterator[Address]:
        for one in patterns:
            if isinstance(one, URLResolver):
                inner = f"{namespace}{one.namespace}:" if one.namespace else namespace
                yield from walk(one.url_patterns, inner)
            elif namespace.startswith("console:"):
                arguments = tuple(one.pattern.converters)
                yield Address(f"{namespace}{one.name}", arguments, guard.permission_of(one.callback))

    return sorted(walk(get_resolver().url_patterns, ""), key=lambda one: one.name)


def value(name: str, argument: str, market: Market) -> object:
    """A record of the example market for an argument of an address."""
    if argument == "saved_id":
        return 1
    return {
        "approval_id": market.approval.pk,
        "event_id": 1,
        "message_id": uuid.uuid4(),
        "message_pk": 1,
        "operation_id": market.operations[0].pk,
        "day": market.yesterday.day if "close" not in name else market.today.day,
        "report_id": ParticipantReport.objects.values_list("pk", flat=True).first(),
        "file_id": market.file.pk,
        "code": market.banks[1].code,
        "number": market.accounts[0].iban,
    }[argument]


def test_every_address_is_guarded_by_a_declared_permission() -> None:
    found = addresses()
    assert len(found) > 100
    for one in found:
        if one.name in OPEN_TO_ALL:
            assert one.permission is None, one.name
        else:
            assert one.permission is not None, f"{one.name} is open to everyone"
            assert roles.is_declared(one.permission), f"{one.name} asks for {one.permission}, which nobody declares"


@pytest.mark.clause("EM-55.2")
@pytest.mark.clause("PO-34.2")
@pytest.mark.parametrize("role", [role for _login, _name, role in PEOPLE])
def test_every_address_answers_a_role_as_declared(role: str, client: Client, market: Market) -> None:
    person = next(one for one in market.staff.values() if one.roles == [role])
    for one in addresses():
        address = reverse(one.name, args=[value(one.name, argument, market) for argument in one.arguments])
        client.force_login(person)
        client.raise_request_exception = False
        status = client.get(address).status_code
        if status == METHOD_NOT_ALLOWED:
            status = client.post(address).status_code
        allowed = one.permission is None or person.has_perm(one.permission)
        assert (status != FORBIDDEN) == allowed, f"{role} at {address}: {status}"
        assert status < 500, f"{role} at {address}: {status}"


@pytest.mark.clause("EM-55.1")
def test_nobody_enters_without_signing_in(client: Client, market: Market) -> None:
    for one in addresses():
        if one.name in {"console:language", "console:theme"}:
            continue
        address = reverse(one.name, args=[value(one.name, argument, market) for argument in one.arguments])
        response = client.get(address)
        if response.status_code == METHOD_NOT_ALLOWED:
            response = client.post(address)
        assert response.status_code == 302, address
        assert response["Location"].startswith("/console/sign-in"), address  # type: ignore[index]


def test_the_rail_leads_only_where_the_reader_may_go(client: Client, market: Market) -> None:
    from senim.kernel.console import navigation

    assert SettlementInstruction.objects.exists()
    for person in market.staff.values():
        client.force_login(person)
        page = client.get("/console/style").content.decode()
        for entry in navigation.entries():
            shown = f'href="{reverse(entry.url)}"' in page
            assert shown == person.has_perm(entry.permission), (person.login, entry.url)
            if shown:
                assert client.get(reverse(entry.url)).status_code in {200, 302}
