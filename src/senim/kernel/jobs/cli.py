"""``senim worker``: deliveries, seals and scheduled work of this deployment."""

import click


@click.command()
@click.option("--concurrency", type=click.IntRange(1, 32), default=2, show_default=True, help="Jobs at once.")
def command(*, concurrency: int) -> None:
    """Run the worker until Ctrl-C."""
    from senim.kernel.jobs import worker

    worker.run(concurrency)
