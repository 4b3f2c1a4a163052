"""``senim payments import`` and ``senim payments message check``."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

EXIT_REFUSED: Final = 2
REFUSED_LISTED_MAX: Final = 1_000
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="import")
@click.argument("file", type=FILE)
@click.option("--participant", "code", help="Code of the sender. By default the institution that the file names.")
@click.option("--answer", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write the answer here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def import_command(ctx: click.Context, file: Path, code: str | None, answer: Path | None, as_json: bool) -> None:
    """Check and record a pacs.008 FILE: all of it, or nothing when it is refused (exit code 2)."""
    from senim.roles.payments.services import file_assessment

    sender = _sender(file, code)
    if sender is None:
        with file.open("rb") as source:
            outcome = _assessed(file_assessment.assess(source))
    else:
        outcome = _imported(sender, file, answer)
    _print(outcome, as_json=as_json)
    if outcome["state"] == "refused":
        ctx.exit(EXIT_REFUSED)


def _sender(file: Path, code: str | None) -> Any:
    """The participant that sends the file; None when the file names none that is known."""
    from senim.roles.payments.messages import pacs008
    from senim.roles.payments.messages.errors import MessageRefused
    from senim.roles.payments.models import Participant
    from senim.roles.payments.services import file_assessment

    if code is not None:
        found = Participant.objects.filter(code=code).first()
        if found is None:
            raise click.BadParameter(f"there is no participant with the code {code}", param_hint="--participant")
        return found
    try:
        with file.open("rb") as source:
            reader = pacs008.Reader(source, validate=False)
            bic = reader.sender_bic or next((each.instructing_bic for each in reader), "")
    except MessageRefused:
        return None
    return file_assessment.sender_of(bic)


def _imported(sender: Any, file: Path, answer: Path | None) -> dict[str, object]:
    from django.db.models import Count

    from senim.kernel import events
    from senim.kernel.documents import store
    from senim.roles.payments.models import MessageFile, Operation
    from senim.roles.payments.rules.kinds import Status
    from senim.roles.payments.services import files

    with file.open("rb") as source:
        kept = files.keep_file(sender, file.name, source, actor=events.Actor.command())
    imported = files.import_file(kept.pk, progress=_progress)
    if sys.stderr.isatty():
        click.echo(err=True)
    answered = MessageFile.objects.filter(answers=imported).first()
    if answer and answered:
        answer.write_bytes(store.default().read(answered.sha256))
    refused = Operation.objects.filter(file_id=imported.pk, status=Status.REFUSED)
    reasons = refused.values_list("reason").annotate(count=Count("pk")).order_by("reason")
    columns = ("file_index", "end_to_end_id", "reason")
    listed = refused.order_by("file_index").values_list(*columns)[:REFUSED_LISTED_MAX]
    return {
        "id": str(imported.pk),
        "state": imported.state,
        "participant": sender.code,
        "name": imported.name,
        "sha256": imported.sha256,
        "message": imported.message_type,
        "message_id": imported.message_id,
        "operating_day": imported.day.isoformat() if imported.day else None,
        "transactions": imported.transactions_total,
        "accepted": imported.accepted,
        "refused": imported.refused,
        "amount_tiyn": imported.amount_tiyn,
        "reason": imported.reason,
        "problem": imported.problem,
        "line": imported.problem_line,
        "path": imported.problem_path,
        "reasons": dict(reasons),
        "refused_transactions": [
            {"index": index, "end_to_end_id": end_to_end_id, "reason": reason}
            for index, end_to_end_id, reason in listed
        ],
        "answer": {"message": answered.message_type, "message_id": answered.message_id, "sha256": answered.sha256}
        if answered
        else None,
    }


def _assessed(assessment: Any) -> dict[str, object]:
    """The outcome of a file whose sender is unknown: nothing is recorded, but every transaction has its reason."""
    found = assessment.inspection
    first = found.problems[0]
    return {
        "id": None,
        "state": "refused",
        "participant": None,
        "message": found.layout.document if found.layout else "",
        "message_id": found.message_id,
        "transactions": found.totals.transactions,
        "accepted": 0,
        "refused": found.totals.transactions,
        "amount_tiyn": 0,
        "reason": first.reason,
        "problem": first.message,
        "line": first.place.line,
        "path": first.place.path,
        "reasons": dict(assessment.reasons),
        "refused_transactions": assessment.listed,
        "answer": None,
    }


def _progress(state: str, done: int, total: int) -> None:
    """Keep one line of standard error up to date, for people only."""
    if not sys.stderr.isatty():
        return
    of = f" of {total:,}" if total else ""
    share = f" [{'#' * (done * 30 // total):<30}]" if total else ""
    click.echo(f"\r{state}: {done:,}{of}{share}\x1b[K", nl=False, err=True)


def _print(outcome: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(outcome, ensure_ascii=False))
        return
    if outcome["state"] == "refused":
        place = f" (line {outcome['line']}, {outcome['path']})" if outcome["line"] else ""
        click.echo(f"refused {outcome['reason']}: {outcome['problem']}{place}")
    else:
        click.echo(f"{outcome['state']}: {outcome['accepted']:,} carried out, {outcome['refused']:,} refused")
    reasons = outcome["reasons"]
    assert isinstance(reasons, dict)
    for reason, count in sorted(reasons.items()):
        click.echo(f"  {reason}  {count:,}")


@click.group()
def message() -> None:
    """Look at ISO 20022 messages."""


@message.command()
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Is FILE a valid message? If not, every error with its line and path (exit code 2)."""
    from senim.roles.payments.messages.check import inspect_any

    with file.open("rb") as source:
        found = inspect_any(source)
    problems = [
        {"reason": each.reason, "message": each.message, "line": each.place.line, "path": each.place.path}
        for each in found.problems
    ]
    if as_json:
        outcome = {
            "valid": found.valid,
            "message": found.layout.document if found.layout else None,
            "message_id": found.message_id,
            "transactions": found.totals.transactions,
            "control_sum": format(found.totals.sum, "f"),
            "problems": problems,
            "warnings": list(found.warnings),
        }
        click.echo(json.dumps(outcome, ensure_ascii=False))
    else:
        for each in found.problems:
            click.echo(f"{file}:{each.place.line or 0}: {each.reason} {each.message} [{each.place.path}]")
        click.echo("valid" if found.valid else f"{len(problems)} errors")
    if not found.valid:
        ctx.exit(EXIT_REFUSED)
