"""Participants: the register, one with its standing and keys, the form by which one is registered."""

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from senim.kernel.access.guard import requires
from senim.kernel.approvals.models import Approval
from senim.kernel.console import events_pages, formats
from senim.kernel.console.help import Help
from senim.kernel.console.people import person
from senim.kernel.console.states import State
from senim.kernel.console.views import Found
from senim.kernel.console.words import Facts
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.filters import Choice
from senim.kernel.registers.register import Action, Register
from senim.kernel.values import iban
from senim.roles.payments import permissions
from senim.roles.payments.console import figures, labels
from senim.roles.payments.console.amounts import TengeField
from senim.roles.payments.console.operations import compact
from senim.roles.payments.models import Participant, ParticipantKey
from senim.roles.payments.services import participants as service

HELP = Help(
    lines=(
        _(
            "A participant is a bank that has concluded the Contract. One person registers it, another "
            "approves; only then may it initiate operations."
        ),
        _(
            "The net debit cap bounds what the participant may owe the others at any moment. It cannot exceed "
            "the collateral."
        ),
    ),
    clauses=("PS-1.1.21", "EM-55.3"),
)


def search(rows: Any, text: str) -> Any:
    """By a piece of the name in any language, or by code, BIN, BIC, bank code."""
    return rows.filter(
        Q(name_kk__icontains=text)
        | Q(name_ru__icontains=text)
        | Q(name_en__icontains=text)
        | Q(code=text)
        | Q(bin=text)
        | Q(bic__iexact=text)
        | Q(bank_code=text)
    )


REGISTER = Register(
    name="payments.participants",
    namespace="console:payments",
    title=_("Participants"),
    permission=permissions.VIEW_PARTICIPANTS,
    rows=Participant.objects.all,
    columns=(
        Column(
            name="name", label=_("Name"), order=labels.name_field, lead=True, note=lambda row: row.get_role_display()
        ),
        Column(name="code", label=_("Code"), form=Form.CODE),
        Column(name="state", label=_("State"), state=labels.participant_state),
        Column(name="bin", label=_("BIN"), form=Form.CODE),
        Column(name="bic", label=_("BIC"), form=Form.CODE),
        Column(name="bank_code", label=_("Bank code in IBAN"), form=Form.CODE),
        Column(name="collateral_tiyn", label=_("Collateral, ₸"), form=Form.AMOUNT, total=True),
        Column(name="net_debit_cap_tiyn", label=_("Net debit cap, ₸"), form=Form.AMOUNT, total=True),
        Column(name="registered_at", label=_("Registered"), form=Form.MOMENT),
    ),
    default_order="code",
    filters=(
        Choice(name="state", label=_("State"), path="state", choices=lambda: Participant.State.choices),
        Choice(name="role", label=_("Role"), path="role", choices=lambda: Participant.Role.choices),
    ),
    search=search,
    search_hint=_("Name, code, BIN or BIC"),
    address=lambda row: reverse("console:payments:participant", args=[row.code]),
    actions=(
        Action(
            label=_("Register a participant"),
            url="console:payments:participant-new",
            permission=permissions.REGISTER_PARTICIPANT,
        ),
    ),
    empty=_("Register the first participant; another person will approve it."),
    help=HELP,
)


def find(request: HttpRequest, text: str) -> list[Found]:
    """Participants for the search at the top."""
    del request
    return [
        Found(
            _("Participant"),
            row.name,
            f"{row.code} · {row.bic}",
            reverse("console:payments:participant", args=[row.code]),
        )
        for row in search(Participant.objects.all(), text).order_by("code")[:10]
    ]


if TYPE_CHECKING:
    ParticipantModelForm = forms.ModelForm[Participant]
else:  # Django's own class takes no type argument when the program runs
    ParticipantModelForm = forms.ModelForm


