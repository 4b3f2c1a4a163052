"""What a password must be, said in the reader's language.

Django's own rules say the same, but Django's Kazakh catalogue is silent on them.
"""

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from senim.kernel.access.models import Staff

DISTINCT_MIN = 6
PART_MIN = 4


class Length:
    """Long enough: length is what makes guessing hopeless."""

    def __init__(self, min_length: int = 12) -> None:
        self.min_length = min_length

    def validate(self, password: str, user: Staff | None = None) -> None:
        """Refuse a shorter password."""
        del user
        if len(password) < self.min_length:
            raise ValidationError(self.get_help_text(), code="password_too_short")

    def get_help_text(self) -> str:
        """The rule in words."""
        return _("At least %(count)d characters.") % {"count": self.min_length}


class NotCommon(CommonPasswordValidator):
    """Not one of the twenty thousand that are tried first."""

    def validate(self, password: str, user: Staff | None = None) -> None:
        """Refuse a password of the list."""
        try:
            super().validate(password, user)
        except ValidationError:
            raise ValidationError(self.get_help_text(), code="password_too_common") from None

    def get_help_text(self) -> str:
        """The rule in words."""
        return _("Not one of the widely used passwords.")


class NotOneself:
    """Without the person's own login, name or address in it."""

    def validate(self, password: str, user: Staff | None = None) -> None:
        """Refuse a password that holds a part of what is known about the person."""
        known = [str(getattr(user, field, "")) for field in ("login", "full_name", "email")]
        parts = {part for text in known for part in text.lower().replace("@", " ").replace(".", " ").split()}
        if any(len(part) >= PART_MIN and part in password.lower() for part in parts):
            raise ValidationError(self.get_help_text(), code="password_too_similar")

    def get_help_text(self) -> str:
        """The rule in words."""
        return _("Without your login, name or e-mail in it.")


class Varied:
    """Not digits alone, nor a few characters over and over."""

    def validate(self, password: str, user: Staff | None = None) -> None:
        """Refuse a monotonous password."""
        del user
        if password.isdigit() or len(set(password)) < DISTINCT_MIN:
            raise ValidationError(self.get_help_text(), code="password_monotonous")

    def get_help_text(self) -> str:
        """The rule in words."""
        return _("Not digits alone, and at least %(count)d different characters.") % {"count": DISTINCT_MIN}
