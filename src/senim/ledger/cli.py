"""``senim ledger``: the ledger from the command line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any, BinaryIO

import click
import msgspec
import psycopg
from psycopg.rows import TupleRow

from senim.ledger import jsonl
from senim.ledger.accounts import lookup_accounts
from senim.ledger.errors import LedgerInputInvalid
from senim.ledger.history import balance_at, statement
from senim.ledger.queries import lookup_transfers, moment_of
from senim.ledger.schema import scratch
from senim.ledger.sealing import seal_all
from senim.ledger.types import UINT128_MAX, Account, Transfer
from senim.ledger.verify import verify

SEAL_PATIENCE_SECONDS = 2.0


@contextmanager
def connected() -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection of our own to the deployment's database."""
    from senim.runtime.postgres import database_url

    with psycopg.connect(database_url(), autocommit=True) as connection:
        yield connection


class Id(click.ParamType[int]):
    """A 128-bit id: decimal, or a UUID."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The id as an integer."""
        from uuid import UUID

        try:
            number = int(value) if str(value).isdigit() else UUID(str(value)).int
        except ValueError:
            self.fail(f"{value!r} is neither a decimal id nor a UUID", param, ctx)
        if number > UINT128_MAX:
            self.fail(f"{value!r} does not fit 128 bits", param, ctx)
        return number


class Moment(click.ParamType[datetime | int]):
    """An ISO 8601 moment with its offset, or nanoseconds since 1970."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | int:
        """An aware datetime, or a timestamp."""
        if isinstance(value, datetime | int):
            return value
        if value.isdigit():
            return int(value)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not an ISO 8601 moment", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no offset from UTC", param, ctx)
        return moment


def print_json(value: object) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


@click.group(name="ledger")
def command() -> None:
    """Accounts and transfers: apply, look up, verify."""


@command.command()
@click.argument("file", type=click.File("rb"))
@click.option("--scratch", "is_scratch", is_flag=True, help="Use an empty temporary ledger, dropped at the end.")
@click.option("--json", "as_json", is_flag=True, help="Answers are JSON lines in any case; accepted for uniformity.")
def apply(file: BinaryIO, *, is_scratch: bool, as_json: bool) -> None:
    """Apply the operations of FILE (JSON lines, - for standard input); one answer line each."""
    del as_json
    with connected() as connection, scratch(connection) if is_scratch else nullcontext():
        lines = iter(lambda: file.readline(jsonl.LINE_BYTES_MAX + 1), b"")
        try:
            for answer in jsonl.Door(connection, is_scratch=is_scratch).apply(lines):
                sys.stdout.buffer.write(answer + b"\n")
                sys.stdout.buffer.flush()
        finally:
            if not is_scratch and not connection.broken:
                # A worker may not be running; what was applied is to be under seal all the same.
                seal_all(connection, patience_seconds=SEAL_PATIENCE_SECONDS)


def _show(found: list[Account] | list[Transfer], *, as_json: bool) -> None:
    rendered = [jsonl.render(value) for value in found]
    if as_json:
        print_json(rendered)
        return
    for fields in rendered:
        click.echo("  ".join(f"{name}={value}" for name, value in fields.items() if value not in (0, "0", [])))


@command.command()
@click.argument("ids", type=Id(), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True)
def accounts(ids: tuple[int, ...], *, as_json: bool) -> None:
    """Look up accounts; unknown ids are left out."""
    with connected() as connection:
        _show(lookup_accounts(connection, ids), as_json=as_json)


@command.command()
@click.argument("ids", type=Id(), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True)
def transfers(ids: tuple[int, ...], *, as_json: bool) -> None:
    """Look up transfers; unknown ids are left out."""
    with connected() as connection:
        _show(lookup_transfers(connection, ids), as_json=as_json)


@command.command(name="balance-at")
@click.argument("account_id", type=Id())
@click.argument("moment", type=Moment())
@click.option("--json", "as_json", is_flag=True)
def balance_at_command(account_id: int, moment: datetime | int, *, as_json: bool) -> None:
    """An account's balances as they stood at MOMENT."""
    with connected() as connection:
        _require_account(connection, account_id)
        balance = balance_at(connection, account_id, moment)
    fields = jsonl.plain(balance._asdict())
    if as_json:
        print_json(fields)
    else:
        click.echo("\n".join(f"{name:16} {value}" for name, value in fields.items()))


