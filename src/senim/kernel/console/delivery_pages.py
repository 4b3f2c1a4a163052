"""Messages sent to and received from other organisations, with their receipts."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from senim.errors import SenimError
from senim.kernel import delivery
from senim.kernel.access.guard import requires
from senim.kernel.console import words
from senim.kernel.console.help import Help
from senim.kernel.console.states import State
from senim.kernel.delivery.models import Incoming, Outgoing, Peer
from senim.kernel.events import Actor
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.filters import Choice, Period, model_choices
from senim.kernel.registers.register import Register

OUTGOING_STATES = {
    Outgoing.State.WAITING: State("calm", Outgoing.State.WAITING.label),
    Outgoing.State.SENT: State("warn", Outgoing.State.SENT.label),
    Outgoing.State.RECEIPTED: State("good", Outgoing.State.RECEIPTED.label),
    Outgoing.State.DEAD: State("bad", Outgoing.State.DEAD.label),
}
INCOMING_STATES = {
    Incoming.State.ACCEPTED: State("good", Incoming.State.ACCEPTED.label),
    Incoming.State.REFUSED: State("bad", Incoming.State.REFUSED.label),
}


def outgoing_state(row: Outgoing) -> State:
    """Where a sent message stands, as a tag."""
    return OUTGOING_STATES[Outgoing.State(row.state)]


def incoming_state(row: Incoming) -> State:
    """What became of a received message, as a tag."""
    return INCOMING_STATES[Incoming.State(row.state)]


HELP = Help(
    lines=(
        _(
            "Every message is signed and encrypted, and sent until the recipient's signed receipt is "
            "here. A repeated message is recognised and not taken twice."
        ),
        _("A message that could not be delivered stays here and can be sent again by hand."),
    ),
    clauses=("EM-55.10",),
)

PEER_FILTER = Choice(
    name="peer", label=_("Organisation"), path="peer_id", choices=model_choices(lambda: Peer.objects.order_by("name"))
)

OUTGOING = Register(
    name="console.outgoing",
    title=_("Sent messages"),
    permission="delivery.view",
    rows=lambda: Outgoing.objects.select_related("peer").defer("body", "receipt"),
    columns=(
        Column(name="created_at", label=_("Created"), form=Form.MOMENT),
        Column(name="peer", label=_("Recipient"), value=lambda row: row.peer.name, order="peer__name", lead=True),
        Column(name="kind", label=_("Kind"), value=lambda row: words.message(row.kind)),
        Column(name="filename", label=_("File name")),
        Column(name="state", label=_("State"), state=outgoing_state),
        Column(name="attempts", label=_("Attempts"), form=Form.NUMBER),
        Column(name="finished_at", label=_("Finished"), form=Form.MOMENT, nullable=True),
    ),
    default_order="-created_at",
    filters=(
        Choice(name="state", label=_("State"), path="state", choices=lambda: Outgoing.State.choices),
        PEER_FILTER,
        Period(label=_("Days"), path="created_at", of_moments=True),
    ),
    search=lambda rows, text: rows.filter(filename__icontains=text) | rows.filter(kind__icontains=text),
    search_hint=_("File name or kind"),
    address=lambda row: reverse("console:outgoing-detail", args=[row.pk]),
    empty=_("Messages to other organisations appear here."),
    help=HELP,
)

INCOMING = Register(
    name="console.incoming",
    title=_("Received messages"),
    permission="delivery.view",
    rows=lambda: Incoming.objects.select_related("peer").defer("body", "signed", "receipt"),
    columns=(
        Column(name="received_at", label=_("Received"), form=Form.MOMENT),
        Column(name="peer", label=_("Sender"), value=lambda row: row.peer.name, order="peer__name", lead=True),
        Column(name="kind", label=_("Kind"), value=lambda row: words.message(row.kind)),
        Column(name="filename", label=_("File name")),
        Column(name="state", label=_("State"), state=incoming_state),
        Column(name="reason", label=_("Reason")),
    ),
    default_order="-received_at",
    filters=(
        Choice(name="state", label=_("State"), path="state", choices=lambda: Incoming.State.choices),
        PEER_FILTER,
        Period(label=_("Days"), path="received_at", of_moments=True),
    ),
    search=lambda rows, text: rows.filter(filename__icontains=text) | rows.filter(kind__icontains=text),
    search_hint=_("File name or kind"),
    address=lambda row: reverse("console:incoming-detail", args=[row.pk]),
    empty=_("Messages from other organisations appear here."),
    help=HELP,
)


@require_safe
@requires("delivery.view")
def outgoing(request: HttpRequest, message_id: UUID) -> HttpResponse:
    """One sent message and its way."""
    message = get_object_or_404(Outgoing.objects.select_related("peer"), pk=message_id)
    context = {
        "message": message,
        "kind": words.message(message.kind),
        "state": outgoing_state(message),
        "size": len(message.body),
        "attachments": [(one.filename, len(one.body)) for one in message.attachments.order_by("position")],
        "may_resend": message.state == Outgoing.State.DEAD and request.user.has_perm("delivery.resend"),
        "crumbs": [(_("Sent messages"), reverse("console:outgoing")), (words.message(message.kind), None)],
        "help": HELP,
    }
    return render(request, "console/outgoing.html", context)


@require_safe
@requires("delivery.view")
def incoming(request: HttpRequest, message_pk: int) -> HttpResponse:
    """One received message."""
    message = get_object_or_404(Incoming.objects.select_related("peer"), pk=message_pk)
    context = {
        "message": message,
        "kind": words.message(message.kind),
        "state": incoming_state(message),
        "size": len(message.body),
        "attachments": [(one.filename, len(one.body)) for one in message.attachments.order_by("position")],
        "crumbs": [(_("Received messages"), reverse("console:incoming")), (words.message(message.kind), None)],
        "help": HELP,
    }
    return render(request, "console/incoming.html", context)


@require_POST
@requires("delivery.resend")
def resend(request: HttpRequest, message_id: UUID) -> HttpResponse:
    """Put an undelivered message back into the queue."""
    get_object_or_404(Outgoing, pk=message_id)
    try:
        delivery.resend(message_id, Actor.staff(request.user))
    except SenimError as refused:
        messages.error(request, gettext(refused.message))
    else:
        messages.success(request, gettext("The message is in the queue again."))
    return redirect("console:outgoing-detail", message_id)
