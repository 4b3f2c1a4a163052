"""The door for files: operations in, answers out, and one clear refusal."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ledger.conftest import Connection

from senim.ledger.cli import command
from senim.ledger.errors import LedgerInputInvalid
from senim.ledger.jsonl import Door
from senim.ledger.schema import scratch


@pytest.fixture(scope="module")
def book(server_url: str) -> Iterator[Connection]:
    with psycopg.connect(server_url, autocommit=True) as made, scratch(made):
        yield made


def apply(connection: Connection, *operations: object) -> list[Any]:
    lines = [json.dumps(operation).encode() for operation in operations]
    return [json.loads(answer) for answer in Door(connection, is_scratch=True).apply(lines)]


def accounts(*ids: int, **fields: object) -> dict[str, object]:
    return {"op": "create_accounts", "events": [{"id": i, "ledger": 1, "code": 1, **fields} for i in ids]}


def test_a_walk_through_every_operation(connection: Connection) -> None:
    first = {"id": "5", "debit_account_id": 1, "credit_account_id": "2", "amount": "15", "ledger": 1, "code": 1}
    held = {**first, "id": 6, "flags": ["pending"], "timeout": 2}
    answers = apply(
        connection,
        accounts(1, 2, flags=["history"]),
        {"op": "create_transfers", "events": [first, held, {**first, "amount": 2**128 - 1, "id": 7}]},
        {"op": "lookup_accounts", "ids": [1, "9", 2]},
        {"op": "lookup_transfers", "ids": ["6", 77]},
        {"op": "get_account_transfers", "filter": {"account_id": 1, "limit": 10, "flags": ["debits", "reversed"]}},
        {"op": "get_account_balances", "filter": {"account_id": 2, "limit": 1, "flags": ["debits", "credits"]}},
        {"op": "advance_clock", "seconds": 2},
        {"op": "lookup_accounts", "ids": [1]},
        {"op": "create_transfers", "events": [{"id": 8, "pending_id": 6, "flags": ["post_pending_transfer"]}]},
        {"op": "create_transfers", "events": []},
    )
    created, posted, found, pending, listed, past, advanced, released, expired, nothing = answers
    assert [r["status"] for r in created["results"]] == ["ok", "ok"]
    assert [(r["index"], r["status"]) for r in posted["results"]] == [
        (0, "ok"),
        (1, "ok"),
        (2, "overflows_debits_posted"),
    ]
    assert [(a["id"], a["debits_pending"], a["debits_posted"]) for a in found["accounts"]] == [
        ("1", "15", "15"),
        ("2", "0", "0"),
    ]
    assert found["accounts"][0]["flags"] == ["history"]
    assert [(t["id"], t["flags"], t["timeout"], t["amount"]) for t in pending["transfers"]] == [
        ("6", ["pending"], 2, "15")
    ]
    assert [t["id"] for t in listed["transfers"]] == ["6", "5"]
    assert [(b["credits_posted"], b["credits_pending"]) for b in past["balances"]] == [("15", "0")]
    assert advanced == {"advanced": {"seconds": 2}}
    assert released["accounts"][0]["debits_pending"] == "0"
    assert expired["results"][0]["status"] == "pending_transfer_expired"
    assert nothing == {"results": []}


def test_what_storage_cannot_hold_is_refused_by_name(connection: Connection) -> None:
    event = {"id": 5, "debit_account_id": 1, "credit_account_id": 2, "amount": str(2**128 - 1), "ledger": 1, "code": 1}
    answer = apply(connection, accounts(1, 2), {"op": "create_transfers", "events": [event]})[1]
    assert answer["results"][0]["status"] == "amount_exceeds_storage"


def test_an_unknown_bit_is_refused_by_the_rules(connection: Connection) -> None:
    answer = apply(connection, {"op": "create_accounts", "events": [{"id": 1, "flags": ["reserved"]}]})[0]
    assert answer["results"][0]["status"] == "reserved_flag"


REFUSED = [
    ("{", "line 1", "not JSON"),
    ("[]", "line 1", "not a JSON object"),
    ('{"op":"drop"}', "line 1, op", "unknown operation"),
    ('{"op":{}}', "line 1, op", "unknown operation"),
    ('{"op":"lookup_accounts"}', "line 1, ids", "missing"),
    ('{"op":"lookup_accounts","ids":[],"x":1}', "line 1, x", "unknown field"),
    ('{"op":"lookup_accounts","ids":5}', "line 1, ids", "not a list"),
    ('{"op":"lookup_accounts","ids":[-1]}', "line 1, ids[0]", "not between"),
    ('{"op":"lookup_accounts","ids":[1.0]}', "line 1, ids[0]", "not an unsigned integer"),
    ('{"op":"lookup_accounts","ids":[true]}', "line 1, ids[0]", "not an unsigned integer"),
    ('{"op":"lookup_accounts","ids":["٣"]}', "line 1, ids[0]", "not an unsigned integer"),
    ('{"op":"lookup_accounts","ids":[340282366920938463463374607431768211456]}', "line 1, ids[0]", ""),
    ('{"op":"create_accounts","events":[7]}', "line 1, events[0]", "not a JSON object"),
    ('{"op":"create_accounts","events":[{"colour":1}]}', "line 1, events[0].colour", "unknown field"),
    ('{"op":"create_accounts","events":[{"flags":["linked","golden"]}]}', "line 1, events[0].flags", "'golden'"),
    ('{"op":"create_transfers","events":[{"timeout":4294967296}]}', "line 1, events[0].timeout", "not between"),
    ('{"op":"create_transfers","events":[{"amount":null}]}', "line 1, events[0].amount", ""),
    ('\n{"op":"get_account_transfers","filter":{"limit":[]}}', "line 2, filter.limit", ""),
    ('{"op":"advance_clock","seconds":99999999999}', "line 1, seconds", "not between"),
    ('{"op":"advance_clock","seconds":0.5}', "line 1, seconds", "not an unsigned integer"),
    ('{"ids":[1]}', "line 1, op", "missing"),
    ('{"op":"lookup_accounts","ids":[1]} {}', "line 1", "Extra data at character 36"),
    ('{"op":"lookup_accounts","op":"lookup_transfers","ids":[]}', "line 1, op", "given twice"),
    ('{"op":"create_transfers","events":[{"amount":1,"amount":2}]}', "line 1, amount", "given twice"),
    ('{"op":"create_transfers","events":[{"amount":NaN}]}', "line 1", "NaN is no JSON number"),
    ('{"op":"create_transfers","events":[{"amount":1e3}]}', "line 1, events[0].amount", "not an unsigned integer"),
    ('{"op":"create_transfers","events":[{"amount":" 5"}]}', "line 1, events[0].amount", "not an unsigned integer"),
    ('{"op":"create_transfers","events":[{"flags":"pending"}]}', "line 1, events[0].flags", "not a list of flag names"),
    ('{"op":"create_transfers","events":[{"flags":true}]}', "line 1, events[0].flags", "not an unsigned integer"),
    ('{"op":"create_transfers","events":[{"flags":65536}]}', "line 1, events[0].flags", "not between"),
    ('{"op":"lookup_accounts","ids":[' + "9" * 5_000 + "]}", "line 1", "thousands of digits"),
    ("[" * 100_000, "line 1", "nested too deeply"),
    # Names that come from the file neither break the line nor fill the screen.
    ('{"op":"a\\nb\\u001b[31m"}', "line 1, op", r"'a\nb\x1b[31m'"),
    ('{"op":"lookup_accounts","ids":[],"a\\nb":1}', r"line 1, 'a\nb'", "unknown field"),
    ('{"op":"' + "x" * 10_000 + '"}', "line 1, op", "xxx..."),
    ('{"op":"lookup_accounts","ids":[' + "1," * 100_000 + "1]}", "line 1, ids", "more than 100000"),
]


@pytest.mark.parametrize(("text", "where", "why"), REFUSED)
def test_a_line_that_is_no_operation_is_named(book: Connection, text: str, where: str, why: str) -> None:
    with pytest.raises(LedgerInputInvalid) as refusal:
        list(Door(book, is_scratch=True).apply(text.encode().splitlines()))
    assert str(refusal.value).startswith(where + ":")
    assert why in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("text", "why"), [("й".encode("cp1251"), "not UTF-8 at byte 1"), ("{}".encode("utf-16"), "not UTF-8 at byte 1")]
)
def test_another_encoding_is_refused(book: Connection, text: bytes, why: str) -> None:
    with pytest.raises(LedgerInputInvalid, match=f"^line 1: {why}$"):
        list(Door(book, is_scratch=True).apply([text]))


@pytest.mark.parametrize(
    "number", ["18446744073709551617", "9007199254740993", '"340282366920938463463374607431768211454"']
)
def test_large_ids_come_back_exactly(book: Connection, number: str) -> None:
    account = f'{{"id":{number},"ledger":{2**32 - 1},"code":{2**16 - 1},"user_data_64":{2**64 - 1}}}'
    lines = (
        f'{{"op":"create_accounts","events":[{account}]}}',
        f'{{"op":"lookup_accounts","ids":[{number}]}}',
    )
    created, found = map(json.loads, Door(book, is_scratch=True).apply(line.encode() for line in lines))
    assert created["results"][0]["status"] == "ok"
    (shown,) = found["accounts"]
    assert shown["id"] == number.strip('"')
    assert (shown["ledger"], shown["code"], shown["user_data_64"]) == (2**32 - 1, 2**16 - 1, 2**64 - 1)


def test_habits_of_editors_do_no_harm(connection: Connection) -> None:
    lookup = b'{"op":"lookup_accounts","ids":["0001"]}'
    file = [b"\xef\xbb\xbf" + json.dumps(accounts(1)).encode() + b"\r\n", b"\r\n", b" \t\n", lookup + b"\r\n", lookup]
    answers = list(Door(connection, is_scratch=True).apply(file))
    assert [len(next(iter(json.loads(answer).values()))) for answer in answers] == [1, 1, 1]
    assert list(Door(connection, is_scratch=True).apply([])) == []
    with pytest.raises(LedgerInputInvalid, match="line 2: not JSON"):
        list(Door(connection, is_scratch=True).apply([lookup, b"\xef\xbb\xbf" + lookup]))


def test_more_events_in_a_line_than_a_message_of_another_ledger_holds(connection: Connection) -> None:
    events = [
        {"id": n, "debit_account_id": 1, "credit_account_id": 2, "amount": 1, "ledger": 1, "code": 1}
        for n in range(9_000)
    ]
    _, posted = apply(connection, accounts(1, 2), {"op": "create_transfers", "events": events})
    statuses = [result["status"] for result in posted["results"]]
    assert statuses == ["id_must_not_be_zero"] + ["ok"] * 8_999


def test_the_clock_of_a_scratch_ledger_stands_still(connection: Connection) -> None:
    pending = {
        "id": 5,
        "debit_account_id": 1,
        "credit_account_id": 2,
        "amount": 4,
        "ledger": 1,
        "code": 1,
        "timeout": 1,
        "flags": ["pending"],
    }
    door = Door(connection, is_scratch=True)
    first, second = (
        json.loads(answer)
        for answer in door.apply(
            json.dumps(operation).encode()
            for operation in (accounts(1, 2), {"op": "create_transfers", "events": [pending]})
        )
    )
    assert second["results"][0]["timestamp"] == first["results"][1]["timestamp"] + 1
    connection.execute("SELECT pg_sleep(1.1)")
    look = {"op": "lookup_accounts", "ids": [1]}
    steps = (look, {"op": "advance_clock", "seconds": 1}, look)
    held, _, released = (json.loads(answer) for answer in door.apply(json.dumps(step).encode() for step in steps))
    assert held["accounts"][0]["debits_pending"] == "4"
    assert released["accounts"][0]["debits_pending"] == "0"


def test_the_clock_goes_to_the_end_of_time_and_no_further(connection: Connection) -> None:
    pending = {
        "debit_account_id": 1,
        "credit_account_id": 2,
        "amount": 4,
        "ledger": 1,
        "code": 1,
        "flags": ["pending"],
    }
    to_the_end, _, again, posted = apply(
        connection,
        {"op": "advance_clock", "seconds": (2**63 - 1) // 10**9},
        accounts(1, 2),
        {"op": "advance_clock", "seconds": 7},
        {"op": "create_transfers", "events": [pending | {"id": 5, "timeout": 9}, pending | {"id": 6, "timeout": 1}]},
    )
    assert 7_000_000_000 < to_the_end["advanced"]["seconds"] < 8_000_000_000
    assert again["advanced"]["seconds"] == 0
    assert [result["status"] for result in posted["results"]] == ["overflows_timeout", "ok"]


def test_a_line_is_applied_whole_or_not_at_all(book: Connection) -> None:
    bad = {"op": "create_accounts", "events": [{"id": 700, "ledger": 1, "code": 1}, {"id": "x"}]}
    with pytest.raises(LedgerInputInvalid):
        apply(book, bad)
    assert apply(book, {"op": "lookup_accounts", "ids": [700]}) == [{"accounts": []}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
NAMES = st.sampled_from(
    [
        "create_accounts",
        "create_transfers",
        "lookup_accounts",
        "lookup_transfers",
        "get_account_transfers",
        "get_account_balances",
    ]
)
FIELDS = st.sampled_from(
    ["id", "debit_account_id", "credit_account_id", "amount", "flags", "ledger", "code", "limit", "account_id"]
)
VALUES = st.one_of(
    st.integers(0, 5),
    st.integers(0, 2**130),
    st.text(max_size=3),
    st.lists(st.sampled_from(["linked", "pending", "debits", "credits", "x"]), max_size=3),
)


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=60),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.builds(
            lambda name, key, value: json.dumps({"op": name, key: value}).encode(),
            NAMES,
            st.sampled_from(["events", "ids", "filter"]),
            st.one_of(
                JSON, st.lists(st.dictionaries(FIELDS, VALUES, max_size=6), max_size=4), st.dictionaries(FIELDS, VALUES)
            ),
        ),
    )
)
def test_any_bytes_are_answered_or_refused(book: Connection, line: bytes) -> None:
    answers: list[bytes] = []
    refusal = ""
    try:
        answers.extend(Door(book, is_scratch=True).apply([line]))
    except LedgerInputInvalid as error:
        refusal = str(error)
    assert all(isinstance(json.loads(answer), dict) for answer in answers)
    assert len(answers) == (1 if line.strip() and not refusal else 0)
    assert not refusal or refusal.startswith("line 1")


@pytest.fixture
def runner(server_url: str, schema: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line against the test's own ledger."""
    monkeypatch.setenv("SENIM_DATABASE_URL", server_url)
    monkeypatch.setenv("PGOPTIONS", f"-c search_path={schema}")
    return CliRunner()


