"""``senim up``: one deployment, its pages, its centre and its worker, until Ctrl-C."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

import click

from senim.commands import prepare_environment
from senim.errors import SenimError
from senim.runtime import schema
from senim.runtime.config import Config, load
from senim.runtime.postgres import database_url, embedded
from senim.runtime.safety import require_safe
from senim.runtime.supervisor import Process, Supervisor, require_free_port
from senim.runtime.translations import compile_all

SENIM: Final = (sys.executable, "-m", "senim")


class PreparationError(SenimError):
    """A step before the start failed."""

    code = "senim.up.preparation"


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
    """Everything before the first process: safety, free ports, translations, database, migrations, static files.

    What needs the whole product runs in a process of its own, so that the supervisor itself stays small and a start
    with nothing to do stays quick.

    Raises:
        UnsafeError: production, and something is not safe.
        PortTakenError: another program has one of the ports.
        DatabaseServerError: the embedded database does not start.
        PreparationError: a step before the start failed; its own words are on standard error.
    """
    if config.production:
        require_safe(config)
    require_free_port(config.host, config.port, "SENIM_PORT")
    if "payments" in config.roles:
        require_free_port(config.host, config.centre_port, "SENIM_CENTRE_PORT")
    compile_all()
    prepare_environment(config)
    if not schema.is_current(database_url(config=config)):
        _step("the migrations", *SENIM, "migrate")
    if config.production:
        _step("the check for production", *SENIM, "check", "--deploy")
        _step("the collection of static files", sys.executable, "-m", "django", "collectstatic", "--no-input", "-v0")


def _step(what: str, *command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        click.echo(done.stdout, err=True, nl=False)
        raise PreparationError(f"{what} failed (exit code {done.returncode}); nothing was started", step=what)


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
        embedded(config).release()
