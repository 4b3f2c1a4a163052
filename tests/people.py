"""Staff for tests, each with a role that the program declares."""

from senim.kernel.access.models import Staff


def staff(login: str, role: str) -> Staff:
    """A person of ``role`` whose first password has been changed already."""
    from senim.kernel.access import services

    made = services.create_staff(
        login, f"Test {login}", roles=[role], password="A-long-enough-pass-41", must_change_password=False
    )
    return made.staff
