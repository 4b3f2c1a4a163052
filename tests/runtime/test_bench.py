"""Figures: percentiles, memory, and one way to print them."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senim.runtime import bench


@given(st.lists(st.integers(-1_000, 1_000), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_value_with_enough_at_or_below_it(values: list[int], rank: int) -> None:
    (found,) = bench.percentiles(values, [rank])
    assert found in values
    assert sum(value <= found for value in values) * 100 >= rank * len(values)
    assert sum(value < found for value in values) * 100 < rank * len(values)


def test_percentiles_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        bench.percentiles([], [50])


def test_memory_of_a_process_and_its_children() -> None:
    script = "block = bytearray(64 * 1024 * 1024); print('big', flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    alone, together, childs = bench.rss_mib(), bench.rss_mib(children=True), bench.rss_mib(child.pid)
    child.communicate("\n")
    assert childs > 60
    assert together > alone + childs - 8, "the run may have other children beside"
    assert bench.peak_rss_mib() >= alone - 1
    assert bench.rss_mib(child.pid) == 0.0


def test_figures_are_always_the_same_names(capsys: pytest.CaptureFixture[str]) -> None:
    figures = [
        bench.figure(
            "batches", 104_233.7, "transfers/s", baseline=2_400, latencies_seconds=[0.001, 0.002, 0.02], rss_mib=120.04
        ),
        bench.figure("netting", 11.234567, "s"),
    ]
    bench.report(figures, as_json=True)
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "name": "batches",
        "value": 104_234,
        "unit": "transfers/s",
        "baseline": 2_400,
        "ratio": 43.43,
        "p50_ms": 2.0,
        "p99_ms": 20.0,
        "rss_mib": 120.0,
    }
    assert second == dict.fromkeys(bench.COLUMNS) | {"name": "netting", "value": 11.235, "unit": "s"}
    bench.report(figures, as_json=False)
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == list(bench.COLUMNS)
    assert table[1].split() == ["batches", "104,234", "transfers/s", "2,400", "43.43", "2.0", "20.0", "120.0"]
    assert table[2].split() == ["netting", "11.235", "s", "-", "-", "-", "-", "-"]
