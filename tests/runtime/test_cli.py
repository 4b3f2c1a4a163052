"""One line on every expected failure, and an exit code that a script can rely on."""

import json
import os
import subprocess
import sys

import click
import psycopg
import pytest

from senim import cli
from senim.errors import BadInput, SenimError


class EmptyVaultError(SenimError):
    """The vault is empty."""

    code = "test.empty_vault"


def failing(error: BaseException) -> click.Command:
    """A command that ends with this error."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def command(as_json: bool) -> None:
        raise error

    return command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take test commands off the root again."""
    monkeypatch.setattr(cli.root, "commands", dict(cli.root.commands))


def run_failing(error: BaseException, *arguments: str) -> int:
    """Run a command that fails so; the exit code."""
    cli.root.add_command(failing(error), "fail")
    return cli.run(["fail", *arguments])


@pytest.mark.usefixtures("command")
class TestErrors:
    """What a failure looks like."""

    def test_bad_input_is_code_2(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_failing(BadInput("the third line is not JSON", line=3)) == 2
        out, err = capsys.readouterr()
        assert (out, err) == ("", "senim: the third line is not JSON\n")

    def test_any_other_refusal_is_code_1(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_failing(EmptyVaultError()) == 1
        assert capsys.readouterr().err == "senim: The vault is empty.\n"

    def test_json_says_the_same_to_a_machine(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_failing(EmptyVaultError(vault="north"), "--json") == 1
        out, err = capsys.readouterr()
        expected = {"code": "test.empty_vault", "message": "The vault is empty.", "fields": {"vault": "north"}}
        assert json.loads(out) == {"error": expected}
        assert err == ""

    def test_what_nobody_expected_is_one_line_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_failing(ZeroDivisionError("division by zero")) == 1
        assert capsys.readouterr().err == "senim: ZeroDivisionError: division by zero (SENIM_DEBUG=1 shows where)\n"

    def test_debugging_shows_where(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SENIM_DEBUG", "1")
        assert run_failing(ZeroDivisionError("division by zero")) == 1
        assert "Traceback" in capsys.readouterr().err

    def test_an_interrupt_is_code_130(self) -> None:
        assert run_failing(KeyboardInterrupt()) == 130


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "No such command 'fly'"),
        (["migrate", "--fast"], "No such option"),
        (["database", "status", "extra"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_code_2_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("senim: ")
    assert words in err
    assert "--help" in err
    assert err.count("\n") == 1


def test_a_bad_setting_is_code_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENIM_PORT", "eighty")
    assert cli.run(["database", "status"]) == 2
    assert capsys.readouterr().err.startswith("senim: SENIM_PORT: a whole number")


def test_help_lists_every_command_and_imports_none() -> None:
    script = (
        "import sys; from senim import cli; code = cli.run(['--help']); "
        "heavy = [name for name in ('django', 'psycopg', 'numpy', 'lxml') if name in sys.modules]; "
        "assert not heavy, heavy; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    for name in ("up", "sandbox", "migrate", "ledger", "payments", "bench", "check", "clauses", *cli.COMMANDS):
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("lazy", [*cli.COMMANDS.values(), *cli.BENCHES.values()], ids=lambda lazy: lazy.target)
def test_every_command_is_there(lazy: cli.Lazy) -> None:
    assert isinstance(cli._import(lazy, lazy.target), click.Command)


def test_a_part_that_is_not_installed_is_told() -> None:
    with pytest.raises(cli.NotInstalledError, match=r"senim fly: senim\.wings is not installed"):
        cli._import(cli.Lazy("senim.wings:command", ""), "fly")


def test_the_program_and_the_module_are_the_same() -> None:
    done = subprocess.run([sys.executable, "-m", "senim", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("senim ")


def test_a_database_that_is_away_or_empty_is_told_with_the_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli.root, "commands", dict(cli.root.commands))
    away = psycopg.OperationalError("connection failed: Connection refused\nIs the server running?")
    assert run_failing(away, "--json") == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "senim.database_away"
    assert "SENIM_DATABASE_URL" in error["message"]
    assert run_failing(psycopg.errors.UndefinedTable('relation "ledger_seal" does not exist')) == 1
    assert capsys.readouterr().err.strip().endswith("run senim migrate")


def test_a_folder_that_cannot_be_used_is_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "senim", "database", "status"],
        env={**os.environ, "SENIM_DATABASE_URL": "", "SENIM_DATA_DIR": "/proc/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [line for line in ended.stderr.splitlines() if "SENIM_DATA_DIR" in line]
    assert "SENIM_DATA_DIR" in ended.stderr