@command.command(name="statement")
@click.argument("account_id", type=Id())
@click.argument("since", type=Moment())
@click.argument("until", type=Moment())
@click.option("--json", "as_json", is_flag=True, help="JSON lines: opening, one per transfer, closing.")
def statement_command(account_id: int, since: datetime | int, until: datetime | int, *, as_json: bool) -> None:
    """An account's statement from SINCE until before UNTIL."""
    with connected() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _require_account(connection, account_id)
        report = statement(connection, account_id, since, until)
        for kind, balance in (("opening", report.opening), ("closing", report.closing)):
            if kind == "closing":
                for line in report.lines:
                    fields = jsonl.render(line.transfer)
                    after = {"debits_posted": str(line.debits_posted), "credits_posted": str(line.credits_posted)}
                    if as_json:
                        print_json({"transfer": fields, "after": after})
                    else:
                        side = "Dr" if line.transfer.debit_account_id == account_id else "Cr"
                        moment = moment_of(line.transfer.timestamp).isoformat(timespec="milliseconds")
                        click.echo(f"{moment}  {side} {line.transfer.amount:>20}  {line.transfer.id}")
            if as_json:
                print_json({kind: jsonl.plain(balance._asdict())})
            else:
                click.echo(f"{kind}: debits {balance.debits_posted}, credits {balance.credits_posted}")


def _require_account(connection: psycopg.Connection[TupleRow], account_id: int) -> None:
    if not lookup_accounts(connection, [account_id]):
        raise LedgerInputInvalid(f"no account {account_id}", account_id=str(account_id))


@command.command(name="verify")
@click.option("--json", "as_json", is_flag=True)
def verify_command(*, as_json: bool) -> None:
    """Recompute every balance and the hash chain; exit code 1 when anything is not as it was posted."""
    with connected() as connection:
        report = verify(connection, progress=_tell)
    if as_json:
        print_json(report.as_json())
    else:
        verdict = "sound" if report.is_sound else f"{report.findings_count} findings"
        click.echo(
            f"{report.accounts} accounts, {report.transfers} transfers ({report.unsealed_transfers} not sealed yet), "
            f"{report.refused_ids} refused ids, {report.seals} seals: {verdict}"
        )
        for finding in report.findings:
            fields = ("problem", "table", "id", "timestamp", "detail")
            click.echo("  " + "  ".join(str(value) for name in fields if (value := getattr(finding, name)) is not None))
        for table, root in report.heads.items():
            click.echo(f"  head of the chain of {table}: {root}")
    if not report.is_sound:
        sys.exit(1)


def _tell(what: str, done: int, total: int) -> None:
    """Progress on standard error: one line that is written over on a terminal, a line per part elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{what} {done}/{total}" + ("\n" if done == total else ""))
    elif done == total or done % 64 == 0:
        sys.stderr.write(f"{what} {done}/{total}\n")
    sys.stderr.flush()


@command.command(name="seal")
@click.option("--json", "as_json", is_flag=True)
def seal_command(*, as_json: bool) -> None:
    """Seal everything committed so far into the hash chain (a worker does this each second)."""
    with connected() as connection:
        report = seal_all(connection)
    if as_json:
        print_json({"rows": report.row_count, "frontier": report.frontier, "complete": report.is_complete})
    else:
        click.echo(f"{report.row_count} rows sealed{'' if report.is_complete else '; writers are still under way'}")
