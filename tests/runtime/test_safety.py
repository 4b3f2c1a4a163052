"""Production refuses to start unsafe, and says why."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from senim.commands.check import judge_server
from senim.kernel.delivery.keys import load_or_create
from senim.runtime import safety
from senim.runtime.config import Config, load
from senim.runtime.safety import UnsafeError, findings, require_safe

KEY = "9fJx-2kQvLr7_TtYbN4cWm8ZsHdGp3aEuXo6iRq1KlVyBnMw"


@pytest.fixture
def safe(tmp_path: Path) -> Config:
    """A configuration without a fault."""
    key = tmp_path / "key"
    key.write_text(KEY * 2, encoding="utf-8")
    key.chmod(0o600)
    return load(
        {
            "SENIM_MODE": "production",
            "SENIM_DATA_DIR": str(tmp_path / "data"),
            "SENIM_SECRET_KEY_FILE": str(key),
            "SENIM_DATABASE_URL": "postgresql://senim:word@db.example.kz/senim?sslmode=verify-full",
            "SENIM_ALLOWED_HOSTS": "pay.example.kz",
            "SENIM_PUBLIC_URL": "https://pay.example.kz",
            "SENIM_BEHIND_PROXY": "1",
        }
    )


def errors(config: Config) -> set[str]:
    """Ids of what production must not start with."""
    return {finding.id for finding in findings(config) if finding.level == "error"}


def test_a_safe_configuration_is_let_through(safe: Config) -> None:
    assert errors(safe) == set()
    require_safe(safe)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"secret_key_file": None}, "secret.missing"),
        ({"secret_key": "short"}, "secret.weak"),
        ({"secret_key": "a" * 80}, "secret.weak"),
        ({"secret_key": f"django-insecure-{KEY}"}, "secret.weak"),
        ({"allowed_hosts": ("*",)}, "hosts.wildcard"),
        ({"allowed_hosts": (".example.kz", "pay.example.kz")}, "hosts.wildcard"),
        ({"allowed_hosts": ("localhost", "127.0.0.1")}, "hosts.loopback"),
        ({"database_url": ""}, "database.embedded"),
        ({"database_url": "postgresql://senim@db.example.kz/senim"}, "database.plain"),
        ({"database_url": "postgresql://senim@db.example.kz/senim?sslmode=prefer"}, "database.plain"),
        ({"database_url": "postgresql://senim@localhost/senim?host=db.example.kz"}, "database.plain"),
        ({"database_url": "postgresql:///senim?host=/run,db.example.kz"}, "database.plain"),
        ({"database_url": "postgresql://db.example.kz/s?sslmode=disable&options=sslmode=require"}, "database.plain"),
        ({"public_url": "http://pay.example.kz"}, "address.plain"),
        ({"public_url": ""}, "address.plain"),
        ({"public_url": "https://other.example.kz"}, "address.host"),
        ({"behind_proxy": False}, "address.proxy"),
    ],
)
def test_each_fault_is_found(safe: Config, change: dict[str, object], expected: str) -> None:
    faulty = replace(safe, **change)
    assert expected in errors(faulty)
    with pytest.raises(UnsafeError) as refused:
        require_safe(faulty)
    assert expected in refused.value.fields["findings"]  # type: ignore[operator]  # a list of ids
    assert refused.value.message.count("Remedy: ") == refused.value.message.count("\n")


def test_the_embedded_database_may_be_accepted(safe: Config) -> None:
    assert errors(replace(safe, database_url="", allow_embedded_database=True)) == set()


def test_a_database_beside_us_needs_no_encryption(safe: Config) -> None:
    assert errors(replace(safe, database_url="postgresql://senim@localhost/senim")) == set()
    assert errors(replace(safe, database_url="postgresql:///senim?host=/run/postgresql")) == set()


def test_secret_files_open_to_others_are_found(safe: Config) -> None:
    assert safe.secret_key_file is not None
    safe.secret_key_file.chmod(0o644)
    assert errors(safe) == {"files.open"}
    safe.secret_key_file.chmod(0o600)
    keys = safe.data_dir / "keys"
    keys.mkdir(parents=True, mode=0o700)
    (keys / "signing.jwk").touch(mode=0o600)
    assert errors(safe) == set()
    (keys / "signing.jwk").chmod(0o640)
    assert errors(safe) == {"files.open"}


def test_the_public_half_of_a_key_may_be_read(safe: Config) -> None:
    """It is made readable at the first start, which must not keep the second from starting."""
    load_or_create(safe.data_dir / "keys" / "delivery.json", "us")
    assert errors(safe) == set()
    (safe.data_dir / "keys" / "delivery.json").chmod(0o640)
    assert errors(safe) == {"files.open"}


def test_a_sandboxs_folder_is_never_used(safe: Config) -> None:
    safety.mark_sandbox(safe)
    assert errors(safe) == {"data.sandbox"}


def test_a_misspelt_variable_is_a_warning(safe: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENIM_PROT", "8000")
    assert [(found.id, found.level) for found in findings(safe)] == [("variable.unknown", "warning")]


@pytest.mark.parametrize(
    ("version", "settings", "superuser", "expected"),
    [
        (160_004, {}, False, set()),
        (140_012, {}, False, {"database.old"}),
        (160_004, {"fsync": "off"}, False, {"database.fsync"}),
        (160_004, {"synchronous_commit": "off"}, False, {"database.synchronous_commit"}),
        (160_004, {"synchronous_commit": "remote_apply"}, False, set()),
        (160_004, {"full_page_writes": "off"}, False, {"database.full_page_writes"}),
        (160_004, {}, True, {"database.superuser"}),
    ],
)
def test_a_server_that_could_lose_what_it_acknowledged_is_found(
    version: int, settings: dict[str, str], superuser: bool, expected: set[str]
) -> None:
    durable = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    assert {finding.id for finding in judge_server(version, durable | settings, superuser)} == expected


def senim(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the product with these settings over the test run's own."""
    return subprocess.run(
        [sys.executable, "-m", "senim", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_up_refuses_an_unsafe_production_with_code_1(tmp_path: Path) -> None:
    done = senim("up", SENIM_MODE="production", SENIM_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("senim: this is not safe for production:\n- ")
    assert "Remedy: " in done.stderr
    assert "Traceback" not in done.stderr


def test_production_settings_do_not_load_unsafe(tmp_path: Path) -> None:
    environment = {**os.environ, "SENIM_MODE": "production", "SENIM_DATA_DIR": str(tmp_path), "SENIM_SECRET_KEY": "x"}
    done = subprocess.run(
        [sys.executable, "-c", "import senim.settings.production"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "UnsafeError" in done.stderr


@pytest.mark.django_db(transaction=True)
def test_check_looks_at_the_database_too(database_url: str) -> None:
    done = senim("check", "--deploy", "--json", SENIM_DATABASE_URL=database_url)
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert answer["safe"] is False
    found = {finding["id"]: finding for finding in answer["findings"]}
    if not os.environ.get("SENIM_TEST_DATABASE_URL"):  # the suite's own server does without fsync
        assert found["database.fsync"]["problem"].startswith("fsync is off")
    assert all(finding["remedy"] for finding in answer["findings"])
