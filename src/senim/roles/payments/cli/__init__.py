"""``senim payments``: participants, files, operating days. Each command lives beside what it calls."""

import click

from senim.roles.payments.cli import days, files, participants


@click.group(name="payments")
def command() -> None:
    """Participants, files, operating days."""


command.add_command(files.import_command)
command.add_command(files.message)
command.add_command(days.net)
command.add_command(days.days)
command.add_command(days.close_day)
command.add_command(participants.participants)
command.add_command(participants.add_key)
command.add_command(participants.revoke_key)
command.add_command(participants.add_peer)
command.add_command(participants.open_accounts)
