"""``senim bench all``: every measurement of the product, one after the other, each in a process of its own."""

import json
import subprocess
import sys
from typing import Any, Final

import click

from senim.errors import SenimError
from senim.runtime.bench import Figure, report

PARTS: Final = ("ledger", "centre", "netting")


class MeasurementError(SenimError):
    """A measurement did not end well."""

    code = "senim.bench"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one list of figures as JSON.")
@click.option("--quick", is_flag=True, help="Short runs: to see that it works, not how fast.")
def command(as_json: bool, quick: bool) -> None:
    """Run every measurement, one after the other, so that none disturbs another."""
    figures = [figure for part in PARTS for figure in _measure(part, quick)]
    report(figures, as_json)


def _measure(part: str, quick: bool) -> list[Figure]:
    click.echo(f"measuring: {part}", err=True)
    done = subprocess.run(
        [sys.executable, "-m", "senim", "bench", part, "--json", *(["--quick"] if quick else [])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    try:
        answer: Any = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise MeasurementError(f"senim bench {part} ended with exit code {done.returncode}", part=part) from None
    if done.returncode != 0 or not isinstance(answer, list):
        reason = answer["error"]["message"] if isinstance(answer, dict) else f"exit code {done.returncode}"
        raise MeasurementError(f"senim bench {part}: {reason}", part=part)
    return [Figure(**one) for one in answer]
