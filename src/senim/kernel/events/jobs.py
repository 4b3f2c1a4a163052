"""Background work of the register of events: its seals, and a signed head each hour."""

from senim.kernel import events, jobs
from senim.kernel.delivery import keys
from senim.kernel.events import heads
from senim.kernel.events.chain import BATCH


@jobs.loop("events.seal", every_seconds=1)
def seal() -> bool:
    """Add new events to the chain."""
    return events.seal() == BATCH


@jobs.periodic(cron="5 * * * *")
@jobs.task(name="events.sign_head", queueing_lock="events.sign_head")
def sign_head(timestamp: int) -> None:
    """Each hour, sign how far the chain has come."""
    del timestamp
    heads.sign(keys.own().sign)
