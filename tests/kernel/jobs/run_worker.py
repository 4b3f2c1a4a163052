"""A worker process that knows the example jobs."""

import django

django.setup()

from tests.kernel.jobs import example_jobs  # noqa: E402, F401 - registers its jobs

from senim.kernel.jobs import worker  # noqa: E402 - after the set-up

worker.run()
