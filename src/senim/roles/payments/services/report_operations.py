"""The sheet of single operations in a participant's report of a day."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from senim.kernel.documents.xlsx import Column, Form, Sheet
from senim.kernel.values import almaty
from senim.roles.payments.models import KIND_LABELS, STATUS_LABELS, Operation
from senim.roles.payments.rules.kinds import Kind, Status
from senim.roles.payments.services.report_data import DayReport

LISTED_MAX: Final = 20_000
"""More than so many operations nobody reads in a spreadsheet; they are read through the interface of the Centre."""


def sheets(report: DayReport, heading: str) -> list[Sheet]:
    """A sheet with every operation of the participant's day, or none where they are too many."""
    operations = of_participant(report.day.day, report.participant.pk)
    if operations[: LISTED_MAX + 1].count() > LISTED_MAX:
        return []
    return [Sheet(gettext("Operations"), heading, _columns(), _rows(operations))]


def of_participant(day: dt.date, participant: int) -> "QuerySet[Operation]":
    """Operations of a day in which the participant took part, in the order of their decisions."""
    took_part = Q(initiator_id=participant) | Q(payer_id=participant) | Q(payee_id=participant)
    return Operation.objects.filter(took_part, day=day).order_by("decided_at", "id")


def _columns() -> tuple[Column, ...]:
    return (
        Column(gettext("Time"), Form.MOMENT, 20),
        Column(gettext("Operation"), width=38),
        Column(gettext("Kind"), width=18),
        Column(gettext("Debit account"), width=24),
        Column(gettext("Credit account"), width=24),
        Column(gettext("Amount, KZT"), Form.MONEY, 18),
        Column(gettext("Outcome"), width=16),
        Column(gettext("Reason"), width=10),
        Column(gettext("End-to-end id"), width=36),
    )


def _rows(operations: "QuerySet[Operation]") -> Iterator[tuple[object, ...]]:
    for operation in operations.iterator(2_000):
        yield (
            timezone.localtime(operation.decided_at, almaty.ALMATY).replace(tzinfo=None, microsecond=0),
            str(operation.id),
            str(KIND_LABELS[Kind(operation.kind)]),
            operation.debit_account,
            operation.credit_account,
            operation.amount_tiyn,
            str(STATUS_LABELS[Status(operation.status)]),
            operation.reason,
            operation.end_to_end_id,
        )
