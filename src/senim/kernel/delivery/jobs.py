"""Background work of delivery: attempts that are due."""

from senim.kernel import delivery, jobs

BATCH = 50


@jobs.loop("delivery.deliver", every_seconds=0.5, threads=2)
def deliver() -> bool:
    """Try to deliver what is due; two at once, so that one slow peer does not hold up the rest."""
    return delivery.deliver_due(BATCH) == BATCH
