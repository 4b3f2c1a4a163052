"""The operating day: opened, closed by schedule or by two people, netted, and carried on to its reports.

Each step is one transaction that begins by locking the day (see ``day_state``). ``advance`` goes on from wherever the
day stands, so a close that was killed at any point is finished by running it again.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Final

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils import timezone

from senim.errors import SenimError
from senim.kernel import approvals, events
from senim.kernel.access.models import Staff
from senim.kernel.approvals.models import Approval
from senim.kernel.values import almaty
from senim.roles.payments import permissions
from senim.roles.payments.models import Obligation, OperatingDay, Participant, Position
from senim.roles.payments.rules import netting, operating_day
from senim.roles.payments.rules.kinds import DayState
from senim.roles.payments.services import clearing_movements, obligations, reports, settlement
from senim.roles.payments.services.accounts import raw_connection
from senim.roles.payments.services.centre_lock import hold_centre
from senim.roles.payments.services.day_state import (
    DayDoesNotBalance,
    DayNotBegun,
    DayNotOpen,
    DayNotOver,
    DayUnknown,
    lock,
    note_trouble,
)

APPROVAL_KIND: Final = "payments.close_day"
SCHEDULE: Final = "schedule"
"""``closed_by`` of a day that nobody closed by hand."""


def open_days(now: dt.datetime) -> None:
    """Make sure that the days which operations arriving about ``now`` belong to are there. Harmless to repeat."""
    for day in operating_day.days_to_open(now):
        _open(day, now)


def _open(day: dt.date, now: dt.datetime) -> None:
    # A conflict is another process that opened the day at the same moment: get_or_create takes its row then.
    OperatingDay.objects.get_or_create(day=day, defaults={"opened_at": now, "state": DayState.OPEN.value})


@transaction.atomic
def propose_close(day: dt.date, maker: Staff, now: dt.datetime | None = None) -> Approval:
    """Put the close of an open day, over or not, before a second person (PS-3.1.1).

    Raises:
        PermissionDenied: the maker may not propose this.
        DayUnknown, DayNotBegun, DayNotOpen: there is nothing to close.
    """
    if not maker.has_perm(permissions.CLOSE_DAY):
        raise PermissionDenied(permissions.CLOSE_DAY)
    row = lock(day)
    _check_closable(row, now or timezone.now())
    return approvals.propose(
        APPROVAL_KIND, maker=maker, record=("operating_day", day.isoformat()), title=day.isoformat()
    )


@approvals.handler(APPROVAL_KIND)
class CloseDayApproval:
    """What the second person's word does: the day closes in the same transaction, the job carries it on."""

    permission = permissions.CONFIRM_CLOSE_DAY

    @staticmethod
    def on_approve(approval: Approval, checker: Staff) -> None:
        """Close the day in the name of both."""
        closed_by = f"{approval.maker.full_name}, {checker.full_name}"
        close(dt.date.fromisoformat(approval.record_id), closed_by=closed_by, actor=events.Actor.staff(checker))

    @staticmethod
    def on_refuse(approval: Approval, checker: Staff) -> None:
        """The day stays open; the decision itself is on record."""


@transaction.atomic
def close(day: dt.date, *, closed_by: str, actor: events.Actor, now: dt.datetime | None = None) -> OperatingDay:
    """Close an open day and open the next one, so that at no moment there is no day to belong to (PS-3.1.1).

    Takes the Centre's lock before the day's row, as its batches do: it waits for one batch, and the next batch finds
    the next day open.

    Raises:
        DayUnknown, DayNotBegun, DayNotOpen: there is nothing to close.
    """
    moment = now or timezone.now()
    hold_centre(raw_connection())
    row = lock(day)
    _check_closable(row, moment)
    record = ("operating_day", day.isoformat())
    with events.act("payments.day.close", actor, record=record, operating_day=day, closed_by=closed_by):
        row.state, row.closed_at, row.closed_by = DayState.CLOSED.value, moment, closed_by
        row.save(update_fields=["state", "closed_at", "closed_by"])
        _open(operating_day.day_after(day, moment), moment)
    return row


def _check_closable(row: OperatingDay, now: dt.datetime) -> None:
    if row.state != DayState.OPEN:
        raise DayNotOpen(day=row.day.isoformat(), state=row.state)
    if now < almaty.begins_at(row.day):
        raise DayNotBegun(day=row.day.isoformat())


def close_due(now: dt.datetime, close_time: str, actor: events.Actor) -> list[dt.date]:
    """Close every open day that is over by the clock, oldest first; return those this call closed (PS-4.1)."""
    closed = []
    open_rows = OperatingDay.objects.filter(state=DayState.OPEN.value).order_by("day")
    for day in list(open_rows.values_list("day", flat=True)):
        if operating_day.is_over(day, close_time, now):
            try:
                close(day, closed_by=SCHEDULE, actor=actor, now=now)
            except DayNotOpen:
                continue  # another process was first
            closed.append(day)
    return closed


