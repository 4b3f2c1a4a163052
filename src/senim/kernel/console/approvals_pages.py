"""Acts that wait for a second person: the register, and the page where one decides."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from senim.errors import SenimError
from senim.kernel import approvals
from senim.kernel.access.guard import requires
from senim.kernel.approvals.models import Approval
from senim.kernel.console import words
from senim.kernel.console.help import Help
from senim.kernel.console.people import person
from senim.kernel.console.states import State
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.filters import Choice, Period
from senim.kernel.registers.register import Register

STATES = {
    Approval.State.WAITING: State("warn", Approval.State.WAITING.label),
    Approval.State.APPROVED: State("good", Approval.State.APPROVED.label),
    Approval.State.REFUSED: State("bad", Approval.State.REFUSED.label),
    Approval.State.WITHDRAWN: State("", Approval.State.WITHDRAWN.label),
}


def state(row: Approval) -> State:
    """Where an act stands, as a tag."""
    return STATES[Approval.State(row.state)]


def waiting_for(request: HttpRequest) -> int:
    """How many acts this reader may decide now."""
    kinds = [
        kind for kind, _label in words.acts() if (act := words.act(kind)) and request.user.has_perm(act.permission)
    ]
    if not kinds:
        return 0
    return (
        Approval.objects.filter(state=Approval.State.WAITING, kind__in=kinds).exclude(maker_id=request.user.pk).count()
    )


HELP = Help(
    lines=(
        _(
            "What one person proposes, another decides. Nobody decides what they proposed themselves, "
            "whatever their role."
        ),
        _("The act is carried out at the moment of approval, exactly as it is shown, and only once."),
    ),
)

REGISTER = Register(
    name="console.approvals",
    title=_("Approvals"),
    permission="approvals.view",
    rows=lambda: Approval.objects.select_related("maker", "checker"),
    columns=(
        Column(name="made_at", label=_("Proposed"), form=Form.MOMENT),
        Column(name="kind", label=_("Act"), value=lambda row: words.act_label(row.kind)),
        Column(name="title", label=_("Subject"), value=words.subject, lead=True),
        Column(name="maker", label=_("Proposed by"), value=lambda row: row.maker.full_name, order="maker__full_name"),
        Column(name="state", label=_("State"), state=state),
        Column(
            name="checker",
            label=_("Decided by"),
            value=lambda row: row.checker.full_name if row.checker else None,
            order="checker__full_name",
            nullable=True,
        ),
        Column(name="decided_at", label=_("Decided"), form=Form.MOMENT, nullable=True),
    ),
    default_order="-made_at",
    filters=(
        Choice(name="state", label=_("State"), path="state", choices=lambda: Approval.State.choices),
        Choice(name="kind", label=_("Act"), path="kind", choices=words.acts),
        Period(label=_("Days"), path="made_at", of_moments=True),
    ),
    search=lambda rows, text: rows.filter(title__icontains=text),
    search_hint=_("Subject"),
    address=lambda row: reverse("console:approval", args=[row.pk]),
    empty=_("Acts that need a second person wait here."),
    help=HELP,
)


def _may_decide(request: HttpRequest, approval: Approval) -> bool:
    act = words.act(approval.kind)
    return (
        approval.state == Approval.State.WAITING
        and act is not None
        and request.user.has_perm(act.permission)
        and approval.maker_id != request.user.pk
    )


@require_safe
@requires("approvals.view")
def detail(request: HttpRequest, approval_id: int) -> HttpResponse:
    """Show exactly what is decided, who proposed it, and what a yes will do."""
    approval = get_object_or_404(Approval.objects.select_related("maker", "checker"), pk=approval_id)
    act = words.act(approval.kind)
    context = {
        "approval": approval,
        "state": state(approval),
        "label": words.act_label(approval.kind),
        "subject": words.subject(approval),
        "facts": act.facts(approval) if act else sorted(approval.payload.items()),
        "consequence": act.consequence if act else "",
        "may_decide": _may_decide(request, approval),
        "own": approval.maker_id == request.user.pk,
        "may_withdraw": approval.maker_id == request.user.pk and approval.state == Approval.State.WAITING,
        "record_address": words.record_address(approval.record_type, approval.record_id),
        "crumbs": [(_("Approvals"), reverse("console:approvals")), (words.subject(approval), None)],
        "help": HELP,
    }
    return render(request, "console/approval.html", context)


@require_POST
@requires("approvals.view")
def decide(request: HttpRequest, approval_id: int) -> HttpResponse:
    """Carry out a yes or record a no. The service checks the person again, and the database a third time."""
    approval = get_object_or_404(Approval, pk=approval_id)
    answer = request.POST.get("decision")
    comment = request.POST.get("comment", "").replace("\0", "").strip()[:500]
    here = redirect("console:approval", approval_id)
    if answer not in {"approve", "refuse"}:
        messages.error(request, gettext("Choose one: approve or refuse."))
    elif answer == "refuse" and not comment:
        messages.error(request, gettext("Say in the comment why you refuse."))
    else:
        try:
            approvals.decide(approval.pk, person(request), approve=answer == "approve", comment=comment)
        except SenimError as refused:
            messages.error(request, gettext(refused.message))
        else:
            messages.success(
                request, gettext("Approved and carried out.") if answer == "approve" else gettext("Refused.")
            )
    return here


@require_POST
@requires("approvals.view")
def withdraw(request: HttpRequest, approval_id: int) -> HttpResponse:
    """Take one's own proposal back."""
    approval = get_object_or_404(Approval, pk=approval_id)
    try:
        approvals.withdraw(approval.pk, person(request))
    except SenimError as refused:
        messages.error(request, gettext(refused.message))
    else:
        messages.success(request, gettext("The proposal is withdrawn."))
    return redirect("console:approval", approval_id)
