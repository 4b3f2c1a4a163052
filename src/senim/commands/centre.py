"""``senim centre``: the authorisation centre alone, by uvicorn."""

import click

from senim.commands import prepare_environment
from senim.runtime.config import load
from senim.runtime.supervisor import require_free_port

SHUTDOWN_SECONDS = 3


@click.command()
def command() -> None:
    """Serve authorisations on SENIM_HOST and SENIM_CENTRE_PORT."""
    config = load()
    require_free_port(config.host, config.centre_port, "SENIM_CENTRE_PORT")
    prepare_environment(config)
    import uvicorn

    uvicorn.run(
        "senim.roles.payments.centre.app:application",
        host=config.host,
        port=config.centre_port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
