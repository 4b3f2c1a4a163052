"""Who works here and what they may do. Rights are changed by the administrator's commands, and seen here."""

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from senim.kernel.access import roles
from senim.kernel.access.models import Staff
from senim.kernel.console.help import Help
from senim.kernel.console.states import State
from senim.kernel.registers.columns import Column, Form
from senim.kernel.registers.filters import Choice
from senim.kernel.registers.register import Register


def role_names(row: Staff) -> str:
    """The roles of a person in words."""
    return ", ".join(str(roles.LABELS[role]) for role in row.roles if role in roles.LABELS)


def state(row: Staff) -> State:
    """Whether a person may sign in now, as a tag."""
    if not row.is_active:
        return State("", _("Closed"))
    if row.locked_until and row.locked_until > timezone.now():
        return State("bad", _("Locked after wrong passwords"))
    if row.must_change_password:
        return State("warn", _("Must set a password"))
    return State("good", _("May sign in"))


REGISTER = Register(
    name="console.staff",
    title=_("Staff"),
    permission="access.view_staff",
    rows=Staff.objects.all,
    columns=(
        Column(name="full_name", label=_("Full name"), lead=True),
        Column(name="login", label=_("Login"), form=Form.CODE),
        Column(name="roles", label=_("Roles"), value=role_names, order="roles"),
        Column(name="is_active", label=_("State"), state=state),
        Column(name="last_login", label=_("Last entry"), form=Form.MOMENT, nullable=True),
        Column(name="password_changed_at", label=_("Password set"), form=Form.MOMENT, nullable=True),
    ),
    default_order="full_name",
    filters=(
        Choice(
            name="active",
            label=_("State"),
            path="is_active",
            choices=lambda: [("True", _("May sign in")), ("False", _("Closed"))],
        ),
    ),
    search=lambda rows, text: rows.filter(full_name__icontains=text) | rows.filter(login__icontains=text.lower()),
    search_hint=_("Name or login"),
    empty=_("Workers appear here when the administrator adds them."),
    help=Help(
        lines=(
            _("A role carries permissions that are fixed in the program. A person may hold several roles."),
            _("A new worker's first entry allows nothing but setting a password of their own."),
        ),
        clauses=("EM-55.2", "PS-12.4"),
    ),
)
