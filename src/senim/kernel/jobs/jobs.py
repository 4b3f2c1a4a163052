"""The kernel's own background work: the ledger's seals, jobs of dead workers, what is past its use."""

from asgiref.sync import async_to_sync
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.utils import timezone

from senim import ledger
from senim.kernel import jobs
from senim.kernel.jobs.worker import LOST_SECONDS
from senim.ledger import sealing
from senim.ledger.expiry import BATCH

KEEP_DONE_HOURS = 7 * 24


@jobs.loop("ledger.seal", every_seconds=1)
def seal_ledger() -> bool:
    """Add what has become final to the ledger's chain."""
    connection.ensure_connection()
    report = sealing.seal(connection.connection)
    return report.row_count > 0 and not report.is_complete


@jobs.loop("ledger.expire_pending", every_seconds=1)
def expire_pending() -> bool:
    """Release what expired pending transfers hold."""
    with transaction.atomic():
        return ledger.expire_pending(connection.connection) == BATCH


@jobs.loop("jobs.recover", every_seconds=10)
def recover() -> None:
    """Give the jobs of workers that died to those that live."""
    manager = jobs.app.job_manager
    for job in async_to_sync(manager.get_stalled_jobs)(seconds_since_heartbeat=LOST_SECONDS):
        async_to_sync(manager.retry_job)(job)


@jobs.loop("jobs.tidy", every_seconds=3600)
def tidy() -> None:
    """Forget sessions that are over, and jobs that were done a week ago."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
    async_to_sync(jobs.app.job_manager.delete_old_jobs)(nb_hours=KEEP_DONE_HOURS)
