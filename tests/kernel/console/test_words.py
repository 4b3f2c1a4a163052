"""Nothing that people read is a code: events, records, acts and programs have names in words."""

import re
from pathlib import Path

import pytest
from django.test import Client
from tests.example_market import Market

from senim.kernel.access import roles
from senim.kernel.approvals import registry
from senim.kernel.console import words
from senim.kernel.events.models import Event

SOURCE = Path(__file__).resolve().parents[3] / "src" / "senim"
EVENT = re.compile(r'\b(?:act|note|_act)\(\s*"([a-z_]+(?:\.[a-z_]+)+)"')
JOB = re.compile(r'Actor\.job\("([a-z_.]+)"\)')
WRITTEN = re.compile(r">([^<>]+)<")


def found(pattern: re.Pattern[str]) -> set[str]:
    """Everything in the sources that the pattern names, the simulators' own aside."""
    modules = [path for path in SOURCE.rglob("*.py") if "sandbox" not in path.parts]
    return {name for path in modules for name in pattern.findall(path.read_text(encoding="utf-8"))}


def test_every_event_has_its_name_in_words() -> None:
    names = found(EVENT)
    assert len(names) > 20
    assert {name for name in names if words.event(name) == name} == set()


def test_every_job_has_its_name_in_words() -> None:
    unnamed = {
        name for name in found(JOB) if words.actor(Event(actor_kind="job", actor=name, actor_label=name)) == name
    }
    assert unnamed == set()


def test_every_act_that_needs_two_people_is_shown_in_words_and_by_its_own_permission() -> None:
    assert set(registry.kinds()) >= {"payments.participant", "payments.close_day"}
    for kind in registry.kinds():
        handler, act = registry.handler_of(kind), words.act(kind)
        assert act is not None, f"{kind} is not shown to those who decide it"
        assert act.permission == getattr(handler, "permission", act.permission)
        assert roles.is_declared(act.permission)


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_no_page_mixes_languages(language: str, client: Client, market: Market) -> None:
    """No text of a page in Kazakh or Russian is an English message id."""
    from tests.kernel.console.catalogue import english_texts

    english = english_texts()
    client.cookies["senim_language"] = language
    addresses = [
        f"/console/payments/{name}" for name in (
            "day", "operations/", "files/", "files/upload", "days/", "netting/", "settlement/", "obligations/",
            "participants/", "participants/new", "accounts/", f"operations/{market.operations[0].pk}/",
            f"files/{market.file.pk}/", f"days/{market.yesterday.day}/", f"days/{market.today.day}/close",
            f"participants/{market.banks[1].code}/", f"accounts/{market.accounts[0].iban}/",
        )
    ]  # fmt: skip
    addresses += [
        f"/console/{name}" for name in ("approvals/", f"approvals/{market.approval.pk}/", "events/", "search")
    ]
    addresses += [
        f"/console/{name}" for name in ("deliveries/outgoing/", "deliveries/incoming/", "staff/", "style", "x")
    ]
    for address in addresses:
        for person in market.staff.values():
            client.force_login(person)
            page = client.get(address).content.decode()
            shown = {" ".join(text.split()) for text in WRITTEN.findall(page)} - {""}
            assert not shown & english, (address, shown & english)