def test_the_command_line(runner: CliRunner) -> None:
    lines = [
        accounts(1, 2),
        {
            "op": "create_transfers",
            "events": [{"id": 3, "debit_account_id": 1, "credit_account_id": 2, "amount": 7, "ledger": 1, "code": 1}],
        },
    ]
    text = "\n".join(map(json.dumps, lines))
    applied = runner.invoke(command, ["apply", "-", "--json"], input=text, catch_exceptions=False)
    assert [json.loads(line)["results"][-1]["status"] for line in applied.output.splitlines()] == ["ok", "ok"]
    shown = runner.invoke(command, ["transfers", "3", "--json"], catch_exceptions=False)
    assert json.loads(shown.output)[0]["amount"] == "7"
    shown = runner.invoke(command, ["accounts", "1", "00000000-0000-0000-0000-000000000002"], catch_exceptions=False)
    assert "debits_posted=7" in shown.output
    at = runner.invoke(command, ["balance-at", "2", "2100-01-01T00:00:00+05:00", "--json"], catch_exceptions=False)
    assert json.loads(at.output)["credits_posted"] == "7"
    listed = runner.invoke(command, ["statement", "2", "0", "2100-01-01T00:00:00Z", "--json"], catch_exceptions=False)
    assert [next(iter(json.loads(line))) for line in listed.output.splitlines()] == ["opening", "transfer", "closing"]
    assert runner.invoke(command, ["balance-at", "2", "yesterday"]).exit_code == 2
    assert isinstance(runner.invoke(command, ["balance-at", "77", "0"]).exception, LedgerInputInvalid)


