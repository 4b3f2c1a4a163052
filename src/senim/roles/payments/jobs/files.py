"""The job that imports a participant's file after it was received."""

import uuid
from typing import Final

from procrastinate import RetryStrategy

from senim.kernel import jobs
from senim.roles.payments.services import files

ATTEMPTS_MAX: Final = 20
WAIT_SECONDS: Final = 15


@jobs.task(
    name="payments.import_file",
    queue="files",
    retry=RetryStrategy(max_attempts=ATTEMPTS_MAX, linear_wait=WAIT_SECONDS),
)
def import_file_job(*, file_id: str) -> None:
    """Import a file; a failure of the surroundings (no open day, a lost connection) is tried again."""
    files.import_file(uuid.UUID(file_id))
