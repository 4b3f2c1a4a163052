"""The small process that keeps one embedded server: its parent, its physician, and the one who turns off the light.

Every process that uses the server holds a shared lock on ``users.lock``; the kernel frees it however the process ends.
The keeper restarts a server that crashed, and stops it when it obtains that lock for itself: when nobody is left.
The server dies with its keeper, and whoever comes next starts both again.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from senim.errors import SenimError
from senim.runtime.postgres.place import Owner, Place
from senim.runtime.postgres.server import KEEPER_SIGNALS, Server
from senim.runtime.processes import give_to_folder_owner, open_lock, open_log, try_lock

KEEPER_LOCK: Final = "keeper.lock"
USERS_LOCK: Final = "users.lock"
STATE_FILE: Final = "keeper.json"
LOCK_TIMEOUT_SECONDS: Final = 5.0
CRASHES_MAX: Final = 5
CALM_SECONDS: Final = 30.0


def describe(server: Server, token: str) -> str:
    """The keeper's one argument."""
    place = server.place
    return json.dumps(
        {
            "home": str(place.home),
            "socket_dir": str(place.socket_dir),
            "owner": [place.owner.name, place.owner.uid, place.owner.gid],
            "programs": str(server.programs),
            "log": str(server.log),
            "durable": server.durable,
            "token": token,
        }
    )


def understand(text: str) -> tuple[Server, str]:
    """The reverse of :func:`describe`: the server and the starter's token."""
    given = json.loads(text)
    place = Place(Path(given["home"]), Owner(*given["owner"]), Path(given["socket_dir"]))
    return Server(place, Path(given["programs"]), Path(given["log"]), given["durable"]), given["token"]


class Keeper:
    """Runs the server until nobody uses it."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self.token = token
        self.process: subprocess.Popen[bytes] | None = None
        self.crashes = 0

    def run(self) -> None:
        """Start, keep, stop; every failure is told in the state file, which the starter reads."""
        signal.pthread_sigmask(signal.SIG_BLOCK, KEEPER_SIGNALS)
        self._tell("starting")
        try:
            self.server.make_data()
            self.server.write_settings()
            self.process = self.server.start()
            self._tell("ready")
            threading.Thread(target=self._await_last_user, daemon=True).start()
            self._keep()
        except (SenimError, OSError) as error:
            self._tell("failed", str(error))
            raise SystemExit(1) from error
        self._tell("stopped")

    def _keep(self) -> None:
        started = time.monotonic()
        while True:
            number = signal.sigwait(KEEPER_SIGNALS)
            if self.process is None:
                return
            if number != signal.SIGCHLD:
                self.server.stop(self.process)
                return
            if self.process.poll() is None:
                continue
            self._tell("restarting")
            self.crashes = 1 if time.monotonic() - started > CALM_SECONDS else self.crashes + 1
            if self.crashes > CRASHES_MAX:
                self._tell("failed", f"PostgreSQL crashed {CRASHES_MAX} times in a row; see {self.server.log}")
                raise SystemExit(1)
            self.process = self.server.start()
            started = time.monotonic()
            self._tell("ready")

    def _await_last_user(self) -> None:
        """Wait in the kernel for the exclusive lock; kept until the end, so that a newcomer waits for a fresh start."""
        descriptor = open_lock(self.server.place.home / USERS_LOCK)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.kill(os.getpid(), signal.SIGUSR1)

    def _tell(self, state: str, message: str = "") -> None:
        path = self.server.place.home / STATE_FILE
        draft = path.with_suffix(".new")
        fields = {"state": state, "message": message, "token": self.token, "keeper": os.getpid()}
        fields["postmaster"] = self.process.pid if self.process else 0
        draft.write_text(json.dumps(fields), encoding="utf-8")
        give_to_folder_owner(draft)
        draft.replace(path)


def main() -> None:
    """Take the keeper's lock, leave the starter's session and family, and keep."""
    server, token = understand(sys.argv[1])
    os.umask(0o077)
    descriptor = open_lock(server.place.home / KEEPER_LOCK)
    if not try_lock(descriptor, fcntl.LOCK_EX, LOCK_TIMEOUT_SECONDS):
        raise SystemExit("another keeper is at work")
    if os.fork():  # the lock is shared with the child, so it is held without a gap
        os._exit(0)
    os.setsid()
    os.chdir("/")
    _speak_into(server.log)  # also closes the starter's pipe, so that the starter does not wait for us
    Keeper(server, token).run()


def _speak_into(log: Path) -> None:
    descriptor = open_log(log)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


if __name__ == "__main__":
    main()
