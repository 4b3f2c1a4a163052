"""``senim centre``: the authorisation centre alone."""

import click

from senim.commands import prepare_environment
from senim.runtime.config import load
from senim.runtime.postgres import database_url
from senim.runtime.supervisor import require_free_port


@click.command()
def command() -> None:
    """Serve authorisations on SENIM_HOST and SENIM_CENTRE_PORT."""
    config = load()
    require_free_port(config.host, config.centre_port, "SENIM_CENTRE_PORT")
    prepare_environment(config)
    from senim.roles.payments.centre.server import serve

    serve(config.host, config.centre_port, database_url(config=config))
