"""The chain: whatever is done to the register past the program is found and named."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import pytest
from click.testing import CliRunner
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from senim.kernel import events
from senim.kernel.delivery import keys
from senim.kernel.events import chain, heads
from senim.kernel.events.cli import command, signed_heads
from senim.kernel.events.models import Event, Seal

ACTOR = events.Actor.job("test")


@contextmanager
def past_the_program() -> Iterator[None]:
    """Do what the owner of the database could do: switch the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


@pytest.fixture
def ids(db: None) -> list[int]:
    """Ten sealed events."""
    written = [
        events.note("test.act", ACTOR, ("thing", number), data={"n": number, "имя": "Әлия"}) for number in range(10)
    ]
    assert events.seal(limit=4) == 4
    assert events.seal() == 6
    return written


def run(statement: str, *values: object) -> None:
    with past_the_program(), connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.mark.clause("EM-55.11")
@pytest.mark.clause("PO-34.11")
def test_an_untouched_register_is_intact(ids: list[int]) -> None:
    assert events.verify().as_dict() | {"sealed": 10} == events.Verification(sealed=10).as_dict()


@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
@pytest.mark.parametrize(
    "column",
    [
        "name",
        "actor",
        "actor_label",
        "record_id",
        "reason",
        "began_at",
        "ended_at",
        "outcome",
        "data",
        "operating_day",
        "address",
    ],
)
def test_a_change_of_any_column_is_named(ids: list[int], column: str) -> None:
    changes = {
        "began_at": "began_at - interval '1 microsecond'",
        "ended_at": "ended_at + interval '1 microsecond'",
        "outcome": "'failed'",
        "data": """'{"n": 6}'::jsonb""",
        "operating_day": "DATE '2026-05-04'",
    }
    change = changes.get(column, f"{column} || 'x'")
    run("UPDATE events_event SET {} = {} WHERE id = %s".replace("{}", column, 1).replace("{}", change, 1), ids[5])
    found = events.verify()
    assert found.changed == [ids[5]]
    assert found.findings == 1


def test_changed_removed_and_inserted_rows_are_named_together(ids: list[int]) -> None:
    run("UPDATE events_event SET reason = 'x' WHERE id = ANY(%s)", [ids[0], ids[1], ids[9]])
    run("DELETE FROM events_event WHERE id = %s", ids[4])
    run(
        "INSERT INTO events_event SELECT 999999 + id, name, actor_kind, actor, actor_label, address, record_type,"
        " record_id, began_at, ended_at, outcome, reason, data, operating_day FROM events_event WHERE id = %s",
        ids[2],
    )
    found = events.verify()
    assert (found.changed, found.removed, found.inserted) == ([ids[0], ids[1], ids[9]], [ids[4]], [999999 + ids[2]])
    assert found.findings == 5


def test_a_changed_digest_is_named_once(ids: list[int]) -> None:
    run("UPDATE events_seal SET digest = sha256('x') WHERE event_id = %s", ids[3])
    assert events.verify().changed == [ids[3]]


def test_an_event_removed_with_its_link_leaves_a_gap(ids: list[int]) -> None:
    run("DELETE FROM events_seal WHERE event_id = %s", ids[3])
    run("DELETE FROM events_event WHERE id = %s", ids[3])
    found = events.verify()
    assert (found.missing_links, found.findings) == ([4], 1)


def test_an_event_removed_before_its_seal_is_named(ids: list[int]) -> None:
    late = events.note("test.act", ACTOR, ("thing", 11))
    run("DELETE FROM events_event WHERE id = %s", late)
    assert events.seal() == 0
    assert events.verify().removed == [late]


def test_an_end_cut_off_is_noticed_by_the_signed_head(ids: list[int]) -> None:
    assert heads.sign(keys.own().sign) is not None
    assert heads.sign(keys.own().sign) is None
    good, forged = signed_heads()
    assert (list(good), forged) == ([10], [])
    assert events.verify(good).intact
    run("DELETE FROM events_seal WHERE sequence > 8")
    run("DELETE FROM events_event WHERE id > %s", ids[7])
    assert events.verify().intact
    assert events.verify(good).wrong_heads == [10]


def test_a_chain_computed_anew_is_noticed_by_the_signed_head(ids: list[int]) -> None:
    heads.sign(keys.own().sign)
    run("UPDATE events_event SET reason = 'never happened' WHERE id = %s", ids[2])
    run("DELETE FROM events_seal")
    run("INSERT INTO events_unsealed SELECT id FROM events_event")
    assert events.seal() == 10
    assert events.verify().intact
    assert events.verify(signed_heads()[0]).wrong_heads == [10]


def test_a_forged_head_is_named(ids: list[int]) -> None:
    from senim.kernel.delivery.wire import OwnKeys

    heads.sign(OwnKeys.generate("stranger").sign)
    good, forged = signed_heads()
    assert (good, forged) == ({}, [10])
    assert events.verify(good, forged_heads=forged).wrong_heads == [10]


def test_the_documented_method_can_be_followed_by_others(ids: list[int]) -> None:
    """The chain once more, from what a reader of the documentation has: rows, JSON and SHA-256."""
    before = bytes(32)
    for seal in Seal.objects.order_by("sequence"):
        event = Event.objects.get(pk=seal.event_id)
        moments = [moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for moment in (event.began_at, event.ended_at)]
        array = [
            event.pk,
            event.name,
            event.actor_kind,
            event.actor,
            event.actor_label,
            event.address,
            event.record_type,
        ]
        array += [event.record_id, *moments, event.outcome, event.reason, event.data, None]
        content = sha256(json.dumps(array, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).digest()
        before = sha256(before + content).digest()
        assert before == bytes(seal.digest)


TEXTS = st.text(max_size=8)


@given(st.lists(TEXTS, min_size=2, max_size=2), st.lists(TEXTS, min_size=2, max_size=2))
def test_different_events_have_different_canonical_forms(one: list[str], other: list[str]) -> None:
    """No two ways of dividing the same letters between columns look the same."""

    def form(texts: list[str]) -> bytes:
        return chain.canonical([1, texts[0], texts[1], *[""] * 9, "{}", None])

    assert (form(one) == form(other)) is (one == other)


def test_the_command_names_what_it_finds(ids: list[int]) -> None:
    runner = CliRunner()
    assert json.loads(runner.invoke(command, ["verify", "--json"]).output)["intact"] is True
    run("UPDATE events_event SET reason = 'x' WHERE id = %s", ids[5])
    answer = runner.invoke(command, ["verify", "--json"])
    assert answer.exit_code == 1
    assert json.loads(answer.output)["changed"] == [ids[5]]
    assert f"changed: {ids[5]}" in runner.invoke(command, ["verify"]).output


def test_the_command_lists_events(ids: list[int]) -> None:
    listed = json.loads(CliRunner().invoke(command, ["list", "--json", "--record", "thing", "3"]).output)
    assert [event["id"] for event in listed] == [ids[3]]
    assert "test.act  thing 9  test" in CliRunner().invoke(command, ["list", "--limit", "1"]).output
