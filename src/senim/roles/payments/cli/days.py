"""``senim payments net``, ``close-day`` and ``days``."""

import datetime as dt
import json
import sys
from typing import Any, BinaryIO, Final

import click

from senim.errors import BadInput
from senim.kernel.values.money import format_amount
from senim.roles.payments.rules import netting, obligation_file

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
DAYS_MAX: Final = 366


@click.command(name="net")
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON; all sums are integers of tiyn.")
def net(file: BinaryIO, as_json: bool) -> None:
    """Net the obligations of FILE (- for stdin) and say who pays whom.

    FILE is a JSON list of {"payer", "payee", "amount"}. An amount is an integer of tiyn (1250) or a decimal string of
    tenge ("12.50"). Equal pairs add up. Nothing is stored.
    """
    result = netting.net(obligation_file.parse(_text(file)))
    if as_json:
        click.echo(json.dumps(netting_document(result), ensure_ascii=False))
        return
    for position in result.positions:
        click.echo(f"{position.participant:<35} {_money(position.net_tiyn):>24}")
    for transfer in result.transfers:
        click.echo(f"{transfer.payer} -> {transfer.payee}: {_money(transfer.amount_tiyn)}")
    click.echo(f"{_money(result.gross_tiyn)} gross, {_money(result.settled_tiyn)} to move.")


