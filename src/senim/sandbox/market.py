"""The market on one machine: the operator's deployment and the simulated organisations, each a process of its own."""

import fcntl
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from senim.commands import up
from senim.errors import SenimError
from senim.runtime.config import Config
from senim.runtime.postgres import database_url
from senim.runtime.processes import give_to_folder_owner, open_lock, try_lock
from senim.runtime.supervisor import Process, Supervisor, require_free_port
from senim.sandbox.layout import Layout
from senim.sandbox.world import BANKS, SETTLEMENT_BANK

ORGANISATION: Final = "«Көпір» төлем жүйесі"
STATE: Final = "market.json"
LOCK: Final = "market.lock"
PREPARED: Final = "prepared.json"
THERE: Final = """
    SELECT (SELECT count(*) FROM payments_participant WHERE state = 'active'),
           (SELECT count(*) FROM payments_participantkey),
           (SELECT count(*) FROM payments_customeraccount),
           (SELECT count(*) FROM access_staff),
           (SELECT string_agg(url, ' ' ORDER BY code) FROM delivery_peer),
           (SELECT system_identifier FROM pg_control_system())
"""
SIMULATORS: Final = "senim.sandbox.simulators"


class MarketRunsError(SenimError):
    """A market runs in this data folder already."""

    code = "sandbox.runs_already"


class DataFolderError(SenimError):
    """The market's folder cannot be made."""

    code = "sandbox.data_folder"


@dataclass(frozen=True, slots=True)
class Options:
    """How the market is to run. ``pace``: operations a second in an average hour, all banks together."""

    pace: float = 3.0
    traffic: bool = True
    customers: int = 3_000
    extra: dict[str, Any] | None = None

    def as_json(self) -> str:
        """For the process that prepares the market."""
        return json.dumps({"pace": self.pace, "traffic": self.traffic, **(self.extra or {})})


def environment(config: Config) -> dict[str, str]:
    """What every process of the market gets, so that all of them speak of the same deployment."""
    return {
        "SENIM_MODE": "sandbox",
        "SENIM_DATA_DIR": str(config.data_dir),
        "SENIM_PORT": str(config.port),
        "SENIM_CENTRE_PORT": str(config.centre_port),
        "SENIM_ORGANISATION": config.organisation,
    }


def run(config: Config, options: Options) -> int:
    """Prepare the market, start it, and keep it until Ctrl-C; the exit code.

    Raises:
        MarketRunsError: a market runs in this data folder already.
        PortTakenError: another program has one of the ports.
        SenimError: something could not be prepared; nothing was started.
    """
    began = time.monotonic()
    layout = Layout(config.data_dir, config.port)
    lock = open_lock(_made(layout.root) / LOCK)
    try:
        if not try_lock(lock, fcntl.LOCK_EX):
            raise MarketRunsError(f"a market runs in {config.data_dir} already; senim sandbox status tells its address")
        return _run_alone(config, options, layout, began)
    finally:
        os.close(lock)


def _made(folder: Path) -> Path:
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            give_to_folder_owner(folder)
    except OSError as error:
        raise DataFolderError(
            f"{error.filename}: {error.strerror}; choose another folder with SENIM_DATA_DIR"
        ) from error
    return folder


def _run_alone(config: Config, options: Options, layout: Layout, began: float) -> int:
    for bank in (SETTLEMENT_BANK, *BANKS):
        require_free_port("127.0.0.1", layout.port_of(bank), "--port")
    is_first = not layout.credentials.exists()
    if is_first:
        click.echo("First start: making the database, staff, participants and accounts. This takes 10 to 30 seconds.")
    up.prepare_deployment(config)
    try:
        if not is_prepared(config, layout, options):
            prepare(options)
            note_prepared(config, layout, options)
        supervisor = Supervisor(
            [*up.processes(config), *simulators(layout)],
            config.log_dir,
            heartbeat=up.heartbeat(config),
            tell=click.echo,
        )
        return supervisor.run(lambda: announce(config, layout, options, time.monotonic() - began))
    finally:
        up.release(config)


def is_prepared(config: Config, layout: Layout, options: Options) -> bool:
    """Whether an earlier start has made all that this one needs, in this very database: a look is enough then."""
    marker = layout.root / PREPARED
    files = [layout.credentials, *(layout.folder(bank) / "office.json" for bank in (SETTLEMENT_BANK, *BANKS))]
    if not marker.exists() or not all(file.exists() for file in files):
        return False
    kept: dict[str, Any] = json.loads(marker.read_text(encoding="utf-8"))
    return kept == _prepared(config, layout, options)


def note_prepared(config: Config, layout: Layout, options: Options) -> None:
    """Remember what was made, last of all: a preparation that broke off is made again."""
    (layout.root / PREPARED).write_text(json.dumps(_prepared(config, layout, options)), encoding="utf-8")


def _prepared(config: Config, layout: Layout, options: Options) -> dict[str, Any]:
    import psycopg

    with psycopg.connect(database_url(config=config)) as connection:
        there = connection.execute(THERE).fetchone()
    newest = max(path.stat().st_mtime for path in Path(__file__).parent.rglob("*.py"))
    return {
        "ports": [layout.port, config.centre_port],
        "address": config.address,
        "options": [options.as_json(), options.customers],
        "code": newest,
        "database": [str(value) for value in there or ()],
    }


def prepare(options: Options) -> None:
    """Make what is missing, in a process of its own: this one stays small.

    Raises:
        PreparationError: it failed; its own words are on standard error.
    """
    command = [*up.SENIM, "sandbox", "prepare", "--customers", str(options.customers), "--options", options.as_json()]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise up.PreparationError(f"the market could not be prepared (exit code {done.returncode})")


def simulators(layout: Layout) -> list[Process]:
    """The organisations of the outside world, the settlement bank first."""
    return [
        Process(
            bank.slug,
            [sys.executable, "-m", f"{SIMULATORS}.{_module(bank.slug)}", str(layout.folder(bank))],
            ready_url=f"{layout.url_of(bank)}/health",
        )
        for bank in (SETTLEMENT_BANK, *BANKS)
    ]


def _module(slug: str) -> str:
    return "settlement_bank" if slug == SETTLEMENT_BANK.slug else "bank"


def announce(config: Config, layout: Layout, options: Options, seconds: float) -> None:
    """Say where to go, and keep for the status command what runs."""
    state = {
        "port": config.port,
        "centre_port": config.centre_port,
        "address": config.address,
        "credentials": str(layout.credentials),
    }
    (layout.root / STATE).write_text(json.dumps(state), encoding="utf-8")
    pace = f"about {options.pace:g} operations a second" if options.traffic else "no traffic"
    click.echo("")
    click.echo(f"  The sandbox market is open: {config.address}  (ready in {seconds:.1f} s, {pace})")
    click.echo(f"  Logins and passwords:       {_shown(layout.credentials)}")
    click.echo(f"  Logs:                       {_shown(config.log_dir)}")
    click.echo("  Ctrl-C stops everything; the data stay.")
    click.echo("")


def _shown(path: Path) -> str:
    """A path as people would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def on_port(config: Config, port: int | None) -> Config:
    """The configuration with the web on another port, the centre on the next one, and a name for the operator."""
    if port is not None:
        config = replace(config, port=port, centre_port=port + 1)
    return replace(config, organisation=ORGANISATION) if config.organisation == "Senim" else config
