"""Operating days: the register, a day's close and settlement, its netting."""

import datetime as dt
from dataclasses import dataclass

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from senim.errors import SenimError
from senim.kernel import events
from senim.kernel.access.guard import background, requires
from senim.kernel.approvals.models import Approval
from senim.kernel.console import charts, delivery_pages, events_pages, formats
from senim.kernel.console.help import Help
from senim.kernel.console.people import person
from senim.kernel.console.states import State
from senim.kernel.console.words import Facts
from senim.kernel.delivery.models import Outgoing
from senim.kernel.documents import store
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.filters import Choice, Period
from senim.kernel.registers.register import Register
from senim.roles.payments import permissions
from senim.roles.payments.console import figures, labels, pictures
from senim.roles.payments.models import (
    Obligation,
    OperatingDay,
    Participant,
    ParticipantReport,
    Position,
    SettlementInstruction,
)
from senim.roles.payments.rules.kinds import DayState, InstructionState
from senim.roles.payments.services import day as service
from senim.roles.payments.services import settlement
from senim.roles.payments.services.day_state import trouble_text

FORMS = {"pdf": "application/pdf", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
HELP = Help(
    lines=(
        _(
            "A day runs from 00:00 to 24:00 in Almaty and closes by schedule. To close it by hand one person "
            "proposes and another confirms."
        ),
        _("The close goes in steps; each is kept before the next begins, so a failure in between only delays it."),
        _("Positions of all participants sum to zero: what some pay is what others receive."),
    ),
    clauses=("PS-1.1.10", "PS-7.7", "PS-9.3.7"),
)


def closed_by(row: OperatingDay) -> str:
    """Who closed the day; the schedule in words."""
    return gettext("The schedule") if row.closed_by == service.SCHEDULE else row.closed_by


REGISTER = Register(
    name="payments.days",
    namespace="console:payments",
    title=_("Operating days"),
    permission=permissions.VIEW_DAY,
    rows=OperatingDay.objects.all,
    columns=(
        Column(name="day", label=_("Operating day"), form=Form.DAY, order="pk", lead=True),
        Column(name="state", label=_("State"), state=labels.day_state),
        Column(name="operation_count", label=_("Operations"), form=Form.NUMBER, total=True),
        Column(name="operation_amount_tiyn", label=_("Sum, ₸"), form=Form.AMOUNT, total=True),
        Column(name="closed_at", label=_("Closed"), form=Form.MOMENT, nullable=True),
        Column(name="closed_by", label=_("Closed by"), value=closed_by),
        Column(name="settled_at", label=_("Settled"), form=Form.MOMENT, nullable=True),
    ),
    default_order="-day",
    filters=(
        Period(label=_("Days"), path="day"),
        Choice(
            name="state",
            label=_("State"),
            path="state",
            choices=lambda: [(s.value, labels.DAY_STATES[s].words) for s in DayState],
        ),
    ),
    address=lambda row: reverse("console:payments:day", args=[row.day]),
    empty=_("The first operating day opens by itself."),
    help=HELP,
)


@dataclass(frozen=True)
class Step:
    """One step of the close: ``tone`` is done, now, bad or empty."""

    title: object
    tone: str
    moment: dt.datetime | None
    words: object = ""


def close_steps(row: OperatingDay) -> list[Step]:
    """The close of a day, step by step, with what stops it at the step where it stands."""
    order = list(DayState)
    reached = order.index(DayState(row.state))
    told = [
        (_("Open for operations"), row.opened_at),
        (_("Closed"), row.closed_at),
        (_("Obligations netted"), row.netted_at),
        (_("Instructions sent"), row.instructed_at),
        (_("Settled finally"), row.settled_at),
        (_("Participants reported to"), row.reported_at),
    ]
    steps = []
    for index, (title, moment) in enumerate(told):
        if index <= reached:
            tone = "now" if index == reached == 0 else "done"
        elif index == reached + 1 and reached > 0:
            tone = "bad" if row.trouble else "now"
        else:
            tone = ""
        steps.append(Step(title, tone, moment, closed_by(row) if index == 1 else ""))
    return steps


@dataclass(frozen=True)
class ReportLine:
    """One report and how far its sending has come."""

    report: ParticipantReport
    state: State
    message_id: object


def _reports(row: OperatingDay) -> list[ReportLine]:
    reports = list(row.reports.select_related("participant").order_by("participant__code", "form"))
    sent = {
        message.pk: message
        for message in Outgoing.objects.filter(pk__in=[one.delivery_id for one in reports if one.delivery_id]).only(
            "state"
        )
    }
    return [
        ReportLine(
            one,
            delivery_pages.outgoing_state(sent[one.delivery_id])
            if one.delivery_id in sent
            else State("", _("Made, not sent")),
            one.delivery_id if one.delivery_id in sent else None,
        )
        for one in reports
    ]


def _instructions(row: OperatingDay) -> list[tuple[SettlementInstruction, State, str]]:
    found = row.instructions.select_related("participant").order_by("participant__code", "-attempt")
    return [
        (one, labels.instruction_state(one), labels.reason_and_code(one.reason) if one.reason else "") for one in found
    ]


def _context(request: HttpRequest, row: OperatingDay) -> dict[str, object]:
    instructions = _instructions(row)
    latest: dict[int, SettlementInstruction] = {}
    for one, _state, _words in reversed(instructions):
        latest[one.participant_id] = one
    refused = [one for one in latest.values() if one.state == InstructionState.REFUSED]
    waiting = Approval.objects.filter(
        kind=service.APPROVAL_KIND, record_id=row.day.isoformat(), state=Approval.State.WAITING
    ).first()
    sees = request.user.has_perm(permissions.VIEW_SETTLEMENT)
    totals = figures.of_day(row.day)
    return {
        "row": row,
        "state": labels.day_state(row),
        "steps": close_steps(row),
        "trouble": trouble_text(row),
        "operations": row.operation_count if row.state != DayState.OPEN else totals.accepted,
        "amount_tiyn": row.operation_amount_tiyn if row.state != DayState.OPEN else totals.amount_tiyn,
        "instructions": instructions if sees else [],
        "reports": _reports(row) if sees else [],
        "sees_settlement": sees,
        "waiting": waiting,
        "moving": row.state not in {DayState.OPEN, DayState.REPORTED},
        "may_close": row.state == DayState.OPEN and waiting is None and request.user.has_perm(permissions.CLOSE_DAY),
        "may_retry": bool(refused) and request.user.has_perm(permissions.RETRY_SETTLEMENT),
        "refused": len(refused),
        "today": formats.today(),
        "history": events_pages.history(request, "operating_day", row.day.isoformat()),
        "crumbs": [(_("Operating days"), reverse("console:payments:days")), (formats.day(row.day), None)],
        "help": HELP,
    }


@require_safe
@requires(permissions.VIEW_DAY)
def detail(request: HttpRequest, day: dt.date) -> HttpResponse:
    """One day: how far its close has come, instructions and answers, reports."""
    return render(request, "payments/day.html", _context(request, get_object_or_404(OperatingDay, pk=day)))


@require_safe
@background
@requires(permissions.VIEW_DAY)
def live(request: HttpRequest, day: dt.date) -> HttpResponse:
    """The living part of a day's page."""
    return render(request, "payments/_day_live.html", _context(request, get_object_or_404(OperatingDay, pk=day)))


@require_POST
@requires(permissions.CLOSE_DAY)
def propose_close(request: HttpRequest, day: dt.date) -> HttpResponse:
    """Put the close of the day before another person."""
    try:
        approval = service.propose_close(day, person(request))
    except SenimError as refused:
        messages.error(request, gettext(refused.message))
        return redirect("console:payments:days")
    messages.success(request, gettext("Proposed. The day stays open until another person confirms."))
    return redirect("console:approval", approval.pk)


@require_safe
@requires(permissions.CLOSE_DAY)
def close_form(request: HttpRequest, day: dt.date) -> HttpResponse:
    """Say what the close of the day does before it is proposed."""
    row = get_object_or_404(OperatingDay, pk=day)
    return render(request, "payments/day_close.html", _context(request, row))


@require_POST
@requires(permissions.RETRY_SETTLEMENT)
def retry(request: HttpRequest, day: dt.date) -> HttpResponse:
    """Send refused instructions to the settlement bank again."""
    try:
        count = settlement.retry(day, events.Actor.staff(person(request)))
    except SenimError as refused:
        messages.error(request, gettext(refused.message))
    else:
        messages.success(request, gettext("Sent again: %(count)s.") % {"count": count})
    return redirect("console:payments:day", day)


@require_safe
@requires(permissions.VIEW_SETTLEMENT)
def report(request: HttpRequest, report_id: int) -> HttpResponseBase:
    """Give a participant's report as it was made."""
    found = get_object_or_404(ParticipantReport.objects.select_related("participant"), pk=report_id)
    name = f"senim-{found.day_id:%Y-%m-%d}-{found.participant.code}.{found.form}"
    try:
        with events.act(
            "payments.report.download",
            events.Actor.staff(person(request)),
            record=("report", found.pk),
            form=found.form,
        ):
            content = store.open(found.sha256)
    except store.DocumentError as missing:
        raise Http404(missing.code) from missing
    return FileResponse(content, as_attachment=True, filename=name, content_type=FORMS[found.form])


@require_safe
@requires(permissions.VIEW_SETTLEMENT)
def netting(request: HttpRequest, day: dt.date) -> HttpResponse:
    """Who owes whom: the matrix as a picture, the positions as bars, the obligations as a table."""
    row = get_object_or_404(OperatingDay, pk=day)
    owed = figures.obligations(day)
    banks = Participant.objects.filter(pk__in={pk for pair in owed for pk in pair if pk}).order_by("code")
    picture = pictures.matrix(banks, owed)
    highest = max((abs(one.net_tiyn) for one in picture.rows), default=0)
    context = {
        "row": row,
        "state": labels.day_state(row),
        "matrix": picture,
        "positions": [
            (one, picture.owed_tiyn[index], charts.signed_bar(one.net_tiyn, highest))
            for index, one in enumerate(picture.rows)
        ],
        "final": Position.objects.filter(day=row).exists(),
        "pays_tiyn": sum(max(0, -one.net_tiyn) for one in picture.rows),
        "obligations_url": reverse("console:payments:obligations") + f"?day_from={day}&day_to={day}",
        "crumbs": [
            (_("Operating days"), reverse("console:payments:days")),
            (formats.day(day), reverse("console:payments:day", args=[day])),
            (_("Netting"), None),
        ],
        "help": HELP,
    }
    return render(request, "payments/netting.html", context)


@require_safe
@requires(permissions.VIEW_SETTLEMENT)
def netting_now(request: HttpRequest) -> HttpResponse:
    """Lead to the netting of the day that now runs."""
    del request
    latest = (
        OperatingDay.objects.filter(state=DayState.OPEN).order_by("day").first()
        or OperatingDay.objects.order_by("-day").first()
    )
    return redirect("console:payments:netting", latest.day) if latest else redirect("console:payments:days")


OBLIGATIONS = Register(
    name="payments.obligations",
    namespace="console:payments",
    title=_("Obligations"),
    permission=permissions.VIEW_SETTLEMENT,
    rows=lambda: Obligation.objects.select_related("payer", "payee"),
    columns=(
        Column(name="day", label=_("Operating day"), form=Form.DAY, value=lambda row: row.day_id),
        Column(
            name="payer",
            label=_("Owes"),
            value=lambda row: row.payer.name,
            order=lambda: f"payer__{labels.name_field()}",
            lead=True,
        ),
        Column(
            name="payee",
            label=_("To whom"),
            value=lambda row: row.payee.name,
            order=lambda: f"payee__{labels.name_field()}",
        ),
        Column(name="operations", label=_("Operations"), form=Form.NUMBER, total=True),
        Column(name="amount_tiyn", label=_("Sum, ₸"), form=Form.AMOUNT, total=True),
    ),
    default_order="-day",
    filters=(Period(label=_("Operating days"), path="day_id"),),
    address=lambda row: reverse("console:payments:netting", args=[row.day_id]),
    empty=_("Obligations are kept here when a day is closed and netted."),
    help=HELP,
)

INSTRUCTIONS = Register(
    name="payments.instructions",
    namespace="console:payments",
    title=_("Settlement"),
    permission=permissions.VIEW_SETTLEMENT,
    rows=lambda: SettlementInstruction.objects.select_related("participant"),
    columns=(
        Column(name="sent_at", label=_("Sent"), form=Form.MOMENT),
        Column(
            name="participant",
            label=_("Participant"),
            value=lambda row: row.participant.name,
            order=lambda: f"participant__{labels.name_field()}",
            lead=True,
        ),
        Column(name="net_tiyn", label=_("Net position, ₸"), form=Form.AMOUNT, total=True),
        Column(
            name="state",
            label=_("State"),
            state=labels.instruction_state,
            note=lambda row: labels.reason_and_code(row.reason) if row.reason else "",
        ),
        Column(name="attempt", label=_("Attempt"), form=Form.NUMBER),
        Column(name="answered_at", label=_("Answered"), form=Form.MOMENT, nullable=True),
        Column(name="instruction_id", label=_("Instruction"), form=Form.CODE),
        Column(name="day", label=_("Operating day"), form=Form.DAY, value=lambda row: row.day_id),
    ),
    default_order="-sent_at",
    filters=(
        Period(label=_("Operating days"), path="day_id"),
        Choice(
            name="state",
            label=_("State"),
            path="state",
            choices=lambda: [(s.value, labels.INSTRUCTION_STATES[s].words) for s in InstructionState],
        ),
    ),
    search=lambda rows, text: rows.filter(instruction_id=text) | rows.filter(message_id=text),
    search_hint=_("Instruction or message"),
    address=lambda row: reverse("console:payments:day", args=[row.day_id]),
    empty=_("Instructions to the settlement bank appear here when a day is closed."),
    help=HELP,
)


def approval_subject(approval: Approval) -> str:
    """The day as the reader's language writes it."""
    return formats.day(dt.date.fromisoformat(approval.record_id))


def approval_facts(approval: Approval) -> Facts:
    """What is decided about the close of a day."""
    day = dt.date.fromisoformat(approval.record_id)
    today = figures.of_day(day)
    return [
        (_("Operating day"), formats.day_long(day)),
        (_("Operations carried out"), formats.number(today.accepted)),
        (_("Sum"), formats.amount(today.amount_tiyn)),
        (_("Refusals"), formats.number(today.refused)),
    ]
