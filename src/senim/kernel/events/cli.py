"""``senim events``: check the register and read it."""

import datetime as dt
import json
from typing import Any

import click


@click.group()
def command() -> None:
    """The register of events (EM-55.11)."""


def signed_heads() -> tuple[dict[int, bytes], list[int]]:
    """Return the heads that carry our signature, by sequence, and the sequences of those that do not."""
    from senim.kernel.delivery import keys
    from senim.kernel.events import heads
    from senim.kernel.events.models import Head

    check = keys.own().check_signature
    good: dict[int, bytes] = {}
    forged = []
    for head in Head.objects.order_by("sequence").iterator():
        try:
            sequence, digest = heads.read(head, check)
        except heads.ForgedHead:
            forged.append(head.sequence)
        else:
            good[sequence] = digest
    return good, forged


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(*, as_json: bool) -> None:
    """Recompute the chain; name every changed, removed or inserted event. Exit code 1 when there is any."""
    from senim.kernel import events

    good, forged = signed_heads()

    def progress(done: int) -> None:
        if not as_json and done % 100_000 == 0:
            click.echo(f"{done:,} events checked", err=True)

    found = events.verify(good, forged_heads=forged, progress=progress)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
    else:
        click.echo(f"{found.sealed:,} sealed, {found.unsealed:,} not sealed yet, {found.heads:,} signed heads")
        for words, rows in (
            ("changed", found.changed),
            ("removed", found.removed),
            ("inserted past the program", found.inserted),
            ("links missing", found.missing_links),
            ("heads that the chain does not pass through", found.wrong_heads),
        ):
            if rows:
                click.echo(f"{words}: {', '.join(map(str, rows))}")
        click.echo("The register is intact." if found.intact else f"{found.findings:,} findings.")
    if not found.intact:
        raise SystemExit(1)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The newest so many.")
@click.option("--name", default="", help="Only events of this name.")
@click.option("--record", nargs=2, default=None, metavar="KIND ID", help="Only events of this record.")
@click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Only events that began on this day in Almaty."
)
def list_(*, as_json: bool, limit: int, name: str, record: tuple[str, str] | None, day: dt.datetime | None) -> None:
    """Print events, newest first."""
    from senim.kernel.events.models import Event
    from senim.kernel.values import almaty

    rows = Event.objects.order_by("-began_at", "-id")
    if name:
        rows = rows.filter(name=name)
    if record:
        rows = rows.filter(record_type=record[0], record_id=record[1])
    if day:
        rows = rows.filter(began_at__gte=almaty.begins_at(day.date()), began_at__lt=almaty.ends_at(day.date()))
    found = [as_dict(event) for event in rows[:limit]]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for event in found:
        click.echo(
            f"{event['began_at']}  {event['outcome']:9}  {event['name']}  {event['record_type']} {event['record_id']}"
            f"  {event['actor_label']}{'  ' + event['reason'] if event['reason'] else ''}"
        )


def as_dict(event: Any) -> dict[str, Any]:
    """An event for JSON, with its six attributes and the rest."""
    return {
        "id": event.pk,
        "name": event.name,
        "actor_kind": event.actor_kind,
        "actor": event.actor,
        "actor_label": event.actor_label,
        "address": event.address,
        "record_type": event.record_type,
        "record_id": event.record_id,
        "began_at": event.began_at.isoformat(),
        "ended_at": event.ended_at.isoformat(),
        "outcome": event.outcome,
        "reason": event.reason,
        "data": event.data,
        "operating_day": event.operating_day.isoformat() if event.operating_day else None,
    }
