"""The settings of one deployment, read from the environment and nowhere else.

Each field of :class:`Config` is one environment variable; its name, default and meaning stand beside it, and the table
in ``docs/configuration.md`` is made from them, so the two cannot part.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from senim.errors import BadInput

MODES: Final = ("sandbox", "production")
ROLES: Final = ("payments",)
LANGUAGES: Final = ("kk", "ru", "en")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
PORT_MAX: Final = 65_535
SECRET_KEY_LENGTH_MIN: Final = 50

# Read by tools around the product and not by Config: still ours, so never reported as a misspelling.
OTHER_VARIABLES: Final = {
    "SENIM_DEBUG": "1 shows a full traceback when a command fails",
    "SENIM_TEST_DATABASE_URL": "a PostgreSQL server for the test suite; empty: an embedded one of the tests' own",
}


class ConfigurationError(BadInput):
    """A setting in the environment cannot be used."""

    code = "senim.configuration"


def checkout_root() -> Path | None:
    """The folder of the source checkout this code runs from, or None when it is installed as a package."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").is_file() and (root / "src" / "senim").is_dir() else None


def default_data_dir() -> Path:
    """``./var`` of a checkout; otherwise the place where the system expects data of this user's programs."""
    root = checkout_root()
    if root is not None:
        return root / "var"
    if os.geteuid() == 0:
        return Path("/var/lib/senim")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "senim"


def _text(value: str) -> str:
    return value


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _path(value: str) -> Path:
    return Path(value).expanduser().resolve()


def _optional_path(value: str) -> Path | None:
    return _path(value) if value else None


def _one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"one of {', '.join(allowed)} is expected")
        return value

    return read


def _roles(value: str) -> tuple[str, ...]:
    names = _list(value)
    unknown = [name for name in names if name not in ROLES]
    if unknown:
        raise ValueError(f"no such role: {', '.join(unknown)}; there is {', '.join(ROLES)}")
    return names


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdecimal() and low <= int(value) <= high):
            raise ValueError(f"a whole number from {low} to {high} is expected")
        return int(value)

    return read


def _switch(value: str) -> bool:
    if value.lower() not in ("1", "0", "yes", "no", "true", "false"):
        raise ValueError("1 or 0 is expected")
    return value.lower() in ("1", "yes", "true")


def _time_of_day(value: str) -> str:
    hours, _, minutes = value.partition(":")
    digits = len(hours) == 2 and len(minutes) == 2 and (hours + minutes).isdecimal()
    if not digits or int(hours) > 23 or int(minutes) > 59:
        raise ValueError("a time of day as HH:MM is expected")
    return value


def _database_url(value: str) -> str:
    if value and not value.startswith(("postgresql://", "postgres://")):
        raise ValueError("a URL as postgresql://user:password@host:5432/name is expected")
    return value