class ParticipantForm(ParticipantModelForm):
    """All that the service asks for; each refusal lands at its field."""

    collateral_tiyn = TengeField(label=_("Collateral, ₸"))
    net_debit_cap_tiyn = TengeField(label=_("Net debit cap, ₸"), help_text=_("Not above the collateral."))

    class Meta:
        model = Participant
        fields = (
            "role",
            "name_kk",
            "name_ru",
            "name_en",
            "bin",
            "bic",
            "bank_code",
            "contract_number",
            "contract_date",
            "settlement_iban",
            "collateral_tiyn",
            "net_debit_cap_tiyn",
            "peer_code",
        )
        widgets = {"contract_date": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}
        help_texts = {
            "bin": _("12 digits, as in the certificate of registration."),
            "bic": _("8 or 11 letters and digits."),
            "bank_code": _("Three digits: the 5th to 7th characters of the bank's IBANs."),
            "settlement_iban": _("Where the net position is debited or credited."),
            "peer_code": _("Code under which the bank exchanges messages; may be given later."),
        }

    def clean_settlement_iban(self) -> str:
        """Take an IBAN in groups as people type it."""
        value = compact(self.cleaned_data["settlement_iban"])
        if not iban.is_valid(value):
            raise forms.ValidationError(gettext("This is not a valid IBAN of Kazakhstan."))
        return value

    def clean_bic(self) -> str:
        """A BIC is written in capitals."""
        return compact(self.cleaned_data["bic"])

    def clean(self) -> dict[str, Any]:
        """Hold the cap against the collateral here, so that the refusal stands at its field."""
        given = super().clean() or self.cleaned_data
        collateral, cap = given.get("collateral_tiyn"), given.get("net_debit_cap_tiyn")
        if collateral is not None and cap is not None and cap > collateral:
            self.add_error("net_debit_cap_tiyn", gettext("The net debit cap may not exceed the collateral."))
        self._add_faults()
        return given

    def _add_faults(self) -> None:
        """Let the service name every fault of what could be read, so that a person mends them in one go."""
        unread: dict[str, Any] = dict.fromkeys(self.fields, "") | {
            "contract_date": None,
            "collateral_tiyn": self.cleaned_data.get("net_debit_cap_tiyn", 0),  # unread, it speaks against no cap
            "net_debit_cap_tiyn": 0,
        }
        for fault in service.faults(service.Application(**(unread | self.cleaned_data))):
            field = str(fault.fields["field"])
            if field in self.cleaned_data:
                self.add_error(field, str(fault.fields["remedy"]))

    def application(self) -> service.Application:
        """The form as the service takes it."""
        return service.Application(**self.cleaned_data)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(permissions.REGISTER_PARTICIPANT)
def new(request: HttpRequest) -> HttpResponse:
    """Register a participant and put it before another person."""
    form = ParticipantForm(request.POST or None, use_required_attribute=False)
    if request.method == "POST" and form.is_valid():
        try:
            participant = service.register_participant(form.application(), person(request))
        except service.ParticipantRefused as refused:
            field = str(refused.fields.get("field", ""))
            form.add_error(field if field in form.fields else None, gettext(refused.message))
        else:
            messages.success(request, gettext("Registered. Another person will approve it."))
            return redirect("console:payments:participant", participant.code)
    context = {
        "form": form,
        "crumbs": [(_("Participants"), reverse("console:payments:participants")), (_("Register a participant"), None)],
        "help": HELP,
    }
    return render(request, "payments/participant_form.html", context, status=422 if form.errors else 200)


def key_state(key: ParticipantKey, now: dt.datetime) -> State:
    """Whether a key may sign now."""
    if key.revoked_at:
        return State("bad", _("Revoked"))
    if key.valid_until and key.valid_until <= now:
        return State("", _("Expired"))
    return State("good", _("Valid")) if key.valid_from <= now else State("calm", _("Not yet valid"))


@require_safe
@requires(permissions.VIEW_PARTICIPANTS)
def detail(request: HttpRequest, code: str) -> HttpResponse:
    """One participant: its contract, its standing against the cap, its keys, its history."""
    participant = get_object_or_404(Participant.objects.select_related("registered_by", "approved_by"), code=code)
    now = timezone.now()
    with transaction.atomic():
        use = next(iter(figures.cap_uses([participant])), None)
        open_accounts = participant.accounts.filter(closed_at=None).count()
    waiting = Approval.objects.filter(record_type="participant", record_id=code, state=Approval.State.WAITING).first()
    context = {
        "participant": participant,
        "state": labels.participant_state(participant),
        "use": use,
        "keys": [(key, key_state(key, now)) for key in participant.keys.defer("material").order_by("-valid_from")],
        "open_accounts": open_accounts,
        "waiting": waiting,
        "history": events_pages.history(request, "participant", code),
        "crumbs": [(_("Participants"), reverse("console:payments:participants")), (participant.name, None)],
        "help": HELP,
    }
    return render(request, "payments/participant.html", context)


def approval_subject(approval: Approval) -> str:
    """The proposed name in the reader's language."""
    return str(approval.payload.get(labels.name_field(), approval.title))


def approval_facts(approval: Approval) -> Facts:
    """What is decided about a participant, field by field, from what was proposed and not from what stands now."""
    given = approval.payload
    written: dict[str, Callable[[Any], object]] = {
        "role": lambda value: Participant.Role(value).label,
        "contract_date": lambda value: formats.day(dt.date.fromisoformat(value)),
        "settlement_iban": formats.iban,
        "collateral_tiyn": formats.amount,
        "net_debit_cap_tiyn": formats.amount,
    }
    labels_of = {field.name: field.verbose_name for field in Participant._meta.fields}
    return [
        (labels_of[name], written.get(name, str)(given[name]))
        for name in ("code", *ParticipantForm.Meta.fields)
        if given.get(name) not in (None, "")
    ]
