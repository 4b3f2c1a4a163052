"""The register of operations, and the page of one with its six steps (PS-7.5)."""

from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from senim import ledger
from senim.kernel.access.guard import requires
from senim.kernel.console.help import Help
from senim.kernel.console.views import Found
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.filters import Amounts, Choice, Period, model_choices
from senim.kernel.registers.register import Register
from senim.roles.payments import permissions
from senim.roles.payments.console import labels
from senim.roles.payments.models import KIND_LABELS, STATUS_LABELS, MessageFile, OperatingDay, Operation, Participant
from senim.roles.payments.rules.kinds import DayState, Status

HELP = Help(
    lines=(
        _("Every request that reached the Centre is here, carried out or refused, with its time to the millisecond."),
        _("A row is never changed. The record of an operation that was carried out is its payment document."),
        _("Search by the operation's number, the participant's key, an end-to-end id or an IBAN."),
    ),
    clauses=("PS-7.5.1", "PS-7.5.6", "EM-55.4", "EM-55.7"),
)


def compact(text: str) -> str:
    """What was typed without spaces, in capitals: IBANs are read in groups."""
    return "".join(text.split()).upper()


def as_uuid(text: str) -> UUID | None:
    """The UUID that was typed, or None."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def search(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    """By number, by the participant's key (its unique index answers), by end-to-end id, by account."""
    number = as_uuid(text)
    if number is not None:
        return rows.filter(pk=number)
    word = compact(text)
    if word.startswith("KZ") and len(word) > 12:
        return rows.filter(Q(debit_account=word) | Q(credit_account=word))
    by_key = Q(initiator__in=list(Participant.objects.values_list("pk", flat=True)), key=text)
    return rows.filter(by_key | Q(end_to_end_id=text))


BANKS = model_choices(lambda: Participant.objects.exclude(state=Participant.State.REFUSED).order_by("code"))


def _of_bank(chosen: str) -> Q:
    return Q(initiator_id=chosen) | Q(payer_id=chosen) | Q(payee_id=chosen)


REGISTER = Register(
    name="payments.operations",
    namespace="console:payments",
    title=_("Operations"),
    permission=permissions.VIEW_OPERATIONS,
    rows=lambda: Operation.objects.select_related("initiator", "payer", "payee"),
    columns=(
        # Ids rise with the moment of decision, so the primary key's own index gives the order of time.
        Column(name="decided_at", label=_("Decided"), form=Form.MOMENT, order="pk"),
        Column(
            name="kind",
            label=_("Kind"),
            value=labels.kind,
            order="kind",
            note=lambda row: row.get_means_display(),
            lead=True,
        ),
        Column(name="amount_tiyn", label=_("Amount, ₸"), form=Form.AMOUNT, total=True),
        Column(
            name="status",
            label=_("Outcome"),
            state=labels.status,
            order="status",
            note=lambda row: labels.reason_and_code(row.reason) if row.reason else "",
        ),
        Column(
            name="payer",
            label=_("Payer's bank"),
            value=lambda row: row.payer.name if row.payer else None,
            order=lambda: f"payer__{labels.name_field()}",
            nullable=True,
            note=lambda row: row.debit_account,
        ),
        Column(
            name="payee",
            label=_("Payee's bank"),
            value=lambda row: row.payee.name if row.payee else None,
            order=lambda: f"payee__{labels.name_field()}",
            nullable=True,
            note=lambda row: row.credit_account,
        ),
        Column(name="key", label=_("Participant's key"), form=Form.CODE, phone=False),
        Column(name="source", label=_("Came as"), value=labels.source, order="source", listed=False),
        Column(name="day", label=_("Operating day"), form=Form.DAY, listed=False),
        Column(name="reason", label=_("Reason"), listed=False),
        Column(
            name="initiator",
            label=_("Initiator"),
            value=lambda row: row.initiator.name,
            order=lambda: f"initiator__{labels.name_field()}",
            listed=False,
        ),
        Column(name="debit_account", label=_("Debit account"), form=Form.CODE, listed=False),
        Column(name="credit_account", label=_("Credit account"), form=Form.CODE, listed=False),
        Column(name="end_to_end_id", label=_("End-to-end id"), form=Form.CODE, listed=False),
        Column(name="received_at", label=_("Reached the Centre"), form=Form.MOMENT, listed=False),
        Column(name="id", label=_("Number"), form=Form.CODE, order="pk", listed=False),
    ),
    default_order="-decided_at",
    filters=(
        Period(label=_("Operating days"), path="day"),
        Choice(
            name="status",
            label=_("Outcome"),
            path="status",
            choices=lambda: [(int(v), w) for v, w in STATUS_LABELS.items()],
        ),
        Choice(
            name="kind", label=_("Kind"), path="kind", choices=lambda: [(int(v), w) for v, w in KIND_LABELS.items()]
        ),
        Choice(name="reason", label=_("Reason"), path="reason", choices=labels.reason_choices),
        Choice(name="bank", label=_("Participant"), path="payer", choices=BANKS, build=_of_bank),
        Amounts(label=_("Amount, ₸"), path="amount_tiyn"),
    ),
    search=search,
    search_hint=_("Number, key, end-to-end id or IBAN"),
    address=lambda row: reverse("console:payments:operation", args=[row.pk]),
    empty=_("Operations appear here as participants send them."),
    help=HELP,
)


