"""Whether a database has been brought to this version of the code: a look that costs milliseconds, without Django.

``senim migrate`` leaves a fingerprint of all migrations in the database; a start that finds its own there has nothing
to do, and need not load every part of the product to learn that.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).resolve().parents[1]
OTHERS_WITH_MIGRATIONS: Final = ("django", "procrastinate")


def fingerprint(source: Path = SOURCE) -> str:
    """What all migrations are together: their text, and the versions of the libraries that bring some along."""
    digest = hashlib.sha256()
    for path in sorted([*source.rglob("migrations/*.py"), *source.rglob("*.sql")]):
        digest.update(str(path.relative_to(source)).encode())
        digest.update(path.read_bytes())
    for package in OTHERS_WITH_MIGRATIONS:
        digest.update(f"{package}=={version(package)}".encode())
    return digest.hexdigest()


def is_current(database_url: str) -> bool:
    """Whether the database carries the fingerprint of this code."""
    import psycopg

    with psycopg.connect(database_url) as connection:
        try:
            row = connection.execute("SELECT fingerprint FROM senim_schema").fetchone()
        except psycopg.errors.UndefinedTable:
            return False
    return row is not None and row[0] == fingerprint()


def record(database_url: str) -> None:
    """Leave the fingerprint of this code: every migration has been applied."""
    import psycopg

    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS senim_schema (single boolean PRIMARY KEY DEFAULT true CHECK (single), "
            "fingerprint text NOT NULL, recorded_at timestamptz NOT NULL)"
        )
        connection.execute(
            "INSERT INTO senim_schema (fingerprint, recorded_at) VALUES (%s, now()) ON CONFLICT (single) "
            "DO UPDATE SET fingerprint = EXCLUDED.fingerprint, recorded_at = EXCLUDED.recorded_at",
            [fingerprint()],
        )
