"""The verbs of access: add a worker, sign in, change the password. Each is one transaction with its event."""

import datetime as dt
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.db import connection, transaction
from django.utils import timezone

from senim.errors import BadInput, SenimError
from senim.kernel import events
from senim.kernel.access import roles as declared
from senim.kernel.access.models import Staff

ATTEMPTS_MAX: Final = 5
LOCK_SECONDS: Final = 15 * 60
GIVEN_PASSWORD_BYTES: Final = 15


class StaffRefused(BadInput):
    """This worker cannot be added as asked."""

    code: ClassVar[str] = "access.staff_refused"


class SignInRefused(SenimError):
    """The login or the password is wrong, or sign-in is closed for a while."""

    code: ClassVar[str] = "access.sign_in_refused"


class PasswordRefused(BadInput):
    """The present password is wrong, or the new one is the same."""

    code: ClassVar[str] = "access.password_refused"


@dataclass(frozen=True, slots=True)
class NewStaff:
    """A worker just added, with the password to hand over. It is kept nowhere but, hashed, in the database."""

    staff: Staff
    password: str


def create_staff(
    login: str,
    full_name: str,
    *,
    roles: Iterable[str],
    email: str = "",
    language: str = "kk",
    password: str | None = None,
    must_change_password: bool = True,
    actor: events.Actor | None = None,
) -> NewStaff:
    """Add a worker with a password given by the operator, by default one made here (PS-12.4).

    Raises:
        StaffRefused: a field is missing or taken, or a role is unknown; ``field`` names it.
    """
    login, full_name, roles = login.strip().lower(), full_name.strip(), sorted(set(roles))
    for field, value in (("login", login), ("full_name", full_name)):
        if not value:
            raise StaffRefused(f"{field} is mandatory: fill it in.", field=field)
    if unknown := set(roles) - declared.LABELS.keys():
        raise StaffRefused("There is no such role.", field="roles", unknown=sorted(unknown))
    given = password or secrets.token_urlsafe(GIVEN_PASSWORD_BYTES)
    with events.act("access.staff.add", actor or events.Actor.command(), record=("staff", login), roles=roles):
        if Staff.objects.filter(login=login).exists():
            raise StaffRefused("This login is taken.", field="login")
        staff = Staff.objects.create(
            login=login,
            full_name=full_name,
            email=email,
            language=language,
            roles=roles,
            password=make_password(given),
            must_change_password=must_change_password,
            password_changed_at=None if must_change_password else timezone.now(),
        )
    return NewStaff(staff, given)


def set_roles(staff: Staff, roles: Iterable[str], actor: events.Actor) -> None:
    """Change what a worker may do.

    Raises:
        StaffRefused: a role is unknown.
    """
    wanted = sorted(set(roles))
    if unknown := set(wanted) - declared.LABELS.keys():
        raise StaffRefused("There is no such role.", field="roles", unknown=sorted(unknown))
    with events.act("access.staff.roles", actor, record=("staff", staff.login), before=staff.roles, after=wanted):
        staff.roles = wanted
        staff.save(update_fields=["roles"])


# An attempt is counted before its password is looked at, in one statement under the row's lock: however many tries come
# at once, in however many processes, no more than ATTEMPTS_MAX of them reach the password.
RESERVE: Final = """
UPDATE access_staff SET
    failed_attempts = CASE WHEN locked_until IS NULL THEN failed_attempts + 1 ELSE 1 END,
    locked_until = CASE WHEN (CASE WHEN locked_until IS NULL THEN failed_attempts + 1 ELSE 1 END) >= %(max)s
                        THEN %(until)s::timestamptz END
WHERE login = %(login)s AND is_active AND (locked_until IS NULL OR locked_until <= %(now)s)
RETURNING id
"""


def sign_in(login: str, password: str) -> Staff:
    """Return the worker whose login and password these are (PS-12.4).

    Raises:
        SignInRefused: wrong login, wrong password, closed account or too many tries: the same answer, after the same
            work, for all of them, so that none can be told from another.
    """
    login = login.strip().lower()[:64]
    known = Staff.objects.filter(login=login).first()
    actor = events.Actor.staff(known) if known else events.Actor.unknown()
    with events.act("access.sign_in", actor, record=("staff", login if known else "unknown")) as act:
        staff = _reserved(login)
        if not check_password(password, staff.password if staff else _no_password()):
            staff = None
        if staff is None:
            act.refuse("access.locked" if known and _is_locked(known) else SignInRefused.code)
        else:
            Staff.objects.filter(pk=staff.pk).update(failed_attempts=0, locked_until=None, last_login=timezone.now())
            staff.refresh_from_db()
    if staff is None:
        raise SignInRefused
    return staff


def _reserved(login: str) -> Staff | None:
    """Count one try and return whose it is; None when nobody may try by this login now."""
    now = timezone.now()
    until = now + dt.timedelta(seconds=LOCK_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute(RESERVE, {"login": login.replace("\0", ""), "max": ATTEMPTS_MAX, "until": until, "now": now})
        row = cursor.fetchone()
    return Staff.objects.get(pk=row[0]) if row else None


def _is_locked(staff: Staff) -> bool:
    staff.refresh_from_db(fields=["locked_until"])
    return staff.locked_until is not None and staff.locked_until > timezone.now()


_no_password_hash: list[str] = []


def _no_password() -> str:
    """A hash that no password fits, as costly to check as a real one; made once in a process."""
    if not _no_password_hash:
        _no_password_hash.append(make_password(secrets.token_urlsafe(32)))
    return _no_password_hash[0]


def change_password(staff: Staff, present: str, new: str) -> None:
    """Change one's own password; with it every other session of this person ends.

    Wrong tries count as they do at sign-in: whoever finds a session open must not guess the password there.

    Raises:
        PasswordRefused: the present password is wrong, or the new one is the same; ``field`` names it.
        django ValidationError: the new password is too weak.
    """
    tried = _reserved(staff.login)
    is_right = tried is not None and check_password(present, tried.password)
    if is_right:
        Staff.objects.filter(pk=staff.pk).update(failed_attempts=0, locked_until=None)
    with events.act("access.change_password", events.Actor.staff(staff), record=("staff", staff.login)):
        locked = Staff.objects.select_for_update().get(pk=staff.pk)
        if tried is None or not is_right or locked.password != tried.password:
            raise PasswordRefused("The present password is wrong.", field="present")
        if check_password(new, locked.password):
            raise PasswordRefused("The new password is the same as the present one.", field="new")
        validate_password(new, locked)
        locked.password = make_password(new)
        locked.must_change_password = False
        locked.password_changed_at = timezone.now()
        locked.save(update_fields=["password", "must_change_password", "password_changed_at"])
    staff.refresh_from_db()


@transaction.atomic
def sign_out(staff: Staff) -> None:
    """Record that a worker has left of their own will."""
    events.note("access.sign_out", events.Actor.staff(staff), ("staff", staff.login))
