"""What launcher and supervisor share: children that cannot outlive their parent, and locks that the kernel frees."""

import ctypes
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
POLL_SECONDS: Final = 0.02
TCP_LISTEN: Final = "0A"
_libc: Final = ctypes.CDLL(None, use_errno=True)  # loaded before any fork: the child must not allocate or import


def die_with_parent(number: signal.Signals, unblock: Iterable[signal.Signals] = ()) -> Callable[[], None]:
    """A ``preexec_fn`` that lets the kernel send ``number`` to the child when this thread's process ends.

    It runs after the change of user, which would clear the wish. Call it from a thread that lives as long as the
    process does: the kernel watches the thread.
    """
    parent = os.getpid()
    masked = list(unblock)

    def prepare() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, masked)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return prepare


def bind_to_parent(number: signal.Signals) -> None:
    """Let the kernel send ``number`` to this process when its parent dies; for processes that a library starts."""
    _libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def give_to_folder_owner(path: Path) -> None:
    """Let what root made belong to the folder's owner, so that a later start as that user can work with it."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


def open_lock(path: Path) -> int:
    """Open (and make) the file of a lock, as a descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_to_folder_owner(path)
    return descriptor


def open_log(path: Path, flags: int = os.O_APPEND) -> int:
    """Open (and make) a log file and its folder, both closed to others, as a descriptor."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        give_to_folder_owner(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
    give_to_folder_owner(path)
    return descriptor


def try_lock(descriptor: int, kind: int, timeout_seconds: float = 0) -> bool:
    """Take a lock of ``kind`` (``fcntl.LOCK_EX`` or ``LOCK_SH``); False when it is not free within the time."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True


def is_locked(path: Path) -> bool:
    """Whether some process holds the exclusive lock of ``path``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def is_running(process: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be collected does not."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


def wait_until(condition: Callable[[], bool], timeout_seconds: float, poll_seconds: float = POLL_SECONDS) -> bool:
    """Poll ``condition``; False when it did not come true within the time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll_seconds)
    return True


def process_listening_on(port: int) -> str:
    """Name and number of the process that listens on a TCP port of this machine, as far as this user may see it."""
    sockets = {
        f"socket:[{columns[9]}]"
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for columns in _rows(Path(table))
        if columns[3] == TCP_LISTEN and int(columns[1].rpartition(":")[2], 16) == port
    }
    for entry in Path("/proc").iterdir() if sockets else []:
        if entry.name.isdecimal() and _holds(entry, sockets):
            name = (entry / "comm").read_text(encoding="utf-8", errors="replace").strip()
            return f"{name} (process {entry.name})"
    return ""


def _rows(table: Path) -> list[list[str]]:
    try:
        return [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
    except OSError:
        return []


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(str(descriptor.readlink()) in sockets for descriptor in (process / "fd").iterdir())
    except OSError:  # another user's, or it ended meanwhile
        return False
