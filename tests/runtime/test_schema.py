"""A start learns in milliseconds whether there is anything to migrate."""

from pathlib import Path

import psycopg
import pytest

from senim.runtime import schema


@pytest.mark.django_db(transaction=True)
def test_the_fingerprint_of_this_code_is_found_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        assert not schema.is_current(database_url)
        schema.record(database_url)
        assert schema.is_current(database_url)
        monkeypatch.setattr(schema, "fingerprint", lambda: "another version's")
        assert not schema.is_current(database_url)
        schema.record(database_url)
        assert schema.is_current(database_url)
    finally:
        with psycopg.connect(database_url) as connection:
            connection.execute("DROP TABLE IF EXISTS senim_schema")


def test_any_change_of_a_migration_changes_it(tmp_path: Path) -> None:
    folder = tmp_path / "part" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_first.py").write_text("one", encoding="utf-8")
    before = schema.fingerprint(tmp_path)
    assert schema.fingerprint(tmp_path) == before
    (folder / "0002_second.py").touch()
    after = schema.fingerprint(tmp_path)
    assert after != before
    (folder / "0001_first.py").write_text("two", encoding="utf-8")
    assert schema.fingerprint(tmp_path) not in (before, after)
