"""``senim web``: pages, ordinary interfaces and deliveries, by granian."""

import click

from senim.runtime.config import load
from senim.runtime.supervisor import require_free_port

BACKLOG = 1024


@click.command()
def command() -> None:
    """Serve the pages on SENIM_HOST and SENIM_PORT."""
    from senim.commands import prepare_environment

    config = load()
    require_free_port(config.host, config.port, "SENIM_PORT")
    prepare_environment(config)
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    Granian(
        "senim.settings.wsgi:application",
        address=config.host,
        port=config.port,
        interface=Interfaces.WSGI,
        workers=config.web_workers,
        blocking_threads=config.web_threads,
        backlog=BACKLOG,
        respawn_failed_workers=True,
        workers_kill_timeout=3,
        log_level=LogLevels.warning,
        log_access=False,
    ).serve()
