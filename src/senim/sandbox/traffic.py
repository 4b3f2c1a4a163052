"""A believable day of payments: when they come, of which kind, between whom, and how much. Pure but for its chance.

The clock of Almaty sets the pace: quiet before dawn, a peak at lunch and a higher one after work. Most operations are
small purchases; sums are log-normal. A few fail as they do in life: no money, a closed account, a mistyped number, and
machines that did not hear the answer ask again with the same key.
"""

import datetime as dt
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from senim.roles.payments.rules.kinds import Kind, Means
from senim.sandbox.world import TENGE

CURVE: Final = (
    0.16, 0.10, 0.07, 0.06, 0.07, 0.12, 0.28, 0.55, 0.85, 1.05, 1.20, 1.35,
    1.60, 1.70, 1.45, 1.30, 1.30, 1.45, 1.75, 1.80, 1.50, 1.10, 0.70, 0.35,
)  # fmt: skip
"""Operations of each hour of the clock in Almaty, against an average of about 1."""
VISIBLE_MIN: Final = 0.4
"""Even at night a sandbox shows some life."""

KINDS: Final = ((Kind.PURCHASE, 52), (Kind.TRANSFER, 27), (Kind.TOP_UP, 12), (Kind.CASH_WITHDRAWAL, 9))
MEDIAN_TENGE: Final = {Kind.PURCHASE: 4_200, Kind.TRANSFER: 15_000, Kind.TOP_UP: 20_000, Kind.CASH_WITHDRAWAL: 30_000}
SPREAD: Final = {Kind.PURCHASE: 1.0, Kind.TRANSFER: 1.1, Kind.TOP_UP: 0.8, Kind.CASH_WITHDRAWAL: 0.7}
ROUNDED_TENGE: Final = {Kind.PURCHASE: 1, Kind.TRANSFER: 100, Kind.TOP_UP: 500, Kind.CASH_WITHDRAWAL: 1_000}
MEANS: Final = {
    Kind.PURCHASE: ((Means.QR, 70), (Means.DETAILS, 30)),
    Kind.TRANSFER: ((Means.IIN, 35), (Means.DETAILS, 50), (Means.QR, 15)),
    Kind.TOP_UP: ((Means.DETAILS, 80), (Means.IIN, 20)),
    Kind.CASH_WITHDRAWAL: ((Means.DETAILS, 60), (Means.QR, 40)),
}
PER_MILLE_BEYOND_MEANS: Final = 6
PER_MILLE_CLOSED: Final = 4
PER_MILLE_MISTYPED: Final = 3
PER_MILLE_REPEATED: Final = 12
FOREIGN_PER_CENT: Final = 45
"""How often the other side is a client of another bank."""
Choice = TypeVar("Choice")

TIYN_CENTS: Final = 37
"""One purchase in so many has tiyn in its sum."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Accounts that a bank knows: its own clients, and those of other banks that its clients pay."""

    people: Sequence[str]
    shops: Sequence[str]
    closed: Sequence[str]
    foreign_people: Sequence[str]
    foreign_shops: Sequence[str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as a bank's machine asks for it; the sum in tiyn. ``is_repeated``: the machine will ask twice."""

    kind: Kind
    means: Means
    amount_tiyn: int
    debit_account: str
    credit_account: str
    is_repeated: bool


def per_second(pace: float, moment: dt.datetime) -> float:
    """Operations a second at a local ``moment`` when ``pace`` of them come in an average hour of the day."""
    hour, after = moment.hour, moment.minute / 60
    factor = CURVE[hour] * (1 - after) + CURVE[(hour + 1) % 24] * after
    return pace * max(factor, VISIBLE_MIN)


def pause_seconds(rate: float, chance: random.Random) -> float:
    """How long until the next operation: independent arrivals at ``rate`` a second."""
    return -math.log(1 - chance.random()) / rate


def operation(directory: Directory, chance: random.Random) -> Operation:
    """The next operation of a bank's clients."""
    kind = _weighted(KINDS, chance)
    debit, credit = _sides(kind, directory, chance)
    amount_tiyn = amount(kind, chance)
    trouble = chance.randrange(1000)
    if kind != Kind.TOP_UP and trouble < PER_MILLE_BEYOND_MEANS:
        amount_tiyn *= 400
    elif trouble < PER_MILLE_BEYOND_MEANS + PER_MILLE_CLOSED and directory.closed:
        debit, credit = _closed_side(kind, debit, credit, chance.choice(directory.closed))
    elif trouble < PER_MILLE_BEYOND_MEANS + PER_MILLE_CLOSED + PER_MILLE_MISTYPED:
        debit, credit = (debit, mistype(credit)) if credit else (mistype(debit), credit)
    return Operation(
        kind, _weighted(MEANS[kind], chance), amount_tiyn, debit, credit, chance.randrange(1000) < PER_MILLE_REPEATED
    )


def amount(kind: Kind, chance: random.Random) -> int:
    """A sum in tiyn, log-normal around the median of the kind and rounded as people round."""
    step = ROUNDED_TENGE[kind]
    tenge = max(int(MEDIAN_TENGE[kind] * chance.lognormvariate(0, SPREAD[kind])) // step * step, step)
    tiyn = chance.randrange(100) if kind == Kind.PURCHASE and chance.randrange(TIYN_CENTS) == 0 else 0
    return tenge * TENGE + tiyn


def salaries(directory: Directory, count: int, chance: random.Random) -> list[Operation]:
    """The lines of a bulk file: shops pay people, here and at other banks."""
    lines = []
    for _ in range(count):
        people = directory.foreign_people if chance.randrange(100) < FOREIGN_PER_CENT else directory.people
        tenge = int(60_000 * chance.lognormvariate(0, 0.5)) // 100 * 100
        shop, person = chance.choice(directory.shops), chance.choice(people)
        lines.append(Operation(Kind.TRANSFER, Means.DETAILS, tenge * TENGE, shop, person, is_repeated=False))
    return lines


def mistype(account: str) -> str:
    """The account with its last two characters swapped, or one changed where they are equal: check digits fail."""
    last = account[-1]
    if account[-2] != last:
        return f"{account[:-2]}{last}{account[-2]}"
    return f"{account[:-1]}{'0' if last != '0' else '1'}"


def _sides(kind: Kind, directory: Directory, chance: random.Random) -> tuple[str, str]:
    own, is_foreign = chance.choice(directory.people), chance.randrange(100) < FOREIGN_PER_CENT
    if kind == Kind.TOP_UP:
        return "", own if not is_foreign else chance.choice(directory.foreign_people)
    if kind == Kind.CASH_WITHDRAWAL:
        return own if not is_foreign else chance.choice(directory.foreign_people), ""
    if kind == Kind.PURCHASE:
        return own, chance.choice(directory.foreign_shops if is_foreign else directory.shops)
    other = chance.choice(directory.foreign_people if is_foreign else directory.people)
    while other == own:
        other = chance.choice(directory.people)
    return own, other


def _closed_side(kind: Kind, debit: str, credit: str, closed: str) -> tuple[str, str]:
    """Put a closed account on the side that belongs to this bank's clients."""
    return (debit, closed) if kind == Kind.TOP_UP else (closed, credit)


def _weighted(table: Sequence[tuple[Choice, int]], chance: random.Random) -> Choice:
    return chance.choices([choice for choice, _ in table], [weight for _, weight in table])[0]
