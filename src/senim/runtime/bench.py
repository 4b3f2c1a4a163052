"""What every measuring command shares: percentiles, memory of a process tree, and one way to print the figures."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click

KIBIBYTES_PER_MEBIBYTE: Final = 1024
COLUMNS: Final = ("name", "value", "unit", "baseline", "ratio", "p50_ms", "p99_ms", "rss_mib")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; what does not apply is None."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    rss_mib: float | None = None


def figure(
    name: str,
    value: float,
    unit: str,
    *,
    baseline: float | None = None,
    latencies_seconds: Sequence[float] | None = None,
    rss_mib: float | None = None,
) -> Figure:
    """Round a measurement for people and compute what follows from it (ratio to the baseline, percentiles)."""
    p50, p99 = (None, None)
    if latencies_seconds:
        p50, p99 = (round(at * 1000, 2) for at in percentiles(latencies_seconds, (50, 99)))
    ratio = round(value / baseline, 2) if baseline else None
    return Figure(
        name, _rounded(value), unit, _rounded(baseline), ratio, p50, p99, None if rss_mib is None else round(rss_mib, 1)
    )


def percentiles(values: Iterable[float], wanted: Sequence[float]) -> list[float]:
    """The nearest-rank percentiles (each from 0 to 100): values that did occur, none interpolated.

    Raises:
        ValueError: there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return [ordered[max(0, math.ceil(rank / 100 * len(ordered)) - 1)] for rank in wanted]


def rss_mib(process: int | str = "self", *, children: bool = False) -> float:
    """Resident memory of a process in MiB, with all its descendants where ``children``; 0.0 for one that ended.

    Pages shared between processes count in each of them, so the sum is an upper bound.
    """
    number = int(Path("/proc/self").readlink().name) if process == "self" else int(process)
    found = [number]
    if children:
        parents = _parents()
        for candidate in found:  # grows while it is walked: children, then theirs
            found += [child for child, parent in parents.items() if parent == candidate]
    return sum(_resident_kib(one) for one in found) / KIBIBYTES_PER_MEBIBYTE


def peak_rss_mib(process: int | str = "self") -> float:
    """The most resident memory that a process has had since its start, in MiB."""
    return _status_kib(process, "VmHWM:") / KIBIBYTES_PER_MEBIBYTE


def report(figures: Sequence[Figure], as_json: bool) -> None:
    """Print the figures: a table for people, or a JSON list of objects with always the same names."""
    if as_json:
        click.echo(json.dumps([asdict(one) for one in figures], ensure_ascii=False))
        return
    rows = [[_shown(getattr(one, column)) for column in COLUMNS] for one in figures]
    widths = [max(len(row[index]) for row in [list(COLUMNS), *rows]) for index in range(len(COLUMNS))]
    for row in [list(COLUMNS), *rows]:
        cells = [
            cell.ljust(width) if index in (0, 2) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _rounded(value: float | None) -> Any:
    if value is None:
        return None
    return round(value) if abs(value) >= 1000 else round(value, 3)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            found[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
    return found


def _resident_kib(process: int) -> int:
    return _status_kib(process, "VmRSS:")


def _status_kib(process: int | str, label: str) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(label)), 0)
