"""The register of events and the page of one: the six attributes of EM-55.11."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from senim.kernel.access.guard import requires
from senim.kernel.console import words
from senim.kernel.console.help import Help
from senim.kernel.console.states import State
from senim.kernel.events.models import Event, Seal
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.filters import Choice, Period
from senim.kernel.registers.register import Register

HISTORY_ROWS = 8
OUTCOMES = {
    Event.Outcome.SUCCEEDED: State("good", Event.Outcome.SUCCEEDED.label),
    Event.Outcome.REFUSED: State("warn", Event.Outcome.REFUSED.label),
    Event.Outcome.FAILED: State("bad", Event.Outcome.FAILED.label),
}


def outcome(row: Event) -> State:
    """How an event ended, as a tag."""
    return OUTCOMES[Event.Outcome(row.outcome)]


def search(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    """By the person, the record, or the name of the event in the reader's words."""
    named = [name for name, label in words.event_names() if text.lower() in str(label).lower()]
    return rows.filter(
        Q(actor_label__icontains=text) | Q(record_id=text) | Q(name__in=named) | Q(name__istartswith=text)
    )


HELP = Help(
    lines=(
        _(
            "Every act of people, programs and other organisations leaves an event here: who, what, on "
            "which record, when it began and ended, and how."
        ),
        _(
            "Events are only ever added. Each is linked to the one before it by its digest, so a changed "
            "or missing event is found."
        ),
    ),
    clauses=("EM-55.11",),
)

REGISTER = Register(
    name="console.events",
    title=_("Events"),
    permission="events.view",
    rows=Event.objects.all,
    columns=(
        Column(name="began_at", label=_("Began"), form=Form.MOMENT),
        Column(name="name", label=_("Event"), value=lambda row: words.event(row.name), lead=True),
        Column(
            name="actor_label",
            label=_("User"),
            value=words.actor,
            note=lambda row: "" if row.actor_kind == "staff" else row.get_actor_kind_display(),
        ),
        Column(
            name="record_id",
            label=_("Record"),
            note=lambda row: words.record(row.record_type),
            address=lambda row: words.record_address(row.record_type, row.record_id),
        ),
        Column(name="ended_at", label=_("Ended"), form=Form.MOMENT),
        Column(name="outcome", label=_("Result"), state=outcome),
        Column(name="operating_day", label=_("Operating day"), form=Form.DAY, nullable=True),
    ),
    default_order="-began_at",
    filters=(
        Period(label=_("Days"), path="began_at", of_moments=True),
        Choice(name="name", label=_("Event"), path="name", choices=words.event_names),
        Choice(name="outcome", label=_("Result"), path="outcome", choices=lambda: Event.Outcome.choices),
        Choice(name="actor", label=_("Kind of user"), path="actor_kind", choices=lambda: Event.ActorKind.choices),
        Choice(name="record", label=_("Kind of record"), path="record_type", choices=words.record_types),
    ),
    search=search,
    search_hint=_("Person, record or event"),
    address=lambda row: reverse("console:event", args=[row.pk]),
    empty=_("Events appear here as people and programs act."),
    help=HELP,
)


@require_safe
@requires("events.view")
def detail(request: HttpRequest, event_id: int) -> HttpResponse:
    """One event whole."""
    event = get_object_or_404(Event, pk=event_id)
    context = {
        "event": event,
        "name": words.event(event.name),
        "actor": words.actor(event),
        "record": words.record(event.record_type),
        "record_address": words.record_address(event.record_type, event.record_id),
        "outcome": outcome(event),
        "seconds": (event.ended_at - event.began_at).total_seconds(),
        "milliseconds": int((event.ended_at - event.began_at).total_seconds() * 1000),
        "seal": Seal.objects.filter(event_id=event.pk).first(),
        "data": sorted(event.data.items()),
        "crumbs": [(_("Events"), reverse("console:events")), (words.event(event.name), None)],
        "help": HELP,
    }
    return render(request, "console/event.html", context)


def history(request: HttpRequest, record_type: str, record_id: str) -> list[tuple[Event, str, str, State]]:
    """The latest events of a record, for readers who may see events."""
    if not request.user.has_perm("events.view"):
        return []
    found = Event.objects.filter(record_type=record_type, record_id=record_id).order_by("-began_at", "-pk")[
        :HISTORY_ROWS
    ]
    return [(event, words.event(event.name), words.actor(event), outcome(event)) for event in found]
