"""The dashboard's pictures: the day's curve, and the matrix of obligations as heat."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from senim.kernel.console import charts, formats
from senim.roles.payments.models import Participant

MINUTES_OF_DAY = 24 * 60
HOUR = 60
BUCKET_OF_DAY = 10
QUIET_START_MINUTES = 180
SHORTEST_MINUTES = 10
SECONDS_IN_MINUTE = 60
PACE_SECONDS = 5
"""A minute's pace is not told from fewer seconds than these."""

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class DayCurve:
    """Operations per minute as a picture; paths are SVG, places are in its units."""

    frame: charts.Frame
    curve: str
    area: str
    refused: str
    usual: str
    x_ticks: list[charts.Tick]
    y_ticks: list[charts.Tick]
    now: tuple[float, float] | None
    now_label: str
    now_value: int
    now_text: tuple[float, float]
    now_anchor: str
    peak: int
    peak_label: str
    window: str


def clock_label(minute: int) -> str:
    """A minute of the day as HH:MM; the last is 24:00."""
    return f"{minute // HOUR:02d}:{minute % HOUR:02d}"


def rates(by_minute: Mapping[int, int], first: int, last: int, bucket: int) -> list[tuple[float, float]]:
    """Mean operations per minute, in whole buckets of ``bucket`` minutes between ``first`` and ``last``."""
    points: list[tuple[float, float]] = []
    for start in range(first, last - bucket + 1, bucket):
        total = sum(by_minute.get(minute, 0) for minute in range(start, start + bucket))
        points.append((start + bucket / 2, total / bucket))
    return points


def chosen_window(asked: str, by_minute: Mapping[int, int], now_minute: int | None) -> str:
    """The hour or the day: as asked, else the hour while the day's traffic is young."""
    if now_minute is None:
        return "day"
    if asked in {"hour", "day"}:
        return asked
    first = min(by_minute, default=now_minute)
    return "hour" if now_minute - first < QUIET_START_MINUTES else "day"


def _label_place(frame: charts.Frame, point: tuple[float, float] | None) -> tuple[float, float]:
    """Where the words of the present point stand: above it, and inside the picture."""
    if point is None:
        return (0, 0)
    x = frame.x(point[0])
    return (x - 9 if x > frame.width - 110 else x + 9, max(12, frame.y(point[1]) - 10))


@dataclass(frozen=True)
class Window:
    """The stretch of minutes that a curve shows, in buckets of so many minutes, with a word every ``step`` minutes."""

    first: int
    last: int
    bucket: int
    step: int


def window_of(name: str, first_traffic: int, now_minute: int | None, *, narrow: bool) -> Window:
    """The whole day, or the last hour: less where traffic began less than an hour ago, but ten minutes at least."""
    if name == "day" or now_minute is None:
        return Window(0, MINUTES_OF_DAY, BUCKET_OF_DAY, HOUR * (6 if narrow else 3))
    end = now_minute + 1
    first = max(0, end - HOUR, min(first_traffic - 1, end - SHORTEST_MINUTES))
    step = next((step for step in (1, 2, 5) if (end - first) / step <= (6 if narrow else 12)), 20 if narrow else 10)
    return Window(first, max(end, first + SHORTEST_MINUTES), 1, step)


def day_curve(
    by_minute: Mapping[int, int],
    refused_by_minute: Mapping[int, int],
    usual: Mapping[int, int],
    *,
    now_second: int | None,
    asked_window: str = "",
    narrow: bool = False,
) -> DayCurve:
    """The curve of a day, or of its last hour. ``now_second`` counts from midnight and is None for a day that is over.

    The day shows whole buckets; the hour ends with the running minute, at the pace that it has had so far.
    """
    now_minute = None if now_second is None else now_second // SECONDS_IN_MINUTE
    name = chosen_window(asked_window, by_minute, now_minute)
    window = window_of(name, min(by_minute, default=now_minute or 0), now_minute, narrow=narrow)
    end = MINUTES_OF_DAY if now_minute is None else now_minute
    points = rates(by_minute, window.first, min(end, window.last), window.bucket)
    refused = rates(refused_by_minute, window.first, min(end, window.last), window.bucket)
    if now_second is not None and name == "hour" and now_second % SECONDS_IN_MINUTE >= PACE_SECONDS:
        points.append(_pace(by_minute, now_second))
    usual_points = rates(usual, window.first, window.last, BUCKET_OF_DAY) if usual and name == "day" else []
    return _drawn(name, window, points, refused, usual_points, running=now_minute is not None, narrow=narrow)


