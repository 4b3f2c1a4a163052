"""Customer accounts: the register, and one with its balance."""

from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from senim import ledger
from senim.kernel.access.guard import requires
from senim.kernel.console import events_pages
from senim.kernel.console.help import Help
from senim.kernel.console.states import State
from senim.kernel.console.views import Found
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.filters import Choice, Period
from senim.kernel.registers.register import Register
from senim.kernel.values import iban
from senim.roles.payments import permissions
from senim.roles.payments.console import labels
from senim.roles.payments.console.operations import BANKS, compact
from senim.roles.payments.models import CustomerAccount, Operation

OPERATIONS_SHOWN = 20
HELP = Help(
    lines=(
        _(
            "Accounts of the participants' clients that are kept in the System. The balance is the "
            "ledger's own, as of now."
        ),
        _("An account's place in the ledger is computed from its IBAN, so the two cannot drift apart."),
    ),
    clauses=("PS-1.1.19",),
)


def state(row: CustomerAccount) -> State:
    """Open or closed."""
    return State("", _("Closed")) if row.closed_at else State("good", _("Open"))


def search(rows: Any, text: str) -> Any:
    """By IBAN (its beginning is enough) or by a piece of the holder's name."""
    word = compact(text)
    return rows.filter(iban__startswith=word) if word.startswith("KZ") else rows.filter(holder_name__icontains=text)


REGISTER = Register(
    name="payments.accounts",
    namespace="console:payments",
    title=_("Customer accounts"),
    permission=permissions.VIEW_PARTICIPANTS,
    rows=lambda: CustomerAccount.objects.select_related("participant"),
    columns=(
        Column(name="iban", label=_("IBAN"), form=Form.CODE, lead=True),
        Column(name="holder_name", label=_("Holder")),
        Column(
            name="participant",
            label=_("Bank"),
            value=lambda row: row.participant.name,
            order=lambda: f"participant__{labels.name_field()}",
        ),
        Column(name="closed_at", label=_("State"), state=state, nullable=True),
        Column(name="opened_at", label=_("Opened"), form=Form.MOMENT),
    ),
    default_order="iban",
    filters=(
        Choice(name="bank", label=_("Bank"), path="participant_id", choices=BANKS),
        Choice(
            name="state",
            label=_("State"),
            path="closed_at",
            choices=lambda: [("open", _("Open")), ("closed", _("Closed"))],
            build=lambda chosen: Q(closed_at__isnull=chosen == "open"),
        ),
        Period(label=_("Opened"), path="opened_at", of_moments=True),
    ),
    search=search,
    search_hint=_("IBAN or holder"),
    address=lambda row: reverse("console:payments:account", args=[row.iban]),
    empty=_("Accounts appear here as participants open them."),
    help=HELP,
)


def find(request: HttpRequest, text: str) -> list[Found]:
    """Accounts for the search at the top: by IBAN alone."""
    del request
    word = compact(text)
    if not word.startswith("KZ") or len(word) < 6:
        return []
    return [
        Found(_("Customer account"), row.iban, row.holder_name, reverse("console:payments:account", args=[row.iban]))
        for row in CustomerAccount.objects.filter(iban__startswith=word).order_by("iban")[:10]
    ]


@require_safe
@requires(permissions.VIEW_PARTICIPANTS)
def detail(request: HttpRequest, number: str) -> HttpResponse:
    """One account, its balance, its latest operations."""
    account = get_object_or_404(CustomerAccount.objects.select_related("participant"), iban=number)
    with transaction.atomic():
        connection.ensure_connection()
        found = ledger.lookup_accounts(connection.connection, [iban.account_id(account.iban)])
    balance = found[0] if found else None
    latest: list[Operation] = []
    if request.user.has_perm(permissions.VIEW_OPERATIONS):
        mine = Q(debit_account=account.iban) | Q(credit_account=account.iban)
        latest = list(Operation.objects.filter(mine).order_by("-pk")[:OPERATIONS_SHOWN])
    context = {
        "account": account,
        "state": state(account),
        "balance_tiyn": balance.credits_posted - balance.debits_posted if balance else None,
        "held_tiyn": balance.debits_pending if balance else 0,
        "credits_tiyn": balance.credits_posted if balance else 0,
        "debits_tiyn": balance.debits_posted if balance else 0,
        "operations": [
            (row, labels.kind(row), labels.status(row), row.credit_account == account.iban) for row in latest
        ],
        "history": events_pages.history(request, "account", account.iban),
        "crumbs": [(_("Customer accounts"), reverse("console:payments:accounts")), (account.iban, None)],
        "help": HELP,
    }
    return render(request, "payments/account.html", context)
