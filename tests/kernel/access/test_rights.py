"""Rights: declared in code, held through roles, kept at every page."""

import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from senim.kernel import events
from senim.kernel.access import guard, roles, sealed, services
from senim.kernel.access.models import Staff
from senim.kernel.events.models import Event

LEVELS = [roles.ADMINISTRATOR, roles.DUTY_OFFICER, roles.CONTROLLER, roles.AUDITOR]


@guard.requires("access.manage_staff")
def manage(request: HttpRequest, number: int) -> HttpResponse:
    """An administrator's function."""
    return HttpResponse(str(number))


def asked_by(user: Staff) -> HttpRequest:
    request = RequestFactory().get("/console/manage/7")
    request.user = user
    return request


def worker(*held: str) -> Staff:
    return services.create_staff("aliya", "Example Worker", roles=held, must_change_password=False).staff


@pytest.mark.django_db
@pytest.mark.clause("EM-55.2")
@pytest.mark.clause("PO-34.2")
@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
@pytest.mark.parametrize("role", LEVELS)
def test_a_user_is_refused_an_administrators_function(role: str) -> None:
    request = asked_by(worker(role))
    if role == roles.ADMINISTRATOR:
        assert manage(request, 7).content == b"7"  # type: ignore[attr-defined]
        return
    with pytest.raises(PermissionDenied):
        manage(request, 7)
    (event,) = Event.objects.filter(name="access.refuse")
    assert (event.actor, event.record_id, event.outcome) == ("aliya", "/console/manage/7", "refused")
    assert event.data["permission"] == "access.manage_staff"


@pytest.mark.django_db
@pytest.mark.clause("EM-55.2")
@pytest.mark.clause("PO-34.2")
def test_a_refused_page_answers_403(client: Client) -> None:
    staff = worker(roles.DUTY_OFFICER)
    client.force_login(staff)
    assert client.get("/console/staff/").status_code == 403
    services.set_roles(staff, [roles.AUDITOR], events.Actor.command())
    assert client.get("/console/staff/").status_code == 200


@pytest.mark.django_db
def test_rights_are_the_union_of_roles_and_nothing_else() -> None:
    staff = worker(roles.DUTY_OFFICER, roles.AUDITOR)
    held = {
        permission.name for permission in roles.declared() if permission.roles & {roles.DUTY_OFFICER, roles.AUDITOR}
    }
    assert {permission.name for permission in roles.declared() if staff.has_perm(permission.name)} == held
    assert staff.has_perms(sorted(held))
    assert not staff.has_perm("payments.no_such_permission")
    staff.is_active = False
    assert not any(staff.has_perm(permission.name) for permission in roles.declared())


@pytest.mark.django_db
def test_nobody_gets_rights_by_a_row_in_the_database() -> None:
    staff = worker()
    Staff.objects.filter(pk=staff.pk).update(roles=["superuser", "access.manage_staff"])
    staff.refresh_from_db()
    assert not staff.has_perm("access.manage_staff")


def test_permissions_are_declared_once_and_well() -> None:
    with pytest.raises(ValueError, match="form"):
        roles.declare("nonsense", "", to={roles.AUDITOR})
    with pytest.raises(ValueError, match="unknown roles"):
        roles.declare("test.see", "", to={"cleaner"})
    with pytest.raises(ValueError, match="twice"):
        roles.declare("events.view", "", to={roles.DUTY_OFFICER})
    assert not roles.is_declared("test.see")


@pytest.mark.django_db
@pytest.mark.clause("EM-55.3")
@pytest.mark.clause("PO-34.3")
@pytest.mark.parametrize("field", ["login", "full_name"])
def test_a_worker_without_a_mandatory_field_is_refused_by_its_name(field: str) -> None:
    given = {"login": "aliya", "full_name": "Example Worker"} | {field: "  "}
    with pytest.raises(services.StaffRefused, match=field) as refusal:
        services.create_staff(**given, roles=[])
    assert refusal.value.fields["field"] == field
    assert not Staff.objects.exists()


@pytest.mark.django_db
def test_a_login_is_taken_in_whatever_case() -> None:
    worker()
    with pytest.raises(services.StaffRefused):
        services.create_staff(" AliYa", "Example Worker", roles=[])
    with pytest.raises(services.StaffRefused):
        services.create_staff("bek", "Example Worker", roles=["king"])


@pytest.mark.django_db
def test_given_passwords_differ_and_are_kept_only_as_argon2() -> None:
    made = [services.create_staff(f"worker{number}", "Example Worker", roles=[]) for number in range(3)]
    assert len({new.password for new in made}) == 3
    for new in made:
        assert new.staff.password.startswith("argon2$")
        assert new.password not in new.staff.password
        assert new.staff.must_change_password


@given(st.binary(max_size=200), st.text(max_size=10))
def test_a_sealed_secret_opens_for_its_purpose_alone(secret: bytes, purpose: str) -> None:
    kept = sealed.seal(secret, purpose)
    assert sealed.open_(kept, purpose) == secret
    assert secret == b"" or secret not in kept or len(secret) < 4
    with pytest.raises(sealed.NotOpened):
        sealed.open_(kept, purpose + "x")


@given(st.binary(min_size=1, max_size=64), st.data())
def test_a_changed_sealed_secret_does_not_open(secret: bytes, data: st.DataObject) -> None:
    kept = bytearray(sealed.seal(secret))
    kept[data.draw(st.integers(0, len(kept) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(sealed.NotOpened):
        sealed.open_(bytes(kept))
    with pytest.raises(sealed.NotOpened):
        sealed.open_(bytes(kept[: len(kept) // 2]))


def test_another_deployment_opens_nothing(settings: object) -> None:
    kept = sealed.seal(b"secret")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]  # type: ignore[attr-defined]
    settings.SECRET_KEY = "y" * 50  # type: ignore[attr-defined]
    assert sealed.open_(kept) == b"secret"
    settings.SECRET_KEY_FALLBACKS = []  # type: ignore[attr-defined]
    with pytest.raises(sealed.NotOpened):
        sealed.open_(kept)
