"""Who works here: staff, with roles whose permissions are declared in code."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from senim.kernel.access import roles


class StaffManager(BaseUserManager["Staff"]):
    """Finds staff by login, in whatever case it is typed."""

    def get_by_natural_key(self, username: str | None) -> "Staff":
        """Return the person with this login.

        Raises:
            Staff.DoesNotExist: nobody has it.
        """
        return self.get(login=(username or "").strip().lower())


class Staff(AbstractBaseUser):
    """A worker of the organisation who signs in to the console (PS-12.4, EM-55.2).

    Rights come from ``roles`` alone; what a role may do is declared in code (``senim.kernel.access.roles``), so a
    row in the database cannot widen it.
    """

    login = models.CharField(_("Login"), max_length=64, unique=True)
    full_name = models.CharField(_("Full name"), max_length=140)
    email = models.EmailField(_("E-mail"), blank=True)
    language = models.CharField(_("Language"), max_length=2, default="kk")
    roles = ArrayField(models.CharField(max_length=32), verbose_name=_("Roles"), default=list, blank=True)
    is_active = models.BooleanField(_("May sign in"), default=True)
    must_change_password = models.BooleanField(default=True)
    password_changed_at = models.DateTimeField(null=True)
    failed_attempts = models.IntegerField(default=0)
    locked_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[StaffManager] = StaffManager()

    USERNAME_FIELD = "login"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["full_name"]

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("staff")
        constraints = (
            models.CheckConstraint(condition=Q(login=Lower("login")), name="staff_login_lower_case"),
            models.CheckConstraint(condition=~Q(login="") & ~Q(full_name=""), name="staff_named"),
            models.CheckConstraint(condition=Q(failed_attempts__gte=0), name="staff_failed_attempts_not_negative"),
        )

    def __str__(self) -> str:
        return self.full_name

    @property
    def is_administrator(self) -> bool:
        """Whether this is one of the two levels that EM-55.2 names: administrator, not user."""
        return roles.ADMINISTRATOR in self.roles

    def has_perm(self, permission: str, obj: object = None) -> bool:
        """Tell whether any role of this person carries ``permission`` (for example ``payments.view_operations``)."""
        del obj
        return self.is_active and permission in roles.permissions_of(self.roles)

    def has_perms(self, permissions: list[str], obj: object = None) -> bool:
        """Tell whether this person has every one of ``permissions``."""
        return all(self.has_perm(permission, obj) for permission in permissions)

    def has_module_perms(self, app_label: str) -> bool:
        """Tell whether this person may do anything at all in the part ``app_label`` (used by templates' ``perms``)."""
        return self.is_active and any(p.startswith(f"{app_label}.") for p in roles.permissions_of(self.roles))
