"""What a participant's report of a day says, taken from the recorded operations and the day's settlement.

One aggregate over the day's operations serves the reports of all participants.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db import connection

from senim.roles.payments.models import Obligation, OperatingDay, Participant, Position, SettlementInstruction
from senim.roles.payments.rules.kinds import Kind, Status

TOTALS_SQL: Final = """
    SELECT kind, status, reason, initiator_id, payer_id, payee_id, count(*), sum(amount_tiyn)::bigint
      FROM payments_operation
     WHERE day = %(day)s
     GROUP BY kind, status, reason, initiator_id, payer_id, payee_id
"""


@dataclass(frozen=True, slots=True)
class OperationTotal:
    """Operations of a day that agree in all of these; participants are primary keys, None where not known."""

    kind: int
    status: int
    reason: str
    initiator: int
    payer: int | None
    payee: int | None
    operations: int
    amount_tiyn: int


@dataclass(frozen=True, slots=True)
class KindLine:
    """Operations of one kind, carried out, of which the participant is the payer's or the payee's bank."""

    kind: Kind
    as_payer: int
    as_payer_tiyn: int
    as_payee: int
    as_payee_tiyn: int


@dataclass(frozen=True, slots=True)
class RefusalLine:
    """Operations that the participant initiated and that were refused for one reason."""

    reason: str
    operations: int
    amount_tiyn: int


@dataclass(frozen=True, slots=True)
class CounterpartyLine:
    """What the participant and another one owe each other."""

    counterparty: Participant
    owes_tiyn: int
    owed_tiyn: int


@dataclass(frozen=True, slots=True)
class DayReport:
    """One participant's day."""

    day: OperatingDay
    participant: Participant
    kinds: tuple[KindLine, ...]
    refusals: tuple[RefusalLine, ...]
    counterparties: tuple[CounterpartyLine, ...]
    net_tiyn: int
    instruction: SettlementInstruction | None


def totals_of_day(day: dt.date) -> list[OperationTotal]:
    """All operations of the day, added up."""
    with connection.cursor() as cursor:
        cursor.execute(TOTALS_SQL, {"day": day})
        return [OperationTotal(*row) for row in cursor.fetchall()]


def build(row: OperatingDay, participant: Participant, totals: Iterable[OperationTotal]) -> DayReport:
    """The report of one participant, from the totals of the whole day."""
    totals = list(totals)
    position = Position.objects.filter(day=row, participant=participant).first()
    instruction = SettlementInstruction.objects.filter(day=row, participant=participant).order_by("-attempt").first()
    return DayReport(
        day=row,
        participant=participant,
        kinds=tuple(_kind_line(kind, participant.pk, totals) for kind in Kind),
        refusals=_refusals(participant.pk, totals),
        counterparties=_counterparties(row, participant),
        net_tiyn=position.net_tiyn if position else 0,
        instruction=instruction,
    )


def _kind_line(kind: Kind, participant: int, totals: list[OperationTotal]) -> KindLine:
    done = [total for total in totals if total.kind == kind and total.status == Status.ACCEPTED]
    as_payer = [total for total in done if total.payer == participant]
    as_payee = [total for total in done if total.payee == participant]
    return KindLine(
        kind,
        sum(total.operations for total in as_payer),
        sum(total.amount_tiyn for total in as_payer),
        sum(total.operations for total in as_payee),
        sum(total.amount_tiyn for total in as_payee),
    )


def _refusals(participant: int, totals: list[OperationTotal]) -> tuple[RefusalLine, ...]:
    count: defaultdict[str, int] = defaultdict(int)
    amount_tiyn: defaultdict[str, int] = defaultdict(int)
    for total in totals:
        if total.status == Status.REFUSED and total.initiator == participant:
            count[total.reason] += total.operations
            amount_tiyn[total.reason] += total.amount_tiyn
    return tuple(RefusalLine(reason, count[reason], amount_tiyn[reason]) for reason in sorted(count))


def _counterparties(row: OperatingDay, participant: Participant) -> tuple[CounterpartyLine, ...]:
    owes: dict[int, int] = {}
    owed: dict[int, int] = {}
    for obligation in Obligation.objects.filter(day=row):
        if obligation.payer_id == participant.pk:
            owes[obligation.payee_id] = obligation.amount_tiyn
        elif obligation.payee_id == participant.pk:
            owed[obligation.payer_id] = obligation.amount_tiyn
    others = Participant.objects.filter(pk__in=owes.keys() | owed.keys()).order_by("code")
    return tuple(CounterpartyLine(other, owes.get(other.pk, 0), owed.get(other.pk, 0)) for other in others)