def _setting(
    env: str,
    meaning: str,
    default: str = "",
    read: Callable[[str], Any] = _text,
    shown: str | None = None,
    secret: bool = False,
) -> Any:
    """Declare one variable; ``shown`` is its default as the documents print it where the value itself is computed."""
    metadata = {"env": env, "meaning": meaning, "default": default, "read": read, "shown": shown, "secret": secret}
    return field(metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One deployment: one organisation, one database, one set of keys."""

    mode: str = _setting(
        "SENIM_MODE",
        "`sandbox`: a machine of one's own, example data, simulators. `production`: refuses to start unsafe.",
        "sandbox",
        _one_of(MODES),
    )
    data_dir: Path = _setting(
        "SENIM_DATA_DIR",
        "Folder for files, keys, logs and the embedded database.",
        read=lambda value: _path(value) if value else default_data_dir(),
        shown="`./var` of a checkout, else `/var/lib/senim` (root) or `~/.local/share/senim`",
    )
    database_url: str = _setting(
        "SENIM_DATABASE_URL",
        "PostgreSQL 15 or newer: `postgresql://user:password@host:5432/name`, with libpq's options after `?`. "
        "Empty: the embedded server.",
        read=_database_url,
        secret=True,
        shown="the embedded server",
    )
    postgres_bin: Path | None = _setting(
        "SENIM_POSTGRES_BIN",
        "Folder of the `postgres` and `initdb` programs for the embedded server, when the choice shall not be made "
        "by Senim (the system's newest first, then those of the Python wheel).",
        read=_optional_path,
        shown="found by itself",
    )
    allow_embedded_database: bool = _setting(
        "SENIM_ALLOW_EMBEDDED_DATABASE",
        "`1` lets production run on the embedded server: one machine, no standby, back-ups are yours.",
        "0",
        _switch,
    )
    secret_key: str = _setting(
        "SENIM_SECRET_KEY",
        "Key for sessions and signed values, at least 50 characters. The sandbox makes its own into the data folder.",
        secret=True,
    )
    secret_key_file: Path | None = _setting(
        "SENIM_SECRET_KEY_FILE",
        "File that holds the key instead, readable by its owner only; preferred to the variable.",
        read=_optional_path,
    )
    roles: tuple[str, ...] = _setting(
        "SENIM_ROLES", "Roles of this organisation, by commas: `payments`.", "payments", _roles
    )
    organisation: str = _setting(
        "SENIM_ORGANISATION", "Name of the organisation, as pages and documents print it.", "Senim"
    )
    language: str = _setting(
        "SENIM_LANGUAGE", "Language of a page before its reader has chosen: `kk`, `ru`, `en`.", "kk", _one_of(LANGUAGES)
    )
    host: str = _setting("SENIM_HOST", "Address on which the web and the centre listen.", "127.0.0.1")
    port: int = _setting(
        "SENIM_PORT", "Port of the pages, the interfaces and the deliveries.", "8000", _whole(1, PORT_MAX)
    )
    centre_port: int = _setting("SENIM_CENTRE_PORT", "Port of the authorisation centre.", "8001", _whole(1, PORT_MAX))
    web_workers: int = _setting("SENIM_WEB_WORKERS", "Web server processes.", "1", _whole(1, 64))
    web_threads: int = _setting(
        "SENIM_WEB_THREADS",
        "Requests that one web process serves at a time; each holds one connection.",
        "4",
        _whole(1, 64),
    )
    public_url: str = _setting(
        "SENIM_PUBLIC_URL",
        "Address at which people and peers reach this deployment; production wants `https://`.",
        shown="`http://localhost:` and the port",
    )
    allowed_hosts: tuple[str, ...] = _setting(
        "SENIM_ALLOWED_HOSTS",
        "Host names that may be asked for, by commas.",
        "localhost,127.0.0.1",
        _list,
    )
    behind_proxy: bool = _setting(
        "SENIM_BEHIND_PROXY",
        "`1` when a proxy of yours ends TLS, always sets `X-Forwarded-Proto` and `X-Forwarded-For` itself, and takes a "
        "request in whole before it passes it on (nginx does by itself), so that slow senders hold no thread here.",
        "0",
        _switch,
    )
    session_idle_seconds: int = _setting(
        "SENIM_SESSION_IDLE_SECONDS",
        "A member of staff who does nothing for so long has to sign in again.",
        "900",
        _whole(60, 86_400),
    )
    day_close: str = _setting(
        "SENIM_DAY_CLOSE", "When the operating day closes by itself, HH:MM in Asia/Almaty.", "00:00", _time_of_day
    )
    log_level: str = _setting("SENIM_LOG_LEVEL", "`debug`, `info`, `warning` or `error`.", "info", _one_of(LOG_LEVELS))

    @property
    def production(self) -> bool:
        """Whether this deployment serves real people and real money."""
        return self.mode == "production"

    @property
    def embedded(self) -> bool:
        """Whether the database is the server that Senim starts itself."""
        return not self.database_url

    @property
    def address(self) -> str:
        """Address for people: the public one, or this machine's own."""
        return self.public_url.rstrip("/") or f"http://localhost:{self.port}"

    @property
    def local_host(self) -> str:
        """The address at which this machine itself reaches the web and the centre."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared with, not listened on
        return everywhere.get(self.host, f"[{self.host}]" if ":" in self.host else self.host)

    @property
    def log_dir(self) -> Path:
        """Where each process of this deployment writes its log."""
        return self.data_dir / "log"


def load(environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings from ``environ`` (the process's own by default).

    Raises:
        ConfigurationError: a value cannot be used; ``fields`` name the variable and the reason.
    """
    source = os.environ if environ is None else environ
    values: dict[str, Any] = {variable.name: _read(variable, source) for variable in fields(Config)}
    return Config(**values)


def _read(variable: Field[Any], source: Mapping[str, str]) -> object:
    name = variable.metadata["env"]
    value = source.get(name, "").strip() or variable.metadata["default"]
    try:
        return variable.metadata["read"](value)
    except ValueError as error:
        shown = "the value given" if variable.metadata["secret"] else repr(value)
        raise ConfigurationError(f"{name}: {error}, not {shown}", variable=name, reason=str(error)) from None


def secret_key(config: Config) -> str:
    """The key for sessions and signatures: from the variable, from its file, or (sandbox) made once and kept.

    Raises:
        ConfigurationError: production has none, or the file cannot be read.
    """
    if config.secret_key:
        return config.secret_key
    if config.secret_key_file is not None:
        return _key_from_file(config.secret_key_file)
    if config.production:
        raise ConfigurationError(
            "there is no secret key: SENIM_SECRET_KEY_FILE and SENIM_SECRET_KEY are empty",
            variable="SENIM_SECRET_KEY_FILE",
        )
    return _key_made_once(config.data_dir / "secret-key")


def _key_from_file(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise ConfigurationError(
            f"SENIM_SECRET_KEY_FILE: {path}: {reason}", variable="SENIM_SECRET_KEY_FILE", reason=reason
        ) from None
    if not key:
        raise ConfigurationError(f"SENIM_SECRET_KEY_FILE: {path} is empty", variable="SENIM_SECRET_KEY_FILE")
    return key


def _key_made_once(path: Path) -> str:
    """Make the key so that two processes at their first start end with the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(64) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, fails when another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return _key_from_file(path)


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """Variables named SENIM_... that nothing reads: most likely misspelt."""
    source = os.environ if environ is None else environ
    known = {variable.metadata["env"] for variable in fields(Config)} | set(OTHER_VARIABLES)
    return sorted(name for name in source if name.startswith("SENIM_") and name not in known)


def table() -> str:
    """The settings as a Markdown table, for ``docs/configuration.md``."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for variable in fields(Config):
        data = variable.metadata
        default = data["shown"] or (f"`{data['default']}`" if data["default"] else "empty")
        lines.append(f"| `{data['env']}` | {default} | {data['meaning']} |")
    lines += [f"| `{name}` | empty | {meaning[0].upper()}{meaning[1:]}. |" for name, meaning in OTHER_VARIABLES.items()]
    return "\n".join(lines) + "\n"


def document() -> str:
    """``docs/configuration.md``, whole."""
    return f"""# Configuration

A deployment is configured by its environment alone; this page is written by
`python -m senim.runtime.config > docs/configuration.md` from the code that reads it. `senim check --deploy` tells what
of it is not safe for production, and `senim up` refuses to start on it.

{table()}
The embedded server keeps its data under `SENIM_DATA_DIR/postgres`, or under `/var/lib/senim` where root starts it and
the server's unprivileged user cannot reach that folder; `senim database status` tells. It is the system's PostgreSQL or
the one of the Python wheel, listens on a socket in a 0700 folder only, knows its users by the system's word (peer
authentication), and runs as long as some process of Senim does. Settings of your own go into `local.conf` in its data
folder. Logs of every process are in `SENIM_DATA_DIR/log`.
"""


if __name__ == "__main__":
    print(document(), end="")
