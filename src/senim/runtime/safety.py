"""What makes a production deployment unsafe, read from its configuration and its files alone.

What only the running database can tell is checked by ``senim check --deploy``.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from senim.errors import SenimError
from senim.runtime.config import SECRET_KEY_LENGTH_MIN, Config, ConfigurationError, secret_key, unknown_variables

SECRET_KEY_VARIETY_MIN: Final = 10
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
WEAK_MARKS: Final = ("insecure", "changeme", "secret-key", "password", "example")
PUBLIC_SUFFIX: Final = ".public.json"
SANDBOX_MARK: Final = "sandbox.mark"
TLS_MODES: Final = frozenset({"require", "verify-ca", "verify-full"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not safe: a stable id, what is wrong, and what to do about it."""

    id: str
    level: Literal["error", "warning"]
    problem: str
    remedy: str


class UnsafeError(SenimError):
    """The configuration is not safe for production."""

    code = "senim.unsafe"


def findings(config: Config) -> list[Finding]:
    """Everything in the configuration that production must not start with (errors) or should not (warnings)."""
    parts = (_secret, _hosts, _database, _address, _files, _sandbox_remains, _misspelt)
    return [finding for part in parts for finding in part(config)]


def require_safe(config: Config) -> None:
    """Refuse to go on where the configuration has an error.

    Raises:
        UnsafeError: with each problem and its remedy in the message.
    """
    refuse_errors(findings(config))


def refuse_errors(found: list[Finding]) -> None:
    """Raise when something found is an error.

    Raises:
        UnsafeError: with each problem and its remedy on a line of its own.
    """
    errors = [finding for finding in found if finding.level == "error"]
    if errors:
        lines = [f"- {finding.problem}. Remedy: {finding.remedy}." for finding in errors]
        raise UnsafeError("\n".join(["this is not safe for production:", *lines]), findings=[one.id for one in errors])


def mark_sandbox(config: Config) -> None:
    """Note in the data folder that it holds example data, so that production never starts on it."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    (config.data_dir / SANDBOX_MARK).touch()


def _secret(config: Config) -> Iterator[Finding]:
    remedy = "put 64 random characters into a file of mode 0600 and name it in SENIM_SECRET_KEY_FILE"
    try:
        key = secret_key(config)
    except ConfigurationError as error:
        yield Finding("secret.missing", "error", error.message, remedy)
        return
    weak = len(key) < SECRET_KEY_LENGTH_MIN or len(set(key)) < SECRET_KEY_VARIETY_MIN
    if weak or any(mark in key.lower() for mark in WEAK_MARKS):
        yield Finding("secret.weak", "error", "the secret key is short or easy to guess", remedy)


def _hosts(config: Config) -> Iterator[Finding]:
    remedy = "list the very names under which the deployment is reached in SENIM_ALLOWED_HOSTS"
    if any("*" in host or host.startswith(".") for host in config.allowed_hosts):
        yield Finding("hosts.wildcard", "error", "SENIM_ALLOWED_HOSTS lets any host name in", remedy)
    if not set(config.allowed_hosts) - LOOPBACK_HOSTS:
        yield Finding("hosts.loopback", "error", "SENIM_ALLOWED_HOSTS names this machine only", remedy)


def _database(config: Config) -> Iterator[Finding]:
    if config.embedded:
        if not config.allow_embedded_database:
            yield Finding(
                "database.embedded",
                "error",
                "the database is the embedded server: one machine, no standby",
                "name a PostgreSQL server in SENIM_DATABASE_URL, or accept it with SENIM_ALLOW_EMBEDDED_DATABASE=1",
            )
        return
    parts = urlsplit(config.database_url)
    options = dict(parse_qsl(parts.query))
    hosts = options.get("host") or parts.hostname or ""  # libpq's own word stands over the address
    is_local = all(not host or host.startswith("/") or host in LOOPBACK_HOSTS for host in hosts.split(","))
    if not is_local and options.get("sslmode") not in TLS_MODES:
        yield Finding(
            "database.plain",
            "error",
            "the connection to the database is not encrypted for certain",
            "add ?sslmode=verify-full to SENIM_DATABASE_URL",
        )


def _address(config: Config) -> Iterator[Finding]:
    parts = urlsplit(config.public_url)
    if parts.scheme != "https" or not parts.hostname:
        yield Finding(
            "address.plain",
            "error",
            f"SENIM_PUBLIC_URL is {config.public_url!r} and not an https:// address",
            "end TLS in a proxy in front and name its https:// address in SENIM_PUBLIC_URL",
        )
    elif parts.hostname not in config.allowed_hosts:
        yield Finding(
            "address.host",
            "error",
            f"SENIM_PUBLIC_URL leads to {parts.hostname}, which SENIM_ALLOWED_HOSTS does not list",
            "add it there",
        )
    if not config.behind_proxy:
        yield Finding(
            "address.proxy",
            "error",
            "SENIM_BEHIND_PROXY is off, so each request counts as plain HTTP and is sent round in circles",
            "set SENIM_BEHIND_PROXY=1 when your proxy always sets X-Forwarded-Proto itself",
        )


def _files(config: Config) -> Iterator[Finding]:
    """Secrets must not be readable by anyone but their owner."""
    keys = config.data_dir / "keys"
    secret_files = [path for path in (config.secret_key_file, keys) if path]
    secret_files += sorted(keys.glob("*")) if keys.is_dir() else []
    # A public half is there to be handed out; the folder around it is closed all the same.
    secret_files = [path for path in secret_files if not path.name.endswith(PUBLIC_SUFFIX)]
    for path in secret_files:
        if _open_to_others(path):
            yield Finding("files.open", "error", f"{path} can be read by other users", f"chmod go-rwx {path}")


def _open_to_others(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False


def _sandbox_remains(config: Config) -> Iterator[Finding]:
    if (config.data_dir / SANDBOX_MARK).exists():
        yield Finding(
            "data.sandbox",
            "error",
            f"{config.data_dir} was used by the sandbox: example customers, simulators and their keys",
            "choose a new folder in SENIM_DATA_DIR",
        )


def _misspelt(_config: Config) -> Iterator[Finding]:
    for name in unknown_variables():
        yield Finding("variable.unknown", "warning", f"{name} is set, but nothing reads it", "check its spelling")
