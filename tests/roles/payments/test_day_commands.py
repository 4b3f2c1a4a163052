"""The command line of the day: netting a file, listing days, closing one."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.roles.payments.closing import Market

from senim.errors import BadInput
from senim.kernel.access.services import SignInRefused, create_staff
from senim.roles.payments.cli import command
from senim.roles.payments.rules.kinds import Kind
from senim.roles.payments.services.day_state import DayNotOver


def call(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(command, list(arguments), input=given)


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_file_is_netted_and_said_as_json(tmp_path: Path) -> None:
    path = tmp_path / "obligations.json"
    path.write_text('[{"payer":"A","payee":"B","amount":"12.50"},{"payer":"B","payee":"C","amount":1250}]')
    said = document(call("net", str(path), "--json"))
    assert said["positions"] == [
        {"participant": "A", "owed": 0, "owes": 1250, "net": -1250},
        {"participant": "B", "owed": 1250, "owes": 1250, "net": 0},
        {"participant": "C", "owed": 1250, "owes": 0, "net": 1250},
    ]
    assert said["transfers"] == [{"payer": "A", "payee": "C", "amount": 1250}]
    assert (said["gross"], said["settled"]) == (2500, 1250)


def test_a_file_is_netted_from_standard_input_for_people() -> None:
    result = call("net", "-", given='[{"payer":"A","payee":"B","amount":100}]')
    assert result.exit_code == 0
    assert "A -> B" in result.stdout


@pytest.mark.parametrize(
    "content", [b'[{"payer":"A"}]', b"\xff\xfe", b"{", b'[{"payer":"A","payee":"B","amount":0.1}]']
)
def test_bad_input_is_one_refusal_that_the_command_line_ends_with_2(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    assert isinstance(call("net", str(path), "--json").exception, BadInput)


@pytest.mark.django_db
def test_days_are_listed_with_their_positions(market: Market) -> None:
    market.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    [only] = document(call("days", "--json"))
    assert (only["day"], only["state"]) == (market.day.isoformat(), "open")
    assert (only["operations"], only["amount"]) == (1, 1_000)
    assert market.day.isoformat() in call("days").stdout


@pytest.mark.django_db
def test_a_day_that_is_not_over_is_not_closed_without_two_people(market: Market) -> None:
    assert document(call("close-day", "--json")) == []
    assert isinstance(call("close-day", market.day.isoformat()).exception, DayNotOver)
    assert call("close-day", "--maker", "a").exit_code == 2


@pytest.mark.django_db
@pytest.mark.clause("PS-3.1.1")
def test_two_people_with_their_passwords_close_it(market: Market) -> None:
    market.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    first = create_staff("first", "Бірінші", roles=["duty_officer"], must_change_password=False)
    second = create_staff("second", "Екінші", roles=["controller"], must_change_password=False)
    people = ("--maker", "first", "--checker", "second", "--json")
    wrong = call("close-day", *people, given=f"{first.password}\nwrong\n")
    assert isinstance(wrong.exception, SignInRefused)
    [closed] = document(call("close-day", *people, given=f"{first.password}\n{second.password}\n"))
    assert (closed["state"], closed["closed_by"]) == ("instructed", "Бірінші, Екінші")
    assert closed["positions"] == {"000901": -1_000, "000902": 1_000}


@pytest.mark.django_db
def test_who_has_not_changed_the_first_password_closes_nothing(market: Market) -> None:
    first = create_staff("first", "Бірінші", roles=["duty_officer"])
    second = create_staff("second", "Екінші", roles=["controller"], must_change_password=False)
    result = call(
        "close-day", "--maker", "first", "--checker", "second", given=f"{first.password}\n{second.password}\n"
    )
    assert isinstance(result.exception, BadInput)
