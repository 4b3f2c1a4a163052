"""Where the embedded server lives and as which user of the system it runs.

PostgreSQL refuses to run as root. Started by root, the server steps down to an unprivileged user, and its folder moves
to ``/var/lib/senim`` when that user cannot reach the data folder (a checkout under /root, say). What exists already
decides: a database found in either place stays there and keeps its owner.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from senim.runtime.postgres.binaries import Binaries
from senim.runtime.postgres.errors import FolderError

SHELTER: Final = Path("/var/lib/senim")
STEP_DOWN_USERS: Final = ("postgres", "nobody")
PORT: Final = 5432  # names the socket file only: the server never listens on TCP
SOCKET_PATH_BYTES_MAX: Final = 107
CHECK_TIMEOUT_SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class Owner:
    """The user of the system as whom the server runs."""

    name: str
    uid: int
    gid: int

    @property
    def is_me(self) -> bool:
        """Whether this process is already that user."""
        return self.uid == os.geteuid()


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one embedded server, with its owner; ``home`` holds everything but the log."""

    home: Path
    owner: Owner
    socket_dir: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.home / "data"

    @property
    def data_major(self) -> int | None:
        """The major version that made the data, or None while there is none."""
        try:
            return int((self.data / "PG_VERSION").read_text(encoding="ascii").strip())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise FolderError(f"{self.data}: not a database folder: {error}", folder=str(self.data)) from error


def locate(data_dir: Path, name: str = "postgres") -> Place:
    """Decide where the server of ``data_dir`` lives; makes the folders.

    Raises:
        FolderError: the folders cannot be made or belong to another user.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        home = _home(data_dir, name)
        owner = _owner(home)
        _own_folder(home, owner)
        return Place(home, owner, _socket_dir(home, owner))
    except OSError as error:
        raise FolderError(
            f"{error.filename or data_dir}: {error.strerror}; choose another folder with SENIM_DATA_DIR",
            folder=str(data_dir),
        ) from error


def _home(data_dir: Path, name: str) -> Path:
    beside = data_dir / name
    if os.geteuid() != 0 or (beside / "data" / "PG_VERSION").exists():
        return beside
    sheltered = SHELTER / _digest(data_dir) / name
    if (sheltered / "data" / "PG_VERSION").exists() or not may_use(data_dir, _step_down_user(), "-x"):
        for folder in (sheltered.parent.parent, sheltered.parent):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)
        return sheltered
    return beside


def _owner(home: Path) -> Owner:
    """The owner of an existing database stays; a new one is this user's, or for root an unprivileged user's."""
    uid = home.stat().st_uid if home.exists() else os.geteuid()
    if uid == 0 and os.geteuid() == 0:
        return _step_down_user()
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        raise FolderError(
            f"the user with number {uid} has no name on this machine, and PostgreSQL needs one (see /etc/passwd)",
            uid=uid,
        ) from None
    if os.geteuid() not in (0, account.pw_uid):
        raise FolderError(
            f"{home} belongs to the user {account.pw_name}; run as that user or choose another SENIM_DATA_DIR",
            folder=str(home),
            owner=account.pw_name,
        )
    return Owner(account.pw_name, account.pw_uid, account.pw_gid)


def _step_down_user() -> Owner:
    for name in STEP_DOWN_USERS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(account.pw_name, account.pw_uid, account.pw_gid)
    raise FolderError(f"PostgreSQL does not run as root and there is no user {' or '.join(STEP_DOWN_USERS)}")


def may_use(path: Path, owner: Owner, test: str) -> bool:
    """Whether ``owner`` passes the shell's ``test`` (``-x``, ``-w``) on ``path``, asked as that user: every parent,
    access list and mount counts."""
    if owner.is_me:
        return os.access(path, os.X_OK if test == "-x" else os.W_OK)
    answer = subprocess.run(
        ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)],
        user=owner.uid,
        group=owner.gid,
        extra_groups=[],
        cwd="/",
        check=False,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=CHECK_TIMEOUT_SECONDS,
    )
    return answer.returncode == 0


def _own_folder(folder: Path, owner: Owner) -> None:
    """Make ``folder`` 0700 and the owner's; refuse one that somebody else placed there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise FolderError(f"{folder} is not a folder", folder=str(folder))
    if found.st_uid not in (owner.uid, os.geteuid()):
        raise FolderError(f"{folder} belongs to another user", folder=str(folder))
    if os.geteuid() == 0 and found.st_uid != owner.uid:
        os.chown(folder, owner.uid, owner.gid, follow_symlinks=False)
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def _socket_dir(home: Path, owner: Owner) -> Path:
    """A 0700 folder whose socket's path fits into the kernel's limit."""
    folder = home / "socket"
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) > SOCKET_PATH_BYTES_MAX:
        # /tmp itself and no longer TMPDIR; the owner and mode check keeps out what others put there
        folder = Path(f"/tmp/senim-{owner.uid}-{_digest(home)}")  # noqa: S108
    _own_folder(folder, owner)
    return folder


def reachable_binaries(binaries: Binaries, owner: Owner) -> Binaries:
    """The same programs at a place where the server's user may run them.

    Root's Python environment is often closed to others; the wheel's installation is relocatable, so it is copied once,
    with the libraries that the wheel keeps beside its package, and again when the wheel has changed.
    """
    program = binaries.folder / "postgres"
    if may_use(program, owner, "-x"):
        return binaries
    installation = binaries.folder.parent
    package = installation.parent
    changed = program.stat()
    target = SHELTER / f"programs-{binaries.major}-{_digest(program, changed.st_mtime_ns, changed.st_size)}"
    copied = target / package.name / installation.name / binaries.folder.name
    if not (copied / "postgres").exists():
        draft = target.with_name(f"{target.name}.{os.getpid()}")
        SHELTER.mkdir(mode=0o755, parents=True, exist_ok=True)
        leave_out = shutil.ignore_patterns("include")
        shutil.copytree(installation, draft / package.name / installation.name, symlinks=True, ignore=leave_out)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for folder in (draft, draft / package.name):
            folder.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:  # another start was first; its copy is as good
            shutil.rmtree(draft)
    return Binaries(copied, binaries.major)


def _digest(path: Path, *more: int) -> str:
    return hashlib.sha256(b"\0".join([os.fsencode(path), *(str(one).encode() for one in more)])).hexdigest()[:12]
