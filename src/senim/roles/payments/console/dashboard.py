"""The first page: is all well today, and what must be done next."""

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from senim.kernel.access.guard import background, requires
from senim.kernel.approvals.models import Approval
from senim.kernel.console import approvals_pages, formats, words
from senim.kernel.console.help import Help
from senim.kernel.console.states import State
from senim.kernel.delivery.models import Outgoing
from senim.roles.payments import permissions
from senim.roles.payments.console import figures, labels, pictures
from senim.roles.payments.models import MessageFile, OperatingDay, Operation, Participant
from senim.roles.payments.rules import operating_day
from senim.roles.payments.rules.kinds import DayState, FileState
from senim.roles.payments.services.day_state import trouble_text

LATEST_ROWS = 8
REASONS_SHOWN = 5
CAP_NOTICE_SHARE = 0.7
HELP = Help(
    lines=(
        gettext_lazy("The page renews itself every few seconds while you look at it."),
        gettext_lazy(
            "The curve counts by the time of arrival at the Centre; the running minute stands at its pace "
            "so far. The dashed line is yesterday."
        ),
        gettext_lazy("In the matrix the row owes the column, before offsetting. Colour grows with the sum."),
        gettext_lazy("An answer's time runs from the arrival of the request to the decision, committed."),
    ),
    clauses=("PS-1.1.10", "PS-7.7"),
)


@dataclass(frozen=True)
class Attention:
    """Something that waits for a person."""

    title: str
    under: str
    state: State
    address: str


def current_day() -> OperatingDay | None:
    """The earliest day that is still open, else the latest there is."""
    return (
        OperatingDay.objects.filter(state=DayState.OPEN).order_by("day").first()
        or OperatingDay.objects.order_by("-day").first()
    )


def attention(request: HttpRequest, participants: list[Participant]) -> list[Attention]:
    """What needs a person, gravest first."""
    found = [*_stopped_days(), *_dead_messages(request), *_caps(participants), *_approvals(request), *_refused_files()]
    rank = {"bad": 0, "warn": 1, "calm": 2}
    return sorted(found, key=lambda one: rank.get(one.state.tone, 3))[:8]


def _stopped_days() -> list[Attention]:
    return [
        Attention(
            _("Close of %(day)s is stopped") % {"day": formats.day(row.day)},
            trouble_text(row),
            State("bad", _("now")),
            reverse("console:payments:day", args=[row.day]),
        )
        for row in OperatingDay.objects.exclude(trouble="").exclude(state=DayState.REPORTED).order_by("day")[:3]
    ]


def _dead_messages(request: HttpRequest) -> list[Attention]:
    if not request.user.has_perm("delivery.view"):
        return []
    count = Outgoing.objects.filter(state=Outgoing.State.DEAD).count()
    if not count:
        return []
    address = reverse("console:outgoing") + "?state=dead"
    return [Attention(_("Messages not delivered"), _("Send them again"), State("bad", formats.number(count)), address)]


def _caps(participants: list[Participant]) -> list[Attention]:
    return [
        Attention(
            use.participant.name,
            _("Net debit cap used"),
            State(use.tone or "warn", formats.percent(use.share, 1, 0)),
            reverse("console:payments:participant", args=[use.participant.code]),
        )
        for use in figures.cap_uses(participants)
        if use.share >= CAP_NOTICE_SHARE
    ]


def _approvals(request: HttpRequest) -> list[Attention]:
    if not request.user.has_perm("approvals.view"):
        return []
    waiting = Approval.objects.filter(state=Approval.State.WAITING).select_related("maker").order_by("made_at")[:4]
    return [
        Attention(
            f"{words.act_label(one.kind)}: {words.subject(one)}",
            _("Proposed by %(person)s") % {"person": one.maker.full_name},
            State("calm", formats.span((timezone.now() - one.made_at).total_seconds())),
            reverse("console:approval", args=[one.pk]),
        )
        for one in waiting
    ]


