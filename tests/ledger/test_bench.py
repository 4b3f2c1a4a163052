"""The bench measures a real ledger, proves it at the end and leaves nothing behind."""

import psycopg
import pytest

from senim.ledger import bench
from senim.ledger.errors import LedgerError


def test_a_small_run(server_url: str, scratch_names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # The suite's own server is not durable on purpose, which the bench refuses to measure (see the next test).
    monkeypatch.setattr(bench, "_require_durable", lambda _connection: None)
    monkeypatch.setattr(bench, "BASELINE_TRANSFERS", 50)
    options = bench.Options(url=server_url, transfers=32_000, wide_accounts=2_000, measured=8_000, singles=640)
    figures = bench.run(options)
    assert [figure.unit for figure in figures][:5] == ["transfers/s"] * 5
    assert all(figure.value > 0 for figure in figures if figure.unit == "transfers/s")
    assert figures[0].ratio is not None
    assert figures[0].ratio > 1
    assert len(scratch_names) == 4
    with psycopg.connect(server_url) as connection:
        left = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = ANY (%s)", (scratch_names,)).fetchone()
        assert left is None


def test_a_server_that_is_not_durable_is_not_measured(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(b"SET synchronous_commit = off")
        with pytest.raises(LedgerError, match="not durable"):
            bench._require_durable(connection)
