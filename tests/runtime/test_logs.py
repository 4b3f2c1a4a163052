"""Logs name acts, never people."""

import json
import subprocess
import sys

SCRIPT = """
import logging, sys, structlog
from senim.runtime import logs
logs.configure(json_lines=sys.argv[1] == "json")
log = structlog.get_logger("senim.test")
log.info("operation refused", reason="AM04", iban="KZ86125KZT5004100100", password="word")
logging.getLogger("senim.other").warning("slow answer", extra={"iin": "900101300017"})
"""


def log(form: str) -> list[str]:
    """The lines that both kinds of logger write."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, form], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_production_logs_are_json_without_personal_data() -> None:
    first, second = (json.loads(line) for line in log("json"))
    assert first["event"] == "operation refused"
    assert first["reason"] == "AM04"
    assert first["level"] == "info"
    assert first["logger"] == "senim.test"
    assert first["timestamp"].endswith("Z")
    assert (first["iban"], first["password"]) == ("***", "***")
    assert second["event"] == "slow answer"
    assert "900101300017" not in json.dumps(second)


def test_the_sandboxs_lines_are_for_people() -> None:
    first, second = log("text")
    assert "operation refused" in first
    assert "KZ86125KZT5004100100" not in first
    assert "slow answer" in second
