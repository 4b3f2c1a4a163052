"""What would become of a file whose sender takes no part in the System: each transaction judged, nothing recorded."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field

from django.utils import timezone

from senim.roles.payments.messages import check, stream
from senim.roles.payments.messages.errors import Place, Problem
from senim.roles.payments.messages.values import CreditTransfer, Group
from senim.roles.payments.models import OperatingDay, Participant
from senim.roles.payments.rules import file_transfers
from senim.roles.payments.rules.kinds import DayState
from senim.roles.payments.rules.reasons import Reason

LISTED_MAX = 1_000


def bank_codes() -> dict[str, str]:
    """The bank code of each participant by the institution's part of its BIC."""
    return {file_transfers.institution(bic): code for bic, code in Participant.objects.values_list("bic", "bank_code")}


def open_days() -> list[dt.date]:
    """The operating days that are open."""
    return list(OperatingDay.objects.filter(state=DayState.OPEN.value).values_list("day", flat=True))


def sender_of(bic: str) -> Participant | None:
    """The participant that this BIC, with or without a branch, belongs to."""
    institution = file_transfers.institution(bic)
    return Participant.objects.filter(bic__istartswith=institution).first() if bic else None


@dataclass(slots=True)
class Assessment:
    """The inspection of a file and a reason against each of its transactions, of which the first are listed."""

    inspection: check.Inspection
    reasons: Counter[str] = field(default_factory=Counter)
    listed: list[dict[str, object]] = field(default_factory=list)


def assess(source: stream.Readable) -> Assessment:
    """Judge a file of an unknown sender: all its transactions are refused, for their own reason or for the sender's."""
    now = timezone.now()
    banks, days = bank_codes(), file_transfers.settlement_days(now, open_days())
    assessment = Assessment(check.Inspection())

    def take(group: Group, transfer: CreditTransfer) -> None:
        terms = file_transfers.Terms(0, group, now, banks, days)
        reason = file_transfers.request_of(transfer, terms).objection or Reason.BANK_IDENTIFIER_INCORRECT.value
        assessment.reasons[reason] += 1
        if len(assessment.listed) < LISTED_MAX:
            entry = {"index": transfer.index, "line": transfer.line, "end_to_end_id": transfer.end_to_end_id}
            assessment.listed.append({**entry, "reason": reason})

    assessment.inspection = check.inspect(source, take=take)
    found = assessment.inspection
    if found.valid:
        text = f"The sender {found.sender_bic or 'is not named, and'} is no participant of the System."
        line = found.group.line if found.group else None
        found.problems.append(Problem(Reason.BANK_IDENTIFIER_INCORRECT.value, text, Place(line, "GrpHdr/InstgAgt")))
    return assessment
