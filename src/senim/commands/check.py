"""``senim check --deploy``: would this deployment be safe to run for real people and real money?"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import click

from senim.commands import prepare_django
from senim.errors import SenimError
from senim.runtime import safety
from senim.runtime.config import Config, load
from senim.runtime.safety import Finding, UnsafeError

DURABLE_SETTINGS: Final = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_write", "remote_apply", "local"),
}
SERVER_VERSION_MIN: Final = 150_000
DJANGO_ERROR_LEVEL: Final = 30  # Django calls its deployment findings warnings; for us they stop the start
# Ours say more than Django's where both look at the same thing.
DJANGO_SILENT: Final = frozenset({"security.W009", "security.W020"})


@click.command()
@click.option("--deploy", is_flag=True, help="Judge the configuration as production, whatever SENIM_MODE says.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(deploy: bool, as_json: bool) -> int:
    """Check the configuration, the files, Django's settings and the database server; exit code 1 on errors."""
    config = load()
    found = safety.findings(config) if deploy or config.production else []
    found += _of_deployment(config, deploy)
    errors = [finding for finding in found if finding.level == "error"]
    if as_json:
        click.echo(json.dumps({"safe": not errors, "findings": [asdict(finding) for finding in found]}))
    else:
        _print(found)
    return 1 if errors else 0


def _of_deployment(config: Config, deploy: bool) -> list[Finding]:
    """What only Django and the database can tell; where they cannot even start, that is the finding."""
    try:
        prepare_django(config)
    except UnsafeError:
        return []  # told one by one already
    except SenimError as error:
        return [Finding(error.code, "error", error.message, "see the message")]
    if not (deploy or config.production):
        return list(_of_django(include_deployment=False))
    return [*_of_django(include_deployment=config.production), *_of_database(), *_of_peers()]


def _of_django(include_deployment: bool) -> Iterator[Finding]:
    from django.core.checks import run_checks

    for message in run_checks(include_deployment_checks=include_deployment):
        if message.id in DJANGO_SILENT:
            continue
        serious = message.level >= DJANGO_ERROR_LEVEL
        text = " ".join(str(message.msg).split())
        yield Finding(
            f"django.{message.id}", "error" if serious else "warning", text, str(message.hint or "see Django")
        )


def _of_database() -> Iterator[Finding]:
    from django.db import DatabaseError, connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(DURABLE_SETTINGS)])
            settings = dict(cursor.fetchall())
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            superuser = cursor.fetchone()[0]
            version = int(connection.connection.info.server_version)
    except DatabaseError as error:
        reason = str(error).strip().splitlines()[0]
        yield Finding("database.unreachable", "error", f"the database does not answer: {reason}", "start it")
        return
    yield from judge_server(version, settings, superuser)


def judge_server(version: int, settings: dict[str, Any], superuser: bool) -> Iterator[Finding]:
    """Findings about a PostgreSQL server of ``version`` (as 150004) with these settings and this role."""
    if version < SERVER_VERSION_MIN:
        yield Finding("database.old", "error", f"PostgreSQL {version // 10_000} is too old", "use 15 or newer")
    for name, allowed in DURABLE_SETTINGS.items():
        if settings.get(name) not in allowed:
            yield Finding(
                f"database.{name}",
                "error",
                f"{name} is {settings.get(name)}: a power cut could lose what was acknowledged",
                f"set {name} = on in postgresql.conf",
            )
    if superuser:
        yield Finding(
            "database.superuser",
            "error",
            "the application connects as a superuser of the database",
            "give it a role of its own that owns this database only",
        )


def _of_peers() -> Iterator[Finding]:
    from django.apps import apps
    from django.db import DatabaseError

    try:
        plain = apps.get_model("delivery", "Peer").objects.filter(active=True, url__startswith="http://")
        names = sorted(str(peer.code) for peer in plain)
    except DatabaseError:
        yield Finding("database.migrations", "error", "the database has not been migrated", "run senim migrate")
        return
    if names:
        yield Finding(
            "peers.plain",
            "error",
            f"messages to {', '.join(names)} go over plain HTTP, as to a simulator",
            "give each an https:// address or switch it off",
        )


def _print(found: list[Finding]) -> None:
    if not found:
        click.echo("Nothing unsafe was found.")
    for finding in found:
        click.echo(f"{finding.level.upper():7} {finding.id}: {finding.problem}. Remedy: {finding.remedy}.")