def test_scratch_leaves_nothing_behind(runner: CliRunner, connection: Connection, scratch_names: list[str]) -> None:
    text = json.dumps(accounts(1)) + '\n{"op":"advance_clock","seconds":5}\n'
    applied = runner.invoke(command, ["apply", "-", "--scratch"], input=text, catch_exceptions=False)
    assert json.loads(applied.output.splitlines()[1]) == {"advanced": {"seconds": 5}}
    refused = runner.invoke(command, ["apply", "-"], input='{"op":"advance_clock","seconds":5}\n')
    assert isinstance(refused.exception, LedgerInputInvalid)
    (name,) = scratch_names
    assert connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (name,)).fetchone() is None
    assert runner.invoke(command, ["accounts", "1", "--json"], catch_exceptions=False).output == "[]\n"


def test_verify_on_the_command_line(runner: CliRunner, connection: Connection) -> None:
    runner.invoke(command, ["apply", "-"], input=json.dumps(accounts(1, 2)), catch_exceptions=False)
    sealed = runner.invoke(command, ["seal", "--json"], catch_exceptions=False)
    assert json.loads(sealed.output) | {"frontier": 0} == {"rows": 0, "frontier": 0, "complete": True}
    assert connection.execute("SELECT sum(row_count) FROM ledger_seal").fetchone() == (2,)  # applying has sealed them
    sound = runner.invoke(command, ["verify", "--json"], catch_exceptions=False)
    assert sound.exit_code == 0
    assert json.loads(sound.stdout)["sound"] is True
    assert "balances" in sound.stderr
    connection.execute(b"UPDATE ledger_account SET code = 4 WHERE id = '00000000000000000000000000000002'")
    broken = runner.invoke(command, ["verify", "--json"], catch_exceptions=False)
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["findings"][0]["id"] == "2"
    assert runner.invoke(command, ["verify"], catch_exceptions=False).exit_code == 1
