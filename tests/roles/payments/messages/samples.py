"""Where the real messages and schemas are, which are no part of the project: without them such tests are skipped."""

from pathlib import Path

import pytest

FOLDER = Path("/work/shared/samples/iso20022")
SCHEMAS = sorted((FOLDER / "xsd").glob("*.xsd"))
MESSAGES = sorted((FOLDER / "messages").rglob("*.xml"))

needed = pytest.mark.skipif(not SCHEMAS or not MESSAGES, reason=f"SKIPPED: no ISO 20022 samples in {FOLDER}")


def schema_file(identifier: str) -> Path:
    """The published schema of a message definition."""
    return FOLDER / "xsd" / f"{identifier}.xsd"


def messages(kind: str) -> list[Path]:
    """The sample messages of a kind, by their names (``pacs.008``)."""
    return [path for path in MESSAGES if kind in path.name]