def find(request: HttpRequest, text: str) -> list[Found]:
    """Operations for the search at the top. A name without digits is no identifier: the register is not read for it."""
    del request
    if not any(character.isdigit() for character in text):
        return []
    rows = search(Operation.objects.all(), text).order_by("-pk")[:10]
    return [
        Found(
            _("Operation"),
            f"{labels.kind(row)}: {row.key}",
            f"{row.day:%d.%m.%Y} · {row.pk}",
            reverse("console:payments:operation", args=[row.pk]),
        )
        for row in rows
    ]


def steps(operation: Operation, day: OperatingDay | None) -> list[dict[str, object]]:
    """The six steps of PS-7.5 with what is on record of each."""
    done = operation.status == Status.ACCEPTED
    settled = day is not None and day.state in {DayState.SETTLED, DayState.REPORTED}
    refused_words = labels.reason_and_code(operation.reason)
    never = _("Does not take place: the operation was refused.")
    return [
        {
            "tone": "done",
            "title": _("The client initiated it"),
            "moment": operation.initiated_at,
            "words": operation.get_means_display(),
        },
        {
            "tone": "done",
            "title": _("The request reached the Centre"),
            "moment": operation.received_at,
            "words": labels.source(operation),
        },
        {
            "tone": "done" if done else "bad",
            "title": _("The Centre decided"),
            "moment": operation.decided_at,
            "words": _("accepted") if done else refused_words,
        },
        {
            "tone": "done" if done else "",
            "title": _("Authorised, and the participant told"),
            "moment": operation.decided_at if done else None,
            "words": "" if done else never,
        },
        {
            "tone": "done" if done else "",
            "title": _("Passed on for accounting"),
            "moment": operation.decided_at if done else None,
            "words": _("posted in the ledger in the same transaction") if done else never,
        },
        {
            "tone": "done" if done else "",
            "title": _("Payment document made"),
            "moment": operation.decided_at if done else None,
            "words": (_("settled finally between the banks") if settled else _("this record is the document"))
            if done
            else never,
        },
    ]


@require_safe
@requires(permissions.VIEW_OPERATIONS)
def detail(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """One operation: its steps, its accounts, its transfer in the ledger, its file."""
    operation = get_object_or_404(Operation.objects.select_related("initiator", "payer", "payee"), pk=operation_id)
    day = OperatingDay.objects.filter(pk=operation.day).first()
    with transaction.atomic():
        connection.ensure_connection()
        transfers = ledger.lookup_transfers(connection.connection, [operation.pk.int])
    context = {
        "operation": operation,
        "kind": labels.kind(operation),
        "status": labels.status(operation),
        "reason": labels.reason_and_code(operation.reason),
        "steps": steps(operation, day),
        "milliseconds": int((operation.decided_at - operation.received_at).total_seconds() * 1000),
        "transfers": [(UUID(int=one.id), one.amount) for one in transfers],
        "file": MessageFile.objects.filter(pk=operation.file_id).first() if operation.file_id else None,
        "crumbs": [(_("Operations"), reverse("console:payments:operations")), (operation.key, None)],
        "help": HELP,
    }
    return render(request, "payments/operation.html", context)
