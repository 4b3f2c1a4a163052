"""``senim payments``: participants, files, operating days. Each command lives beside what it calls."""

import click

from senim.roles.payments import day_commands, file_commands


@click.group(name="payments")
def command() -> None:
    """Participants, files, operating days."""


command.add_command(file_commands.import_command)
command.add_command(file_commands.message)
command.add_command(day_commands.net)
command.add_command(day_commands.days)
command.add_command(day_commands.close_day)
