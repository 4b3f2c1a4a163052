"""``senim database``: the embedded server, looked at and reached by hand."""

import json
import os
from dataclasses import asdict

import click

from senim.errors import BadInput
from senim.runtime.config import Config, load
from senim.runtime.postgres import embedded, planned_url


@click.group()
def command() -> None:
    """The embedded database server."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(as_json: bool) -> None:
    """Whether it runs, and where it lives."""
    found = embedded(_embedded_config()).status()
    if as_json:
        click.echo(json.dumps(asdict(found), default=str))
        return
    version = f"PostgreSQL {found.version}" if found.version else "no database yet"
    click.echo(f"{found.state}, {version}, in {found.home}")


@command.command()
def url() -> None:
    """Print the database's address, for psql and other tools; it answers while a process of Senim runs."""
    click.echo(planned_url(config=load()))


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def shell(arguments: tuple[str, ...]) -> None:
    """Open psql on the embedded database, which runs as long as psql does."""
    server = embedded(_embedded_config())
    address = server.ensure_database()
    os.set_inheritable(server.hold_descriptor(), True)
    try:
        os.execvp("psql", ["psql", address, *arguments])  # noqa: S606
    except FileNotFoundError:
        raise BadInput("psql is not installed (apt-get install postgresql-client)") from None


def _embedded_config() -> Config:
    config = load()
    if not config.embedded:
        raise BadInput("SENIM_DATABASE_URL names a server of your own; Senim does not run it")
    return config