def _pace(by_minute: Mapping[int, int], now_second: int) -> tuple[float, float]:
    """The running minute as a point: where it stands, and how many operations it would have at its pace so far."""
    minute, elapsed = divmod(now_second, SECONDS_IN_MINUTE)
    return minute + elapsed / SECONDS_IN_MINUTE, by_minute.get(minute, 0) * SECONDS_IN_MINUTE / elapsed


def _drawn(
    name: str, window: Window, points: Points, refused: Points, usual: Points, *, running: bool, narrow: bool
) -> DayCurve:
    top = charts.nice_top(max([1.0, *(value for _at, value in [*points, *usual])]))
    width, height = (400, 220) if narrow else (760, 232)
    frame = charts.Frame(width=width, height=height, left=44, bottom=26, first=window.first, last=window.last, top=top)
    peak = max(points, key=lambda point: point[1], default=(0.0, 0.0))
    latest = points[-1] if points and running else None
    ticks = range(-(-window.first // window.step) * window.step, window.last + 1, window.step)
    return DayCurve(
        frame=frame,
        curve=charts.curve(frame, points),
        area=charts.area(frame, points),
        refused=charts.curve(frame, refused) if any(value for _at, value in refused) else "",
        usual=charts.curve(frame, usual),
        x_ticks=[charts.Tick(frame.x(minute), clock_label(minute)) for minute in ticks],
        y_ticks=[
            charts.Tick(frame.y(top * part / 4), formats.number(top * part / 4, 0 if top % 4 == 0 else 1))
            for part in range(5)
        ],
        now=(frame.x(latest[0]), frame.y(latest[1])) if latest else None,
        now_label=clock_label(int(latest[0])) if latest else "",
        now_value=round(latest[1]) if latest else 0,
        now_text=_label_place(frame, latest),
        now_anchor="end" if latest and frame.x(latest[0]) > frame.width - 110 else "start",
        peak=round(peak[1]),
        peak_label=clock_label(int(peak[0])),
        window=name,
    )


@dataclass(frozen=True)
class HeatCell:
    """What the row's bank owes the column's bank; ``level`` is the shade, None on the diagonal."""

    amount_tiyn: int
    level: int | None


@dataclass(frozen=True)
class HeatRow:
    """One bank's debts, what it owes in all, and its net standing."""

    participant: Participant
    cells: list[HeatCell]
    owes_tiyn: int
    net_tiyn: int


@dataclass(frozen=True)
class Matrix:
    """Mutual obligations as heat: the row owes the column."""

    participants: list[Participant]
    rows: list[HeatRow]
    owed_tiyn: list[int]
    total_tiyn: int
    highest_tiyn: int

    @property
    def scale(self) -> int:
        """Tenge in the unit in which a small picture writes its sums: one, a thousand, a million."""
        return next((scale for scale in (1_000_000, 1_000) if self.highest_tiyn >= 10_000 * scale), 1)

    @property
    def unit(self) -> str:
        """That unit in words."""
        words = {1_000_000: _("m"), 1_000: _("thousand"), 1: ""}[self.scale]
        return f"{words} {formats.currency()}".strip()


def matrix(participants: Iterable[Participant], owed: Mapping[tuple[int, int], int]) -> Matrix:
    """The matrix of the given participants; sums in tiyn by (payer, payee)."""
    order = list(participants)
    between = {pair: amount for pair, amount in owed.items() if pair[0] != pair[1]}
    highest = max(between.values(), default=0)
    rows = []
    for payer in order:
        cells = [
            HeatCell(
                between.get((payer.pk, payee.pk), 0),
                None if payer.pk == payee.pk else charts.heat_level(between.get((payer.pk, payee.pk), 0), highest),
            )
            for payee in order
        ]
        owes = sum(cell.amount_tiyn for cell in cells)
        gets = sum(amount for (_payer, payee), amount in between.items() if payee == payer.pk)
        rows.append(HeatRow(payer, cells, owes, gets - owes))
    owed_to = [sum(amount for (_payer, payee), amount in between.items() if payee == one.pk) for one in order]
    return Matrix(order, rows, owed_to, sum(between.values()), highest)
