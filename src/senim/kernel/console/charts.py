"""Pictures rendered on the server as SVG: geometry only, the templates draw it. Pure.

All coordinates are in the units of the picture's viewBox. Nothing here needs a style attribute.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

HEAT_LEVELS = 5


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place and its words."""

    at: float
    label: str


@dataclass(frozen=True)
class Frame:
    """The plotting area of a picture: what part of the data it shows and where it lies.

    ``first`` and ``last`` bound the horizontal axis in the data's units; ``top`` is the highest value.
    """

    width: int
    height: int
    left: int
    bottom: int
    first: float
    last: float
    top: float

    @property
    def floor(self) -> float:
        """Vertical place of zero."""
        return self.height - self.bottom

    @property
    def right(self) -> float:
        """Horizontal end of the plotting area."""
        return self.width - 10

    def x(self, value: float) -> float:
        """Horizontal place of a value."""
        return round(self.left + (value - self.first) / (self.last - self.first) * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        """Vertical place of a value; 14 units stay free above the top."""
        return round(self.floor - value / self.top * (self.floor - 14), 1)


def nice_top(value: float) -> float:
    """The smallest round number (1, 2, 4, 6, 8, 10 times a power of ten) that is not below ``value``; at least 4."""
    if value <= 4:
        return 4
    power = int("1" + "0" * (len(str(int(value))) - 1))
    return next(step * power for step in (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10) if step * power >= value)


def curve(frame: Frame, points: Sequence[tuple[float, float]]) -> str:
    """A smooth path through the points that never rises above or falls below its neighbours (monotone cubic)."""
    if not points:
        return ""
    places = [(frame.x(at), frame.y(value)) for at, value in points]
    if len(places) < 3:
        return "M" + "L".join(f"{x} {y}" for x, y in places)
    slopes = _monotone_slopes(places)
    path = [f"M{places[0][0]} {places[0][1]}"]
    for index in range(len(places) - 1):
        (x0, y0), (x1, y1) = places[index], places[index + 1]
        third = (x1 - x0) / 3
        rise, fall = y0 + slopes[index] * third, y1 - slopes[index + 1] * third
        path.append(f"C{x0 + third:.1f} {rise:.1f} {x1 - third:.1f} {fall:.1f} {x1} {y1}")
    return "".join(path)


def _monotone_slopes(places: Sequence[tuple[float, float]]) -> list[float]:
    rises = [(b[1] - a[1]) / (b[0] - a[0]) if b[0] != a[0] else 0.0 for a, b in pairwise(places)]
    slopes = [rises[0]]
    for before, after in pairwise(rises):
        slopes.append(0.0 if before * after <= 0 else 2 * before * after / (before + after))
    return [*slopes, rises[-1]]


def area(frame: Frame, points: Sequence[tuple[float, float]]) -> str:
    """The curve closed down to zero."""
    if not points:
        return ""
    return f"{curve(frame, points)}L{frame.x(points[-1][0])} {frame.floor}L{frame.x(points[0][0])} {frame.floor}Z"


def heat_level(value: int, highest: int) -> int:
    """Which of the five shades a value takes, 0 for nothing. The scale is a square root: small values stay apart."""
    if value <= 0 or highest <= 0:
        return 0
    return min(HEAT_LEVELS, 1 + int((value / highest) ** 0.5 * HEAT_LEVELS * 0.999))


@dataclass(frozen=True)
class SignedBar:
    """A bar from the middle of a 200-unit picture to the right (positive) or to the left (negative)."""

    x: float
    width: float
    positive: bool


def signed_bar(value: int, highest: int) -> SignedBar:
    """The bar of ``value`` where ``highest`` is the largest magnitude."""
    width = round(98 * abs(value) / highest, 1) if highest else 0.0
    return SignedBar(x=101 if value >= 0 else round(99 - width, 1), width=width, positive=value >= 0)
