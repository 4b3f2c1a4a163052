"""``senim up``: one deployment, its pages, its centre and its worker, until Ctrl-C."""

import sys
import time
from collections.abc import Callable
from typing import Final

import click

from senim.commands import prepare_django
from senim.runtime.config import Config, load
from senim.runtime.postgres import embedded
from senim.runtime.supervisor import Process, Supervisor, require_free_port

SENIM: Final = (sys.executable, "-m", "senim")


@click.command()
def command() -> int:
    """Start this deployment and keep it running until Ctrl-C."""
    began = time.monotonic()
    config = load()
    prepare_deployment(config)
    supervisor = Supervisor(processes(config), config.log_dir, heartbeat=heartbeat(config), tell=click.echo)

    def ready() -> None:
        seconds = time.monotonic() - began
        click.echo(f"Senim serves {config.organisation} at {config.address} (ready in {seconds:.1f} s)")
        click.echo(f"Logs: {config.log_dir}. Ctrl-C stops.")

    try:
        return supervisor.run(ready)
    finally:
        release(config)


def prepare_deployment(config: Config) -> None:
    """Everything before the first process: safety, free ports, database, migrations, translations, static files.

    Raises:
        UnsafeError: production, and something is not safe.
        PortTakenError: another program has one of the ports.
        DatabaseServerError: the embedded database does not start.
    """
    from senim.runtime.safety import require_safe
    from senim.runtime.translations import compile_all

    if config.production:
        require_safe(config)
    require_free_port(config.host, config.port, "SENIM_PORT")
    require_free_port(config.host, config.centre_port, "SENIM_CENTRE_PORT")
    compile_all()
    prepare_django(config)
    from senim.commands.migrate import migrate_if_due

    migrate_if_due()
    if config.production:
        from senim.commands.check import require_safe_deployment

        require_safe_deployment(config)
        _collect_static_files()


def processes(config: Config) -> list[Process]:
    """The processes of one deployment, each also a command of its own."""
    found = [Process("web", [*SENIM, "web"], ready_url=f"http://{config.local_host}:{config.port}/health/ready")]
    if "payments" in config.roles:
        ready_url = f"http://{config.local_host}:{config.centre_port}/centre/v1/health"
        found.append(Process("centre", [*SENIM, "centre"], ready_url=ready_url))
    found.append(Process("worker", [*SENIM, "worker"]))
    return found


def heartbeat(config: Config) -> Callable[[], None] | None:
    """What the supervisor calls each second: brings the embedded database back should its keeper have been killed."""
    return embedded(config).start if config.embedded else None


def release(config: Config) -> None:
    """Let go of the embedded database and wait for its clean end."""
    if config.embedded:
        from django.db import connections

        connections.close_all()
        embedded(config).release()


def _collect_static_files() -> None:
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)
