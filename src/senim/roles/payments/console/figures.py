"""Figures of the operating day, read so that a page may ask every two seconds."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from senim import ledger
from senim.roles.payments.models import Obligation, Operation, OperationMinute, Participant
from senim.roles.payments.rules.accounts import Purpose, participant_account_id
from senim.roles.payments.rules.kinds import Status

Pair = tuple[int, int]


@dataclass
class DayFigures:
    """One day's operations, added up from its minutes. Sums in tiyn, latency in milliseconds."""

    operations: int = 0
    refused: int = 0
    amount_tiyn: int = 0
    latency_ms: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    kinds: dict[int, tuple[int, int]] = field(default_factory=dict)
    by_minute: dict[int, int] = field(default_factory=dict)
    refused_by_minute: dict[int, int] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        """Operations carried out."""
        return self.operations - self.refused

    @property
    def mean_latency_ms(self) -> float | None:
        """Mean time from arrival to decision; None where nothing came yet."""
        return self.latency_ms / self.operations if self.operations else None


def of_day(day: dt.date) -> DayFigures:
    """Add up the minutes of ``day``: at most a few thousand rows whatever the traffic."""
    found = DayFigures()
    reasons: defaultdict[str, int] = defaultdict(int)
    kinds: defaultdict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    minutes: defaultdict[int, int] = defaultdict(int)
    refused: defaultdict[int, int] = defaultdict(int)
    rows = OperationMinute.objects.filter(day=day).values_list(
        "minute", "kind", "status", "reason", "operations", "amount_tiyn", "latency_ms"
    )
    for minute, kind, status, reason, operations, amount_tiyn, latency_ms in rows:
        found.operations += operations
        found.latency_ms += latency_ms
        minutes[minute] += operations
        if status == Status.ACCEPTED:
            found.amount_tiyn += amount_tiyn
            count, total = kinds[kind]
            kinds[kind] = (count + operations, total + amount_tiyn)
        else:
            found.refused += operations
            reasons[reason] += operations
            refused[minute] += operations
    found.reasons = dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])))
    found.kinds, found.by_minute, found.refused_by_minute = dict(sorted(kinds.items())), dict(minutes), dict(refused)
    return found


@dataclass
class _Running:
    """Obligations of an open day, carried on from the last operation that was counted."""

    day: dt.date
    last: UUID | None = None
    owed: dict[Pair, int] = field(default_factory=dict)


_running: _Running | None = None
_running_lock = Lock()


def forget_running() -> None:
    """Begin counting anew (a restored or emptied database)."""
    global _running  # noqa: PLW0603 one counter a process is the point
    with _running_lock:
        _running = None


def obligations(day: dt.date) -> dict[Pair, int]:
    """What each bank owes each other one on ``day``: the netted obligations, or the open day's as they stand now.

    The open day is counted on from the last look: operations get ids in the order of their commits, so nothing is
    missed and a look costs what came since. Pairs are (payer, payee) primary keys, sums in tiyn.
    """
    kept = Obligation.objects.filter(day=day).values_list("payer_id", "payee_id", "amount_tiyn")
    netted = {(payer, payee): amount for payer, payee, amount in kept}
    return netted or _count_on(day)


def _count_on(day: dt.date) -> dict[Pair, int]:
    global _running  # noqa: PLW0603 one counter a process is the point
    newest = Operation.objects.filter(day=day).order_by("-pk").values_list("pk", flat=True).first()
    with _running_lock:
        running = _running
        stale = (
            running is None
            or running.day != day
            or (running.last is not None and (newest is None or newest < running.last))
        )
        if running is None or stale:
            running = _running = _Running(day)
        if newest is not None and newest != running.last:
            for payer, payee, amount_tiyn in _sums(day, running.last, newest):
                running.owed[payer, payee] = running.owed.get((payer, payee), 0) + amount_tiyn
            running.last = newest
        return dict(running.owed)


def _sums(day: dt.date, after: UUID | None, until: UUID) -> list[tuple[int, int, int]]:
    bound = "AND id > %(after)s" if after else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT payer_id, payee_id, sum(amount_tiyn)::bigint FROM payments_operation
                 WHERE day = %(day)s AND status = %(accepted)s AND payer_id <> payee_id AND id <= %(until)s {bound}
                 GROUP BY payer_id, payee_id""",  # noqa: S608 the bound is one of two constants
            {"day": day, "accepted": int(Status.ACCEPTED), "until": until, "after": after},
        )
        rows: list[tuple[int, int, int]] = cursor.fetchall()
    return rows


@dataclass(frozen=True)
class CapUse:
    """A participant's standing against its net debit cap, in tiyn. ``net_tiyn`` is negative where it owes."""

    participant: Participant
    net_tiyn: int
    cap_tiyn: int

    @property
    def used_tiyn(self) -> int:
        """How much of the cap is taken."""
        return max(0, -self.net_tiyn)

    @property
    def share(self) -> float:
        """Part of the cap that is taken, 0 to 1; 0 where there is no cap."""
        return self.used_tiyn / self.cap_tiyn if self.cap_tiyn else 0.0

    @property
    def tone(self) -> str:
        """Colour of the meter: gold from 70 %, red from 90 %."""
        return "bad" if self.share >= 0.9 else "warn" if self.share >= 0.7 else ""


def cap_uses(participants: list[Participant]) -> list[CapUse]:
    """Each participant against its cap, from its clearing account in the ledger: credits are what it owes, and the
    cap itself stands there as a debit."""
    accounts = [participant_account_id(one.bank_code, Purpose.CLEARING) for one in participants]
    with transaction.atomic():
        raw: Any = connection.connection
        if raw is None:
            connection.ensure_connection()
            raw = connection.connection
        found = {account.id: account for account in ledger.lookup_accounts(raw, accounts)}
    result = []
    for participant, account_id in zip(participants, accounts, strict=True):
        account = found.get(account_id)
        if account is None:
            continue
        room = account.debits_posted - account.credits_posted
        cap = participant.net_debit_cap_tiyn
        result.append(CapUse(participant, room - cap, cap))
    return result
