"""``senim``: the command line for everything. A command is imported when it is called: ``--help`` is instant."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, NoReturn

import click

from senim.errors import BadInput, SenimError

EXIT_FAILURE: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130


class NotInstalledError(SenimError):
    """This command belongs to a part that is not installed."""

    code = "senim.not_installed"


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command lives; ``django`` and ``database`` say what has to be ready before it runs.

    ``pure`` names its commands that need neither: they calculate, and answer at once.
    """

    target: str
    help: str
    django: bool = True
    database: bool = True
    pure: tuple[str, ...] = ()


class LazyGroup(click.Group):
    """A group that imports a command only when that command is called."""

    def __init__(self, *args: Any, commands_at: dict[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which people meet them."""
        return [*self.commands_at, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, with what it needs made ready."""
        lazy = self.commands_at.get(cmd_name)
        if lazy is None:
            return super().get_command(ctx, cmd_name)
        prepare(lazy)
        return _import(lazy, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """List the commands by the table's own words."""
        rows = [(name, lazy.help) for name, lazy in self.commands_at.items()]
        rows += [(name, command.get_short_help_str(80)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def prepare(lazy: Lazy) -> None:
    """Set Django up, and start the embedded database unless only help is asked for."""
    if not lazy.django or (sys.argv[2:3] and sys.argv[2] in lazy.pure):
        return
    from senim.commands import prepare_django
    from senim.runtime.config import load

    prepare_django(load(), database=lazy.database and "--help" not in sys.argv)


def _import(lazy: Lazy, name: str) -> click.Command:
    module_name, _, attribute = lazy.target.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise NotInstalledError(f"senim {name}: {module_name} is not installed", command=name) from error
    command: click.Command = getattr(module, attribute)
    return command


BENCHES: Final = {
    "ledger": Lazy("senim.ledger.bench:command", "Transfers a second, beside a row-by-row baseline."),
    "centre": Lazy("senim.roles.payments.centre.bench:command", "Authorisations a second, single and in batches."),
    "netting": Lazy("senim.roles.payments.services.netting_bench:command", "Netting of a day of operations."),
    "files": Lazy("senim.roles.payments.messages.bench:command", "Import of a large pacs.008 file."),
    "registers": Lazy("senim.roles.payments.console.bench:command", "Pages of a register of 1,000,000 rows."),
    "all": Lazy("senim.commands.bench:command", "All of them, one after the other.", django=False),
}
COMMANDS: Final = {
    "sandbox": Lazy(
        "senim.sandbox.cli:command", "The market on one machine: everything, with example data.", django=False
    ),
    "up": Lazy("senim.commands.up:command", "One deployment: its pages, its centre and its worker.", django=False),
    "migrate": Lazy("senim.commands.migrate:command", "Bring the database to this version."),
    "ledger": Lazy("senim.ledger.cli:command", "Apply events to the ledger, verify it."),
    "payments": Lazy("senim.roles.payments.cli:command", "Participants, files, operating days.", pure=("net",)),
    "events": Lazy("senim.kernel.events.cli:command", "Verify the register of events."),
    "clauses": Lazy(
        "senim.kernel.compliance.cli:command", "Which clauses of the law have a passing test.", django=False
    ),
    "check": Lazy("senim.commands.check:command", "Is this deployment safe to run?", django=False),
    "web": Lazy("senim.commands.web:command", "The web server alone.", django=False),
    "centre": Lazy("senim.commands.centre:command", "The authorisation centre alone.", django=False),
    "worker": Lazy("senim.kernel.jobs.cli:command", "The worker alone: deliveries and scheduled work."),
    "database": Lazy("senim.commands.database:command", "The embedded database server.", django=False),
    "translations": Lazy("senim.commands.translations:command", "Compile the translations.", django=False),
}


@click.group(cls=LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="senim", message="senim %(version)s")
def root() -> None:
    """Senim runs a regulated finance organisation in Kazakhstan."""


@root.group(cls=LazyGroup, commands_at=BENCHES)
def bench() -> None:
    """Measure speed, each figure beside its baseline."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command; every expected failure is one line and an exit code (2: bad input, 1: anything else)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(given))


def run(arguments: list[str]) -> int:
    """The same, answering with the exit code."""
    try:
        answer = root.main(arguments, prog_name="senim", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return EXIT_BAD_INPUT
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "senim"
        return _tell("senim.usage", f"{error.format_message()} See: {where} --help", {}, EXIT_BAD_INPUT, arguments)
    except click.ClickException as error:
        return _tell("senim.input", error.format_message(), {}, EXIT_BAD_INPUT, arguments)
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE
    except SenimError as error:
        code = EXIT_BAD_INPUT if isinstance(error, BadInput) else EXIT_FAILURE
        return _tell(error.code, error.message, error.fields, code, arguments)
    except Exception as error:  # noqa: BLE001 - the command line's last resort: one line, or all with SENIM_DEBUG=1
        return _tell(*_describe(error), {}, EXIT_FAILURE, arguments)
    return answer if isinstance(answer, int) else 0


def _describe(error: Exception) -> tuple[str, str]:
    """A code and one line for an error that no part foresaw.

    Django and psycopg are known by the names of their errors: most commands run without importing either.
    """
    names = {base.__name__ for base in type(error).__mro__}
    first = (str(error).strip() or "no further word").splitlines()[0]
    if "OperationalError" in names and "connection" in first:
        return "senim.database_away", f"the database does not answer; is SENIM_DATABASE_URL right? {first}"
    if names & {"ProgrammingError", "UndefinedTable"} and "does not exist" in first:
        return "senim.database_not_migrated", f"the database is not of this version ({first}): run senim migrate"
    return "senim.failure", f"{type(error).__name__}: {first} (SENIM_DEBUG=1 shows where)"


def _tell(code: str, message: str, fields: dict[str, object], exit_code: int, arguments: list[str]) -> int:
    if os.environ.get("SENIM_DEBUG") == "1" and sys.exc_info()[0] is not None:
        import traceback

        traceback.print_exc()
    if "--json" in arguments:
        error = {"code": code, "message": message, "fields": fields}
        click.echo(json.dumps({"error": error}, ensure_ascii=False, default=str))
    else:
        click.echo(f"senim: {message.strip()}", err=True)
    return exit_code
