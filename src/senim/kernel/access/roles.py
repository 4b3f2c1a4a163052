"""Roles as sets of permissions, declared in code by the part that asks for them (EM-55.2, PO-34.2).

A permission is a string ``part.verb_object``. Each part declares its own at start::

    roles.declare("payments.view_operations", _("See operations"), to={DUTY_OFFICER, CONTROLLER, AUDITOR})
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ADMINISTRATOR = "administrator"
DUTY_OFFICER = "duty_officer"
CONTROLLER = "controller"
AUDITOR = "auditor"

LABELS: dict[str, str | Promise] = {
    ADMINISTRATOR: _("Administrator"),
    DUTY_OFFICER: _("Duty officer"),
    CONTROLLER: _("Controller"),
    AUDITOR: _("Auditor"),
}


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing that may be allowed, and the roles to which it is allowed."""

    name: str
    label: str | Promise
    roles: frozenset[str]


_DECLARED: dict[str, Permission] = {}


def declare(name: str, label: str | Promise, *, to: AbstractSet[str]) -> str:
    """Declare permission ``name`` and the roles that carry it; return the name.

    Declaring the same again is harmless; declaring it differently is a mistake of the program.

    Raises:
        ValueError: a malformed name, an unknown role, or a second, different declaration.
    """
    part, _dot, verb = name.partition(".")
    if not part or not verb:
        raise ValueError(f"permission {name!r} is not of the form part.verb_object")
    if unknown := set(to) - LABELS.keys():
        raise ValueError(f"permission {name} names unknown roles {sorted(unknown)}")
    permission = Permission(name, label, frozenset(to))
    known = _DECLARED.setdefault(name, permission)
    if known.roles != permission.roles:
        raise ValueError(f"permission {name} is declared twice, with different roles")
    return name


def declared() -> list[Permission]:
    """Every declared permission, by name."""
    return [_DECLARED[name] for name in sorted(_DECLARED)]


def is_declared(name: str) -> bool:
    """Tell whether some part has declared permission ``name``."""
    return name in _DECLARED


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """Everything that a person with these roles may do."""
    held = frozenset(roles)
    return frozenset(name for name, permission in _DECLARED.items() if permission.roles & held)


declare("access.view_staff", _("See staff and their rights"), to={ADMINISTRATOR, AUDITOR})
declare("access.manage_staff", _("Add staff and change their rights"), to={ADMINISTRATOR})
declare("events.view", _("See the register of events"), to={ADMINISTRATOR, CONTROLLER, AUDITOR})
declare("approvals.view", _("See what awaits approval"), to={ADMINISTRATOR, DUTY_OFFICER, CONTROLLER, AUDITOR})
declare("delivery.view", _("See delivered messages"), to={ADMINISTRATOR, DUTY_OFFICER, CONTROLLER, AUDITOR})
declare("delivery.resend", _("Send an undelivered message again"), to={ADMINISTRATOR, DUTY_OFFICER})
