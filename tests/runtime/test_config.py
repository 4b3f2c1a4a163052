"""The settings of a deployment come from the environment, and from nowhere else."""

import os
import stat
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from senim.runtime import config
from senim.runtime.config import Config, ConfigurationError, load

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def test_an_empty_environment_is_the_sandbox() -> None:
    found = load({})
    assert (found.mode, found.production, found.embedded) == ("sandbox", False, True)
    assert (found.host, found.port, found.centre_port) == ("127.0.0.1", 8000, 8001)
    assert found.roles == ("payments",)
    assert found.address == "http://localhost:8000"


def test_a_checkout_keeps_its_data_in_var() -> None:
    assert load({}).data_dir == Path(config.__file__).resolve().parents[3] / "var"


def test_every_value_is_read() -> None:
    found = load(
        {
            "SENIM_MODE": "production",
            "SENIM_DATA_DIR": "/srv/senim",
            "SENIM_DATABASE_URL": "postgresql://senim:word@db.example.kz/senim?sslmode=verify-full",
            "SENIM_PORT": "8443",
            "SENIM_ALLOWED_HOSTS": "pay.example.kz, www.example.kz",
            "SENIM_PUBLIC_URL": "https://pay.example.kz/",
            "SENIM_BEHIND_PROXY": "yes",
            "SENIM_DAY_CLOSE": "00:05",
        }
    )
    assert found.production
    assert not found.embedded
    assert found.data_dir == Path("/srv/senim")
    assert found.allowed_hosts == ("pay.example.kz", "www.example.kz")
    assert found.address == "https://pay.example.kz"
    assert found.behind_proxy
    assert found.day_close == "00:05"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SENIM_MODE", "live", "one of sandbox, production"),
        ("SENIM_PORT", "0", "whole number from 1 to 65535"),
        ("SENIM_PORT", "70000", "whole number from 1 to 65535"),
        ("SENIM_PORT", "80a", "whole number from 1 to 65535"),
        ("SENIM_PORT", "٨٠", "whole number from 1 to 65535"),
        ("SENIM_ROLES", "payments,casino", "no such role: casino"),
        ("SENIM_DAY_CLOSE", "24:00", "HH:MM"),
        ("SENIM_DAY_CLOSE", "9:00", "HH:MM"),
        ("SENIM_LANGUAGE", "de", "one of kk, ru, en"),
        ("SENIM_BEHIND_PROXY", "maybe", "1 or 0"),
        ("SENIM_DATABASE_URL", "mysql://root:secret-word@db/senim", "postgresql://"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load({name: value})
    assert refused.value.message.startswith(f"{name}: ")
    assert reason in refused.value.message
    assert refused.value.fields["variable"] == name
    assert "secret-word" not in refused.value.message


def test_secrets_do_not_show() -> None:
    found = load({"SENIM_SECRET_KEY": "k" * 60, "SENIM_DATABASE_URL": "postgresql://senim:hidden@db/senim"})
    assert "kkk" not in repr(found)
    assert "hidden" not in repr(found)


def test_the_sandbox_makes_its_key_once(tmp_path: Path) -> None:
    found = load({"SENIM_DATA_DIR": str(tmp_path)})
    script = "from senim.runtime.config import load, secret_key; print(secret_key(load()))"
    environment = {**os.environ, "SENIM_DATA_DIR": str(tmp_path)}
    starts = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE) for _ in range(4)
    ]
    keys = {start.communicate(timeout=30)[0].decode().strip() for start in starts} | {config.secret_key(found)}
    assert len(keys) == 1
    assert len(keys.pop()) >= config.SECRET_KEY_LENGTH_MIN
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_production_makes_no_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no secret key"):
        config.secret_key(load({"SENIM_MODE": "production", "SENIM_DATA_DIR": str(tmp_path)}))


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = replace(load({}), secret_key_file=tmp_path / "nothing")
    with pytest.raises(ConfigurationError, match="nothing: No such file"):
        config.secret_key(missing)
    (tmp_path / "empty").touch()
    with pytest.raises(ConfigurationError, match="is empty"):
        config.secret_key(replace(missing, secret_key_file=tmp_path / "empty"))


def test_a_misspelt_variable_is_found() -> None:
    assert config.unknown_variables({"SENIM_PROT": "1", "SENIM_PORT": "1", "HOME": "/"}) == ["SENIM_PROT"]


def test_the_document_is_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == config.document(), "write it again: python -m senim.runtime.config > docs/configuration.md"
    assert all(f"`{variable.metadata['env']}`" in text for variable in fields(Config))
