"""Staff of the sandbox's operator and their passwords: made once, kept in a file that only its owner can read.

The passwords are on the disk before anybody is created with them, so a first start that breaks off half-way goes on
with the same ones.
"""

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.contrib.auth.hashers import make_password

from senim.kernel import events
from senim.kernel.access import roles
from senim.kernel.access.models import Staff
from senim.kernel.access.services import create_staff

WORDS: Final = (
    "alma", "arman", "aspan", "bulak", "dala", "darya", "gauhar", "jaz", "jibek", "jolbarys", "kanat", "kemel",
    "koktem", "kumis", "maral", "nur", "ormek", "samal", "shanyrak", "sunqar", "tan", "tau", "tolqyn", "zhuldyz",
)  # fmt: skip
PASSWORD_WORDS: Final = 4
LINE: Final = re.compile(r"^  ([a-z]+) +(\S+) +#", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Person:
    """One of the operator's staff. Names are invented. ``note`` says what the person is for."""

    login: str
    full_name: str
    role: str
    note: str
    is_new: bool = False


STAFF: Final = (
    Person("kezekshi", "Айдана Самал", roles.DUTY_OFFICER, "duty officer: proposes to close a day, registers, uploads"),
    Person("ekinshi", "Ерлан Тоғай", roles.DUTY_OFFICER, "duty officer, the second one"),
    Person("baqylaushy", "Сәуле Көкше", roles.CONTROLLER, "controller: confirms what a duty officer proposes"),
    Person("basqarushy", "Дәурен Шалқар", roles.ADMINISTRATOR, "administrator: staff and their rights, events"),
    Person("auditor", "Жанар Мұнар", roles.AUDITOR, "auditor: sees everything, changes nothing"),
    Person(
        "newcomer", "Томирис Бұлақты", roles.DUTY_OFFICER, "duty officer who has to change this password", is_new=True
    ),
)


def password() -> str:
    """A password for a demonstration: four words and four digits, about 31 bits, on a machine of one's own."""
    words = "-".join(secrets.choice(WORDS) for _ in range(PASSWORD_WORDS))
    return f"{words}-{secrets.randbelow(10_000):04}"


def ensure(path: Path, address: str) -> None:
    """Make sure that every person exists and that the file tells the password of each."""
    known = read(path)
    passwords = {person.login: known.get(person.login) or password() for person in STAFF}
    text = render(passwords, address)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write(path, text)
    present = {staff.login: staff for staff in Staff.objects.filter(login__in=passwords)}
    for person in STAFF:
        if person.login not in present:
            _create(person, passwords[person.login])
        elif person.login not in known:
            _renew(present[person.login], passwords[person.login])


def read(path: Path) -> dict[str, str]:
    """Passwords by login; empty when there is no file."""
    if not path.exists():
        return {}
    return dict(LINE.findall(path.read_text(encoding="utf-8")))


def render(passwords: dict[str, str], address: str) -> str:
    """The file as people read it."""
    lines = [f"  {person.login:<12} {passwords[person.login]:<44} # {person.note}" for person in STAFF]
    head = f"Senim sandbox: {address}\nMade for this sandbox alone at its first start.\n\n  login        password\n"
    return head + "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Write the file whole and durable, for its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _create(person: Person, given: str) -> None:
    create_staff(
        person.login,
        person.full_name,
        roles=[person.role],
        password=given,
        must_change_password=person.is_new,
        actor=events.Actor.command(),
    )


def _renew(staff: Staff, given: str) -> None:
    """The file was lost: nobody knows the old password, so there is a new one."""
    with events.act("access.staff.password", events.Actor.command(), record=("staff", staff.login)):
        staff.password = make_password(given)
        staff.failed_attempts, staff.locked_until = 0, None
        staff.save(update_fields=["password", "failed_attempts", "locked_until"])
