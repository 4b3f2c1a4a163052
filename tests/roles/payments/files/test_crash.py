"""kill -9 at any point of an import, and two imports at once: nothing is lost, nothing is doubled."""

import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from urllib.parse import urlsplit, urlunsplit

import pytest
from tests.roles.payments.files.two_banks import ACTOR, FUNDS_TIYN, Market

from senim.roles.payments.models import MessageFile, Operation
from senim.roles.payments.rules.kinds import FileState
from senim.roles.payments.services import files

COUNT = 12
PROGRAM = """
import sys, uuid
import django
django.setup()
from senim.roles.payments.messages import check
from senim.roles.payments.services import files
files.CHUNK, check.PROGRESS_EVERY = 4, 4
def tell(state, done, total):
    print(state, done, flush=True)
    sys.stdin.readline()
files.import_file(uuid.UUID(sys.argv[1]), progress=tell)
print("end", flush=True)
"""


def importer(file: MessageFile, database: str) -> "subprocess.Popen[str]":
    """Another process that imports the file, and waits for a line after each word of progress."""
    url = urlunsplit(urlsplit(os.environ["SENIM_DATABASE_URL"])._replace(path=f"/{database}"))
    environment = {**os.environ, "SENIM_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "senim.settings.sandbox"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file.pk)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def follow(process: "subprocess.Popen[str]", until: str) -> None:
    """Let the process go on until it says this."""
    assert process.stdout is not None
    assert process.stdin is not None
    for line in process.stdout:
        if line.strip() == until:
            return
        if line.startswith(("checking", "recording")):
            process.stdin.write("\n")
    raise AssertionError(f"the importer ended before {until}")


def check_recorded_once(market: Market, file: MessageFile, balance: Callable[[str], int]) -> None:
    file.refresh_from_db()
    assert (file.state, file.accepted, file.transactions_done) == (FileState.RECORDED, COUNT, COUNT)
    assert Operation.objects.filter(file_id=file.pk).count() == COUNT
    assert balance(market.of_a[0]) == FUNDS_TIYN - 100 * COUNT
    assert balance(market.of_b[0]) == FUNDS_TIYN + 100 * COUNT
    assert MessageFile.objects.filter(answers=file).count() == 1


@pytest.fixture
def file(market: Market) -> MessageFile:
    content = market.file([market.payment(number) for number in range(COUNT)])
    return files.keep_file(market.a, "f.xml", BytesIO(content), actor=ACTOR)


@pytest.mark.clause("PO-34.1")
@pytest.mark.parametrize("point", ["checking 8", "recording 4", "recording 12"])
def test_a_killed_import_is_finished_by_the_next(
    market: Market, file: MessageFile, own_database: str, balance: Callable[[str], int], point: str
) -> None:
    process = importer(file, own_database)
    follow(process, point)
    process.kill()
    process.wait(10)
    assert not Operation.objects.filter(file_id=file.pk).exists()
    assert balance(market.of_a[0]) == FUNDS_TIYN
    files.import_file(file.pk)
    check_recorded_once(market, file, balance)
    files.import_file(file.pk)
    check_recorded_once(market, file, balance)


def test_two_imports_at_once_are_one(
    market: Market, file: MessageFile, own_database: str, balance: Callable[[str], int]
) -> None:
    process = importer(file, own_database)
    follow(process, "recording 4")
    assert files.import_file(file.pk).state == FileState.RECORDING
    assert process.stdin is not None
    process.stdin.write("\n")
    follow(process, "end")
    process.wait(10)
    check_recorded_once(market, file, balance)
