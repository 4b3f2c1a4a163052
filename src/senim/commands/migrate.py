"""``senim migrate``: bring the database to this version of the code."""

import json
import time
from typing import Any, Final

import click
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from senim.runtime import safety, schema
from senim.runtime.config import load
from senim.runtime.postgres import database_url

TURN: Final = 7_360_632  # the advisory lock's number: any constant of our own


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@click.option("--check", "check_only", is_flag=True, help="Change nothing; exit code 1 when something is to be done.")
def command(as_json: bool, check_only: bool) -> int:
    """Bring the database to this version."""
    began = time.monotonic()
    planned = _plan()
    if planned and not check_only:
        migrate()
    if not check_only:
        schema.record(database_url())
    done = {"planned" if check_only else "applied": planned, "seconds": round(time.monotonic() - began, 2)}
    if as_json:
        click.echo(json.dumps(done))
    else:
        click.echo(_sentence(planned, check_only, done["seconds"]))
    return 1 if check_only and planned else 0


def migrate() -> None:
    """Apply what is due; a second process waits for the first, then finds nothing left."""
    config = load()
    if not config.production:
        safety.mark_sandbox(config)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [TURN])
        try:
            call_command("migrate", interactive=False, verbosity=0)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [TURN])


def _plan() -> list[str]:
    executor = MigrationExecutor(connection)
    steps = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _backwards in steps]


def _sentence(planned: list[str], check_only: bool, seconds: Any) -> str:
    if not planned:
        return "The database is up to date."
    if check_only:
        return f"{len(planned)} migrations are to be applied: {', '.join(planned)}"
    return f"{len(planned)} migrations applied in {seconds} s."