def _refused_files() -> list[Attention]:
    since = timezone.now() - dt.timedelta(hours=24)
    refused = (
        MessageFile.objects.filter(state=FileState.REFUSED, direction=MessageFile.Direction.IN, received_at__gte=since)
        .select_related("participant")
        .order_by("-received_at")[:3]
    )
    return [
        Attention(
            _("File refused: %(name)s") % {"name": one.name or one.message_id},
            f"{one.participant.name} · {labels.reason(one.reason)}",
            State("warn", formats.clock(one.received_at)),
            reverse("console:payments:file", args=[one.pk]),
        )
        for one in refused
    ]


def _curves(request: HttpRequest, day: OperatingDay, today: figures.DayFigures) -> dict[str, object]:
    now = formats.local(timezone.now())
    # A day that was opened early, by the close of the one before, is running too.
    running = day.state == DayState.OPEN and day.day >= now.date()
    usual = figures.of_day(day.day - dt.timedelta(days=1)).by_minute
    window = request.GET.get("window", "")

    def drawn(*, narrow: bool) -> pictures.DayCurve:
        return pictures.day_curve(
            today.by_minute,
            today.refused_by_minute,
            usual,
            now_second=(now.hour * 60 + now.minute) * 60 + now.second if running else None,
            asked_window=window,
            narrow=narrow,
        )

    return {"wide": drawn(narrow=False), "narrow": drawn(narrow=True), "running": running, "asked_window": window}


def _context(request: HttpRequest) -> dict[str, object]:
    day = current_day()
    if day is None:
        return {"day": None, "help": HELP}
    today = figures.of_day(day.day)
    active = Participant.objects.filter(state=Participant.State.ACTIVE).order_by("code")
    participants = list(active)
    ends = operating_day.closes_at(day.day, settings.SENIM_DAY_CLOSE)
    amount, unit = formats.short_amount(today.amount_tiyn)
    top_reason = next(iter(today.reasons.items()), None)
    latest = Operation.objects.filter(day=day.day).order_by("-pk")[:LATEST_ROWS] if _sees_operations(request) else []
    return {
        "day": day,
        "state": labels.day_state(day),
        "seconds_left": (ends - timezone.now()).total_seconds() if day.state == DayState.OPEN else 0,
        "today": today,
        "amount": amount,
        "unit": unit,
        "mean_tiyn": today.amount_tiyn // today.accepted if today.accepted else None,
        "top_reason": (labels.reason(top_reason[0]), top_reason[1]) if top_reason else None,
        "reasons": [(labels.reason(code), code, count) for code, count in list(today.reasons.items())[:REASONS_SHOWN]],
        "matrix": pictures.matrix(
            [one for one in participants if one.role == Participant.Role.BANK], figures.obligations(day.day)
        ),
        "latest": [(row, labels.kind(row), labels.status(row), labels.reason(row.reason)) for row in latest],
        "attention": attention(request, participants),
        "close_waits": Approval.objects.filter(
            kind="payments.close_day", state=Approval.State.WAITING, record_id=day.day.isoformat()
        ).first(),
        "may_close": day.state == DayState.OPEN and request.user.has_perm(permissions.CLOSE_DAY),
        "sees_operations": _sees_operations(request),
        "waiting": approvals_pages.waiting_for(request),
        "help": HELP,
        **_curves(request, day, today),
    }


def _sees_operations(request: HttpRequest) -> bool:
    return request.user.has_perm(permissions.VIEW_OPERATIONS)


@require_safe
@requires(permissions.VIEW_DAY)
def page(request: HttpRequest) -> HttpResponse:
    """The dashboard."""
    return render(request, "payments/dashboard.html", _context(request))


@require_safe
@background
@requires(permissions.VIEW_DAY)
def live(request: HttpRequest) -> HttpResponse:
    """Its living part alone; nothing changes on the page while there is no day."""
    context = _context(request)
    return render(request, "payments/_live.html", context) if context["day"] else HttpResponse(status=204)
