"""``senim sandbox``: the market on one machine."""

import json
import os
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any, Final

import click

from senim.errors import BadInput
from senim.runtime.config import Config, load
from senim.sandbox import market
from senim.sandbox.layout import PORTS_APART, Layout
from senim.sandbox.world import BANKS, SETTLEMENT_BANK

PORT_MAX: Final = 65_535 - PORTS_APART - len(BANKS) - 1
PACE_MAX: Final = 2_000.0
HEALTH_TIMEOUT_SECONDS: Final = 2


class NotASandbox(BadInput):
    """The sandbox does not run on a deployment in production."""

    code = "sandbox.production"


@click.group(name="sandbox", invoke_without_command=True)
@click.option("--port", type=click.IntRange(1, PORT_MAX), help="Port of the pages; the others follow. Default: 8000.")
@click.option(
    "--pace", type=click.FloatRange(0.01, PACE_MAX), default=3.0, show_default=True,
    help="Operations a second in an average hour, all banks together.",
)  # fmt: skip
@click.option("--traffic/--no-traffic", default=True, show_default=True, help="Whether the banks send operations.")
@click.option(
    "--customers", type=click.IntRange(100, 1_000_000), default=3_000, show_default=True, help="Customer accounts."
)
@click.pass_context
def command(ctx: click.Context, port: int | None, pace: float, traffic: bool, customers: int) -> int | None:
    """Run the market: a payment operator, its settlement bank and three banks, with a day of traffic.

    The first start makes the database, staff, participants and accounts; later starts go on with them. Ctrl-C stops.
    """
    if ctx.invoked_subcommand is not None:
        return None
    config = _config(port)
    os.environ.update(market.environment(config))
    return market.run(config, market.Options(pace=pace, traffic=traffic, customers=customers))


def _config(port: int | None) -> Config:
    config = load()
    if config.production:
        raise NotASandbox()
    return market.on_port(config, port)


@command.command(name="prepare", hidden=True)
@click.option("--customers", type=click.IntRange(100, 1_000_000), required=True)
@click.option("--options", required=True, help="JSON.")
def prepare(customers: int, options: str) -> None:
    """Make what is missing of the market of this deployment's environment."""
    from senim.commands import prepare_django

    config = load()
    prepare_django(config)
    from senim.sandbox.prepare import prepare as make

    make(
        Layout(config.data_dir, config.port),
        address=config.address,
        operator_url=f"http://{config.local_host}:{config.port}",
        centre_url=f"http://{config.local_host}:{config.centre_port}",
        customers=customers,
        options=json.loads(options),
    )


@command.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> int:
    """Tell whether the market of this data folder runs; exit code 1 when a part of it does not answer."""
    config = load()
    state_file = Layout(config.data_dir, config.port).root / market.STATE
    state = json.loads(state_file.read_text(encoding="utf-8")) if state_file.exists() else None
    found: dict[str, Any] = _look(config, state) if state else {"started": False, "parts": {}}
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif not found["started"]:
        click.echo("The sandbox has never been started here: make run, or senim sandbox.")
    else:
        click.echo(f"{found['address']}  credentials: {found['credentials']}")
        for name, answers in found["parts"].items():
            click.echo(f"  {name:<10} {'runs' if answers else 'does not answer'}")
    return 0 if found["parts"] and all(found["parts"].values()) else 1


def _look(config: Config, state: dict[str, Any]) -> dict[str, Any]:
    ran = replace(config, port=state["port"], centre_port=state["centre_port"])
    layout = Layout(ran.data_dir, ran.port)
    addresses = {
        "web": f"http://{ran.local_host}:{ran.port}/health/ready",
        "centre": f"http://{ran.local_host}:{ran.centre_port}/centre/v1/health",
        **{bank.slug: f"{layout.url_of(bank)}/health" for bank in (SETTLEMENT_BANK, *BANKS)},
    }
    parts = {name: _answers(address) for name, address in addresses.items()}
    return {"started": True, "address": state["address"], "credentials": state["credentials"], "parts": parts}


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=HEALTH_TIMEOUT_SECONDS):  # noqa: S310 - our own http addresses
            return True
    except (OSError, urllib.error.URLError, ValueError):
        return False
