"""``senim translations``: compile the translations."""

import json

import click

from senim.runtime.translations import catalogues, compile_all


@click.group()
def command() -> None:
    """Translations into Kazakh and Russian."""


@command.command("compile")
@click.option("--json", "as_json", is_flag=True, help="Print what was compiled as JSON.")
def compile_command(as_json: bool) -> None:
    """Compile each catalogue that has changed since it was last compiled."""
    compiled = [str(path) for path in compile_all()]
    total = sum(1 for _ in catalogues())
    if as_json:
        click.echo(json.dumps({"compiled": compiled, "catalogues": total}))
    else:
        click.echo(f"{len(compiled)} of {total} catalogues compiled.")