def _text(file: BinaryIO) -> str:
    content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise obligation_file.ObligationFileInvalid(f"The file is larger than {FILE_BYTES_MAX} bytes.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise obligation_file.ObligationFileInvalid(f"Byte {error.start}: not UTF-8.", byte=error.start) from None


def netting_document(result: netting.Netting) -> dict[str, Any]:
    """A netting as JSON says it; all sums are integers of tiyn."""
    return {
        "positions": [
            {"participant": p.participant, "owed": p.owed_tiyn, "owes": p.owes_tiyn, "net": p.net_tiyn}
            for p in result.positions
        ],
        "offsets": [
            {"first": o.first, "second": o.second, "first_owes": o.first_owes_tiyn, "second_owes": o.second_owes_tiyn,
             "offset": o.offset_tiyn}
            for o in result.offsets
        ],
        "transfers": [{"payer": t.payer, "payee": t.payee, "amount": t.amount_tiyn} for t in result.transfers],
        "gross": result.gross_tiyn,
        "settled": result.settled_tiyn,
    }  # fmt: skip


@click.command(name="days")
@click.option("--last", type=click.IntRange(1, DAYS_MAX), default=14, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; sums are integers of tiyn.")
def days(last: int, as_json: bool) -> None:
    """List the operating days, newest first, and how far each has come."""
    from senim.roles.payments.models import OperatingDay

    rows = [_day_document(row) for row in OperatingDay.objects.order_by("-day")[:last]]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        click.echo(f"{row['day']}  {row['state']:<10}  {row['operations']:>12,}  {row['trouble']}".rstrip())


def _day_document(row: Any) -> dict[str, Any]:
    from senim.roles.payments.services.day_state import trouble_text

    operations, amount_tiyn = row.operation_count, row.operation_amount_tiyn
    if (
        row.netted_at is None
    ):  # the day's own figures are written when it is netted; until then the Centre's counters tell
        operations, amount_tiyn = _counted(row.day)
    moments = ("opened_at", "closed_at", "netted_at", "instructed_at", "settled_at", "reported_at")
    return {
        "day": row.day.isoformat(),
        "state": row.state,
        "closed_by": row.closed_by,
        **{name: moment.isoformat() if (moment := getattr(row, name)) else None for name in moments},
        "operations": operations,
        "amount": amount_tiyn,
        "positions": {p.participant.code: p.net_tiyn for p in row.positions.select_related("participant")},
        "trouble": trouble_text(row),
    }


def _counted(day: dt.date) -> tuple[int, int]:
    from django.db.models import Sum

    from senim.roles.payments.models import OperationMinute
    from senim.roles.payments.rules.kinds import Status

    counters = OperationMinute.objects.filter(day=day, status=Status.ACCEPTED)
    sums = counters.aggregate(operations=Sum("operations"), amount_tiyn=Sum("amount_tiyn"))
    return int(sums["operations"] or 0), int(sums["amount_tiyn"] or 0)


@click.command(name="close-day")
@click.argument("day", required=False, type=click.DateTime(["%Y-%m-%d"]))
@click.option("--maker", help="Login of who proposes to close a day early; the password is asked for.")
@click.option("--checker", help="Login of who confirms it; the password is asked for.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def close_day(day: dt.datetime | None, maker: str | None, checker: str | None, as_json: bool) -> None:
    """Close an operating day and carry its close on as far as it goes.

    Without DAY: every day that is over by the clock. A day that is not over is closed early only by two people, who
    both give their passwords here: --maker proposes, --checker confirms.
    """
    if (maker is None) is not (checker is None):
        raise click.UsageError("A day is closed early by two people: give both --maker and --checker.")
    if maker is not None and checker is not None:
        closed = [_close_early(day.date() if day else None, maker, checker)]
    else:
        closed = _close_over(day.date() if day else None)
    stopped = _carry_on()
    if as_json:
        from senim.roles.payments.models import OperatingDay

        touched = OperatingDay.objects.filter(day__in={*closed, *stopped}).order_by("day")
        click.echo(json.dumps([_day_document(row) for row in touched], ensure_ascii=False))
        return
    for one in closed:
        click.echo(f"{one} is closed.")
    for one, state in stopped.items():
        click.echo(f"{one}: {state}")
    if not closed and not stopped:
        click.echo("No day is over.")


def _close_early(day: dt.date | None, maker: str, checker: str) -> dt.date:
    from senim.kernel import approvals
    from senim.roles.payments.models import OperatingDay
    from senim.roles.payments.rules.kinds import DayState
    from senim.roles.payments.services import day as service
    from senim.roles.payments.services.day_state import DayUnknown

    wanted = (
        day
        or OperatingDay.objects.filter(state=DayState.OPEN.value).order_by("day").values_list("day", flat=True).first()
    )
    if wanted is None:
        raise DayUnknown("No operating day is open.")
    first, second = _person(maker), _person(checker)
    approval = service.propose_close(wanted, first)
    approvals.decide(approval.pk, checker=second, approve=True)
    return wanted


def _person(login: str) -> Any:
    from senim.kernel.access.services import sign_in

    prompt = f"Password of {login}"
    if sys.stdin.isatty():
        password = click.prompt(prompt, hide_input=True, err=True)
    else:
        click.echo(f"{prompt} from standard input.", err=True)
        password = sys.stdin.readline().rstrip("\n")
    person = sign_in(login, password)
    if person.must_change_password:
        raise BadInput(f"{login} has to change the first password in the console before anything else.", login=login)
    return person


def _close_over(day: dt.date | None) -> list[dt.date]:
    from django.conf import settings
    from django.utils import timezone

    from senim.kernel import events
    from senim.roles.payments.services import day as service

    actor, now = events.Actor.command(), timezone.now()
    if day is None:
        return service.close_due(now, settings.SENIM_DAY_CLOSE, actor)
    service.close_over(day, settings.SENIM_DAY_CLOSE, actor, now)
    return [day]


def _carry_on() -> dict[dt.date, str]:
    """Carry every unfinished close on; the state, or what stops it, of each."""
    from senim.kernel import events
    from senim.roles.payments.services import day as service
    from senim.roles.payments.services.day_state import CloseStopped

    reached: dict[dt.date, str] = {}
    for unfinished in service.unfinished():
        try:
            reached[unfinished] = service.advance(unfinished, events.Actor.command()).value
        except CloseStopped as stopped:
            reached[unfinished] = stopped.message
    return reached


def _money(amount_tiyn: int) -> str:
    return format_amount(amount_tiyn, "en")
