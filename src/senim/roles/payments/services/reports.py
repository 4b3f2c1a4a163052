"""Reports of a day for the participants: made, kept, and sent, each sending on record (PS-9.3.7, EM-55.6, PO-34.6).

A report is made from the recorded operations alone, without anybody's counting, as PDF for people and as XLSX for
further work. The same day makes the same bytes, so a report that is made again after a crash is the same document.
"""

import datetime as dt
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation

from senim.errors import BadInput
from senim.kernel import delivery, events
from senim.kernel.delivery.models import Outgoing, Peer
from senim.kernel.documents import store
from senim.roles.payments.models import OperatingDay, Participant, ParticipantReport
from senim.roles.payments.rules.kinds import DayState
from senim.roles.payments.services import report_data, report_forms
from senim.roles.payments.services.day_state import DayError, lock

DELIVERY_KIND: Final = "report"
CONTENT_TYPES: Final = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class ReportNotSendable(DayError, BadInput):
    """The participant is no delivery peer: its reports can be downloaded only."""

    code = "payments.report_not_sendable"


def report(day: dt.date, actor: events.Actor) -> None:
    """Make and send the reports of a settled day to every participant, and call the day reported.

    One transaction for each participant: a run that was killed goes on with those who have none yet.
    """
    row = OperatingDay.objects.get(pk=day)
    if row.state != DayState.SETTLED:
        return
    have = set(ParticipantReport.objects.filter(day=row).values_list("participant_id", flat=True))
    missing = [participant for participant in recipients() if participant.pk not in have]
    totals = report_data.totals_of_day(day) if missing else []
    for participant in missing:
        report_to(row, participant, totals, actor)
    _finish(day, actor)


def recipients() -> list[Participant]:
    """Every participant that works in the System or has worked in it, the settlement bank aside."""
    states = [Participant.State.ACTIVE, Participant.State.SUSPENDED]
    return list(Participant.objects.filter(role=Participant.Role.BANK, state__in=states).order_by("code"))


@transaction.atomic
def report_to(
    row: OperatingDay, participant: Participant, totals: list[report_data.OperationTotal], actor: events.Actor
) -> list[ParticipantReport]:
    """Make, keep and send one participant's reports; those that exist already are left as they are."""
    locked = lock(row.day)
    if ParticipantReport.objects.filter(day=locked, participant=participant).exists():
        return []
    peer = Peer.objects.filter(code=participant.peer_code, active=True).first()
    made = []
    with events.act(
        "payments.report.send", actor, record=("participant", participant.code), operating_day=row.day
    ) as act:
        content = report_data.build(locked, participant, totals)
        with translation.override(settings.LANGUAGE_CODE):
            documents = {"pdf": report_forms.pdf_bytes(content), "xlsx": report_forms.xlsx_bytes(content)}
        for form, document in documents.items():
            made.append(_keep_and_send(locked, participant, peer, form, document))
        act.data.update(day=row.day.isoformat(), sent=peer is not None, sha256=[report.sha256 for report in made])
    return made


def _keep_and_send(
    row: OperatingDay, participant: Participant, peer: Peer | None, form: str, document: bytes
) -> ParticipantReport:
    stored = store.put_bytes(document)
    sent = _send(peer, row.day, participant.code, form, document) if peer else None
    return ParticipantReport.objects.create(
        day=row,
        participant=participant,
        form=form,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        made_at=timezone.now(),
        delivery_id=sent.id if sent else None,
    )


def _send(peer: Peer, day: dt.date, participant_code: str, form: str, document: bytes) -> Outgoing:
    return delivery.send(
        peer,
        DELIVERY_KIND,
        document,
        filename=report_forms.filename(day, participant_code, form),
        content_type=CONTENT_TYPES[form],
        conversation=f"report/{day.isoformat()}",
    )


@transaction.atomic
def _finish(day: dt.date, actor: events.Actor) -> None:
    """Call the day reported when nobody is without its reports."""
    row = lock(day)
    have = set(ParticipantReport.objects.filter(day=row).values_list("participant_id", flat=True))
    if row.state != DayState.SETTLED or any(participant.pk not in have for participant in recipients()):
        return
    with events.act("payments.day.report", actor, record=("operating_day", day.isoformat()), operating_day=day):
        row.state, row.reported_at = DayState.REPORTED.value, timezone.now()
        row.save(update_fields=["state", "reported_at"])


@transaction.atomic
def resend(day: dt.date, participant: Participant, actor: events.Actor) -> int:
    """Send a participant's reports of a day once more, as they are in the store; return how many.

    Raises:
        ReportNotSendable: the participant is no delivery peer.
    """
    peer = Peer.objects.filter(code=participant.peer_code, active=True).first()
    if peer is None:
        raise ReportNotSendable(participant=participant.code)
    kept = list(ParticipantReport.objects.select_for_update().filter(day_id=day, participant=participant))
    record = ("participant", participant.code)
    with events.act("payments.report.resend", actor, record=record, operating_day=day, reports=len(kept)):
        for report_row in kept:
            sent = _send(peer, day, participant.code, report_row.form, store.read(report_row.sha256))
            report_row.delivery_id = sent.id
            report_row.save(update_fields=["delivery_id"])
    return len(kept)


def send_unsent(actor: events.Actor) -> int:
    """Send every report that was made while its participant was no delivery peer and is one now; return how many."""
    unsent = ParticipantReport.objects.filter(delivery_id__isnull=True).select_related("participant")
    reachable = set(Peer.objects.filter(active=True).values_list("code", flat=True))
    pairs = {(row.day_id, row.participant) for row in unsent if row.participant.peer_code in reachable}
    return sum(resend(day, participant, actor) for day, participant in pairs)
