"""The embedded server: started anywhere, by anyone, however the last one ended."""

import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from tests.runtime.conftest import PROGRAMS, eventually, python_for_others

from senim.runtime import postgres
from senim.runtime.config import load
from senim.runtime.postgres import Embedded, FolderError, NoBinariesError, OtherVersionError, binaries, place
from senim.runtime.postgres.server import settings_text
from senim.runtime.processes import is_running

AS_ROOT = os.geteuid() == 0
START_AND_WAIT = """
import sys
from pathlib import Path
from senim.runtime.postgres import Embedded
server = Embedded(Path(sys.argv[1]))
print(server.ensure_database("senim"), server.status().postmaster, flush=True)
sys.stdin.read()
"""


def value(url: str, statement: str) -> object:
    """The one value that a statement answers."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def run(url: str, statement: str) -> None:
    """Carry a statement out and commit it."""
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize("major", sorted(PROGRAMS))
def test_any_programs_serve_durably_and_keep_their_data(folder: Path, major: int) -> None:
    server = Embedded(folder, programs=PROGRAMS[major].folder)
    url = server.ensure_database()
    expected = {
        "listen_addresses": "",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "max_wal_size": "8GB",
    }
    assert {name: value(url, f"SHOW {name}") for name in expected} == expected
    assert value(url, "SHOW wal_compression") != "off"
    assert value(url, "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    assert value(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    run(url, "CREATE TABLE kept AS SELECT 7 AS number")
    assert server.release(10), "the last user's leaving stops it"
    assert value(server.ensure_database(), "SELECT number FROM kept") == 7
    assert server.status().version == major
    server.release(10)


@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
def test_only_the_owner_and_this_user_reach_it(server: Embedded) -> None:
    server.start()
    folder = server.place.socket_dir.stat()
    assert stat.S_IMODE(folder.st_mode) == 0o700
    assert stat.S_IMODE(server.place.data.stat().st_mode) == 0o700
    rules = (server.place.data / "pg_hba.conf").read_text(encoding="utf-8")
    assert rules == "local all postgres,senim peer map=senim\n"
    people = (server.place.data / "pg_ident.conf").read_text(encoding="utf-8")
    assert {line.split()[1] for line in people.splitlines()} == {'"root"', f'"{server.place.owner.name}"'}


@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
def test_a_killed_server_comes_back_with_all_that_it_acknowledged(server: Embedded) -> None:
    url = server.ensure_database()
    run(url, "CREATE TABLE written (number bigint PRIMARY KEY)")
    acknowledged: list[int] = []
    stop = threading.Event()

    def write(first: int) -> None:
        number = first
        while not stop.is_set():
            try:
                with psycopg.connect(url, autocommit=True) as connection:
                    while not stop.is_set():
                        connection.execute("INSERT INTO written VALUES (%s)", [number])
                        acknowledged.append(number)
                        number += 2
            except psycopg.OperationalError:
                number += 2  # it may or may not have been written: never acknowledged
                time.sleep(0.02)

    writers = [threading.Thread(target=write, args=[first]) for first in (0, 1)]
    for writer in writers:
        writer.start()
    for _ in range(2):
        seen = len(acknowledged)
        assert eventually(lambda seen=seen: len(acknowledged) > seen + 100), "writing goes on"
        os.kill(server.status().postmaster, signal.SIGKILL)
    seen = len(acknowledged)
    assert eventually(lambda: len(acknowledged) > seen + 100), "writing goes on after the crash"
    stop.set()
    for writer in writers:
        writer.join()
    with psycopg.connect(url) as connection:
        stored = {row[0] for row in connection.execute("SELECT number FROM written")}
    assert set(acknowledged) <= stored


def test_a_killed_keeper_takes_the_server_along_and_the_next_start_heals(server: Embedded) -> None:
    url = server.ensure_database()
    run(url, "CREATE TABLE kept AS SELECT 7 AS number")
    before = server.status()
    os.kill(before.keeper, signal.SIGKILL)
    assert eventually(lambda: not is_running(before.keeper))
    server.start()
    assert value(url, "SELECT number FROM kept") == 7
    assert server.status().keeper != before.keeper
    assert not is_running(before.postmaster)


@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
def test_killing_everything_at_once_heals(server: Embedded) -> None:
    url = server.ensure_database()
    before = server.status()
    for process in (before.keeper, before.postmaster):
        os.kill(process, signal.SIGKILL)
    assert eventually(lambda: not is_running(before.keeper))
    server.start()
    assert value(url, "SELECT 1") == 1


def test_a_lock_file_whose_number_is_a_strangers_does_not_stop_the_start(server: Embedded) -> None:
    server.ensure_database()
    server.release(10)
    owner = server.place.owner
    options = {} if owner.is_me else {"user": owner.uid, "group": owner.gid}
    stranger = subprocess.Popen(["sleep", "60"], **options)
    lock = server.place.data / "postmaster.pid"
    try:
        lock.write_text(f"{stranger.pid}\n{server.place.data}\n{int(time.time())}\n5432\n", encoding="utf-8")
        assert value(server.ensure_database(), "SELECT 1") == 1
        assert stranger.poll() is None, "the stranger is left alone"
    finally:
        stranger.kill()
        stranger.wait()


def test_a_start_that_was_cut_short_is_made_anew(server: Embedded) -> None:
    (server.place.home / "data.new").mkdir()
    (server.place.home / "data.new" / "PG_VERSION").write_text("15\n", encoding="utf-8")
    assert value(server.ensure_database(), "SELECT 1") == 1


def test_several_starters_at_once_are_one_server(folder: Path) -> None:
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", START_AND_WAIT, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = {start.stdout.readline().split()[1] for start in starts if start.stdout}
    assert len(answers) == 1
    postmaster = int(answers.pop())
    for start in starts[:3]:
        start.communicate()
    time.sleep(0.3)
    assert is_running(postmaster), "one user is left"
    starts[3].kill()
    starts[3].communicate()
    assert eventually(lambda: not is_running(postmaster)), "the last user was killed: the kernel freed its lock"


def test_another_major_version_is_refused_with_a_remedy(server: Embedded) -> None:
    server.place.data.mkdir()
    (server.place.data / "PG_VERSION").write_text("12\n", encoding="utf-8")
    with pytest.raises(OtherVersionError) as refused:
        server.start()
    assert "was made by PostgreSQL 12" in refused.value.message
    assert "pg_upgrade" in refused.value.message
    assert refused.value.fields["data_major"] == 12


def test_data_decides_which_programs_open_it(folder: Path) -> None:
    majors = sorted(PROGRAMS)
    if len(majors) < 2:
        pytest.skip("only one version of PostgreSQL is installed")
    for major in majors:
        assert binaries.choose(data_major=major).major == major


def test_a_forced_folder_without_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoBinariesError, match="SENIM_POSTGRES_BIN"):
        binaries.choose(tmp_path)


def test_the_servers_own_reason_is_told(server: Embedded) -> None:
    server.ensure_database()
    server.release(10)
    local = server.place.data / "local.conf"
    local.write_text("shared_preload_libraries = 'there_is_no_such_library'\n", encoding="utf-8")
    os.chown(local, server.place.owner.uid, server.place.owner.gid)
    with pytest.raises(postgres.DatabaseServerError, match="there_is_no_such_library"):
        server.start()


def test_a_long_path_moves_the_socket(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    server = Embedded(deep)
    try:
        assert value(server.ensure_database(), "SELECT 1") == 1
        socket_dir = server.place.socket_dir
        assert socket_dir.parent == Path("/tmp")  # noqa: S108 - where it is expected
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    finally:
        server.release(10)
    socket_dir.rmdir()


def test_a_socket_folder_laid_by_another_is_refused(folder: Path) -> None:
    if not AS_ROOT:
        pytest.skip("needs a second user")
    deep = folder / ("d" * 60) / ("f" * 60)
    laid = Embedded(deep).place.socket_dir
    laid.rmdir()
    laid.mkdir()
    os.chown(laid, 12_345, 12_345)
    try:
        with pytest.raises(FolderError, match="belongs to another user"):
            _ = Embedded(deep).place
    finally:
        laid.rmdir()


@pytest.mark.skipif(not AS_ROOT, reason="only root steps down")
class TestAsRoot:
    """Root starts the server as somebody else."""

    def test_the_server_is_not_roots(self, server: Embedded) -> None:
        server.start()
        process = Path(f"/proc/{server.status().postmaster}").stat()
        assert pwd.getpwuid(process.st_uid).pw_name in place.STEP_DOWN_USERS

    def test_a_closed_folder_moves_the_data_and_it_stays_there(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(place, "SHELTER", folder / "shelter")
        tmp_path.chmod(0o700)
        server = Embedded(tmp_path)
        assert value(server.ensure_database(), "SELECT 1") == 1
        assert server.place.home.is_relative_to(folder / "shelter")
        server.release(10)
        tmp_path.chmod(0o755)
        monkeypatch.setattr(place, "may_use", lambda *_: True)  # the folder has been opened meanwhile
        assert Embedded(tmp_path).place.home == server.place.home

    def test_programs_that_the_owner_cannot_reach_are_copied_and_run(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(place, "SHELTER", folder / "shelter")
        wheels = [one for one in PROGRAMS.values() if one.folder.parent.name.startswith("pginstall")]
        if not wheels:
            pytest.skip("the wheel with PostgreSQL is not installed")
        package = wheels[0].folder.parents[1]
        closed = tmp_path / package.name
        closed.mkdir()
        for name in (f"{package.name}/{wheels[0].folder.parent.name}", f"{package.name}.libs"):
            if (package.parent / name).is_dir():
                (tmp_path / name).symlink_to(package.parent / name)
        tmp_path.chmod(0o700)
        server = Embedded(folder, programs=closed / wheels[0].folder.parent.name / "bin")
        try:
            assert value(server.ensure_database(), "SELECT 1") == 1
            running = Path(f"/proc/{server.status().postmaster}/exe").readlink()
            assert running.is_relative_to(folder / "shelter")
            assert not (running.parents[1] / "include").exists()
        finally:
            server.release(10)

    def test_an_ordinary_user_runs_it_as_himself_and_root_may_follow(self, folder: Path) -> None:
        found = python_for_others()
        if found is None:
            pytest.skip("no interpreter or checkout that other users may reach")
        interpreter, environment = found
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)

        def start() -> int:
            answer = subprocess.run(
                [interpreter, "-c", START_AND_WAIT, str(folder)],
                env=environment,
                user=nobody.pw_uid,
                group=nobody.pw_gid,
                extra_groups=[],
                cwd="/",
                input="",
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert answer.returncode == 0, answer.stderr
            return int(answer.stdout.split()[1])

        assert start() > 0
        server = Embedded(folder)
        assert server.place.owner.name == "nobody"
        assert value(server.ensure_database(), "SELECT current_user") == "senim"
        server.release(10)
        assert start() > 0, "what root has touched is still the user's"

    def test_anothers_data_is_refused_by_name(self, folder: Path) -> None:
        found = python_for_others()
        if found is None:
            pytest.skip("no interpreter or checkout that other users may reach")
        interpreter, environment = found
        server = Embedded(folder)
        owner = server.place.owner.name
        answer = subprocess.run(
            [interpreter, "-m", "senim", "database", "status", "--json"],
            env={**environment, "SENIM_DATA_DIR": str(folder)},
            user="nobody",
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        error = json.loads(answer.stdout)["error"]
        assert answer.returncode == 1
        assert error["code"] == "senim.database_server.folder"
        assert f"belongs to the user {owner}" in error["message"]


def test_a_url_is_used_as_it_is() -> None:
    config = load({"SENIM_DATABASE_URL": "postgresql://senim@db.example.kz/main?sslmode=require"})
    assert postgres.database_url(config=config) == "postgresql://senim@db.example.kz/main?sslmode=require"
    other = postgres.database_url("scratch", config)
    assert other == "postgresql://senim@db.example.kz/scratch?sslmode=require"


def test_a_name_that_is_no_name_is_refused(server: Embedded) -> None:
    with pytest.raises(postgres.DatabaseServerError, match="not a name"):
        server.ensure_database('senim"; DROP DATABASE senim')


def test_only_the_test_suites_server_gives_up_durability() -> None:
    assert "fsync = on" in settings_text(Path("/x"), durable=True, compression="lz4")
    assert "fsync = off" in settings_text(Path("/x"), durable=False, compression="lz4")