def close_over(day: dt.date, close_time: str, actor: events.Actor, now: dt.datetime) -> None:
    """Close one day as the schedule would.

    Raises:
        DayNotOver: it is not over: only two people may close it early.
        DayUnknown, DayNotOpen: there is nothing to close.
    """
    if not OperatingDay.objects.filter(pk=day).exists():
        raise DayUnknown(day=day.isoformat())
    if not operating_day.is_over(day, close_time, now):
        raise DayNotOver(day=day.isoformat(), closes_at=operating_day.closes_at(day, close_time).isoformat())
    close(day, closed_by=SCHEDULE, actor=actor, now=now)


@transaction.atomic
def net(day: dt.date, actor: events.Actor) -> None:
    """Add up the day's obligations, check them against the ledger, and keep the positions (PS-7.7).

    Raises:
        DayDoesNotBalance: operations and clearing accounts differ; nothing is kept, so nothing can be sent.
    """
    row = lock(day)
    if row.state != DayState.CLOSED:
        return
    with events.act("payments.day.net", actor, record=("operating_day", day.isoformat()), operating_day=day) as act:
        with connection.cursor() as cursor:
            pairs = obligations.of_day(cursor, day)
        participants = {participant.pk: participant for participant in Participant.objects.all()}
        between = [pair for pair in pairs if pair.is_interbank]
        result = netting.net(
            {(participants[pair.payer].code, participants[pair.payee].code): pair.amount_tiyn for pair in between}
        )
        check_against_ledger(day, participants.values(), result)
        _keep(row, pairs, result, {participant.code: participant for participant in participants.values()})
        act.data.update(operations=row.operation_count, gross_tiyn=result.gross_tiyn, settled_tiyn=result.settled_tiyn)


def _keep(
    row: OperatingDay, pairs: list[obligations.PairTotal], result: netting.Netting, by_code: dict[str, Participant]
) -> None:
    Obligation.objects.bulk_create(
        Obligation(
            day=row, payer_id=pair.payer, payee_id=pair.payee, operations=pair.operations, amount_tiyn=pair.amount_tiyn
        )
        for pair in pairs
        if pair.is_interbank
    )
    Position.objects.bulk_create(
        Position(
            day=row,
            participant=by_code[position.participant],
            owed_tiyn=position.owed_tiyn,
            owes_tiyn=position.owes_tiyn,
            net_tiyn=position.net_tiyn,
        )
        for position in result.positions
    )
    row.operation_count = sum(pair.operations for pair in pairs)
    row.operation_amount_tiyn = sum(pair.amount_tiyn for pair in pairs)
    row.state, row.netted_at, row.trouble = DayState.NETTED.value, timezone.now(), ""
    row.save(update_fields=["operation_count", "operation_amount_tiyn", "state", "netted_at", "trouble"])


def check_against_ledger(day: dt.date, participants: Iterable[Participant], result: netting.Netting) -> None:
    """Compare each net position with what the participant's clearing account moved by on that day (PS-9.3.6).

    Two records of the same money, made by different code: the operations, and the ledger's postings.

    Raises:
        DayDoesNotBalance: naming the first participant that differs, and both sums.
    """
    banks = sorted(participants, key=lambda participant: participant.code)
    moved = clearing_movements.of_day(day, [participant.bank_code for participant in banks])
    positions = {position.participant: position.net_tiyn for position in result.positions}
    for participant in banks:
        by_operations, by_ledger = positions.get(participant.code, 0), moved[participant.bank_code]
        if by_operations != by_ledger:
            raise DayDoesNotBalance(
                participant=participant.code, operations_tiyn=by_operations, ledger_tiyn=by_ledger, day=day.isoformat()
            )


STEPS: Final[dict[DayState, Callable[[dt.date, events.Actor], None]]] = {
    DayState.CLOSED: net,
    DayState.NETTED: settlement.instruct,
    DayState.INSTRUCTED: settlement.follow_up,
    DayState.SETTLED: reports.report,
}


def advance(day: dt.date, actor: events.Actor) -> DayState:
    """Carry a closed day on as far as it goes now; return the state it has come to.

    What stops it stays on the day as its trouble, for people to see.

    Raises:
        DayUnknown: there is no such day.
        SenimError: the close cannot go on by itself; mostly a CloseStopped, which says what people have to do.
    """
    while True:
        before = state_of(day)
        step = STEPS.get(before)
        if step is None:
            return before
        try:
            step(day, actor)
        except SenimError as stopped:
            note_trouble(day, stopped)
            raise
        after = state_of(day)
        if after == before:
            return after


def state_of(day: dt.date) -> DayState:
    """The state of a day as committed. Raises DayUnknown."""
    state = OperatingDay.objects.filter(pk=day).values_list("state", flat=True).first()
    if state is None:
        raise DayUnknown(day=day.isoformat())
    return DayState(state)


def unfinished() -> list[dt.date]:
    """Closed days whose reports are not out yet, oldest first."""
    done = [DayState.OPEN.value, DayState.REPORTED.value]
    return list(OperatingDay.objects.exclude(state__in=done).order_by("day").values_list("day", flat=True))
