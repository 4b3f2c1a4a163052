"""Signing in: one answer to every refusal, few tries, a given password changed first, idle sessions ended."""

import datetime as dt
import threading
import time

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from senim.errors import SenimError
from senim.kernel import events
from senim.kernel.access import roles, services, sessions
from senim.kernel.access.models import Staff
from senim.kernel.events.models import Event

PASSWORD = "жеті-қазына-2026"
ACTOR = events.Actor.command()
SIGN_IN, CHANGE = "/console/sign-in", "/console/password"


def worker(login: str = "aliya", *, first: bool = False, held: list[str] | None = None) -> Staff:
    """Somebody who works here."""
    held = [roles.ADMINISTRATOR] if held is None else held
    return services.create_staff(
        login, "Example Worker", roles=held, password=PASSWORD, must_change_password=first, actor=ACTOR
    ).staff


def enter(client: Client, login: str = "aliya", password: str = PASSWORD, **more: str) -> object:
    """Send the sign-in form."""
    return client.post(SIGN_IN, {"login": login, "password": password, **more})


@pytest.mark.django_db
@pytest.mark.clause("PS-12.4")
def test_whoever_has_login_and_password_enters_and_comes_back_to_the_page(client: Client) -> None:
    worker()
    asked = client.get("/console/events/?q=x")
    assert asked.status_code == 302
    assert asked["Location"] == f"{SIGN_IN}?next=%2Fconsole%2Fevents%2F%3Fq%3Dx"
    page = client.get(asked["Location"])
    assert page.status_code == 200
    key_before = client.session.session_key
    answer = enter(client, " ALIYA ", next="/console/events/?q=x")
    assert answer.status_code == 302  # type: ignore[attr-defined]
    assert answer["Location"] == "/console/events/?q=x"  # type: ignore[index]
    assert client.session.session_key != key_before
    (event,) = Event.objects.filter(name="access.sign_in")
    assert (event.actor, event.outcome, event.record_id) == ("aliya", "succeeded", "aliya")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "http:evil"])
def test_nobody_is_sent_elsewhere(client: Client, address: str) -> None:
    worker()
    assert enter(client, next=address)["Location"] == "/"  # type: ignore[index]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["//evil.example/x", "///evil.example/x", "/\\evil.example/x"])
def test_a_path_that_looks_like_another_host_stays_a_path(client: Client, path: str) -> None:
    worker()
    address = enter(client, next=f"http://testserver{path}")["Location"]  # type: ignore[index]
    assert address.startswith("/")
    assert not address.startswith(("//", "/\\"))


@pytest.mark.django_db
def test_every_refusal_reads_the_same(client: Client) -> None:
    """Wrong password, unknown login, closed account, locked account: one text, one status, and an event for each."""
    worker()
    closed = worker("closed")
    Staff.objects.filter(pk=closed.pk).update(is_active=False)
    locked = worker("locked")
    Staff.objects.filter(pk=locked.pk).update(locked_until=timezone.now() + dt.timedelta(minutes=1))
    answers = [
        enter(client, "aliya", "wrong"),
        enter(client, "nobody"),
        enter(client, "closed"),
        enter(client, "locked"),
        enter(client, "nul\0"),
    ]
    texts = {answer.content.decode().split('role="alert"')[1].split("</div>")[0] for answer in answers[:4]}  # type: ignore[attr-defined]
    assert len(texts) == 1
    assert {answer.status_code for answer in answers} == {422}  # type: ignore[attr-defined]
    assert "_auth_user_id" not in client.session
    refusals = Event.objects.filter(name="access.sign_in", outcome="refused").order_by("id")
    assert [event.record_id for event in refusals] == ["aliya", "unknown", "closed", "locked"]


@pytest.mark.django_db
def test_the_unknown_login_costs_as_much_work_as_the_known(monkeypatch: pytest.MonkeyPatch) -> None:
    worker()
    checked: list[str] = []
    monkeypatch.setattr(services, "check_password", lambda _password, encoded: bool(checked.append(encoded)))
    for login in ("aliya", "nobody"):
        with pytest.raises(services.SignInRefused):
            services.sign_in(login, "x")
    assert len(checked) == 2
    assert all(encoded.startswith("argon2$") for encoded in checked)


@pytest.mark.django_db
def test_five_wrong_tries_close_the_account_for_a_while_even_to_the_right_password() -> None:
    staff = worker()
    for _ in range(5):
        with pytest.raises(services.SignInRefused):
            services.sign_in("aliya", "wrong")
    with pytest.raises(services.SignInRefused):
        services.sign_in("aliya", PASSWORD)
    staff.refresh_from_db()
    assert staff.locked_until is not None
    assert dt.timedelta(minutes=14) < staff.locked_until - timezone.now() <= dt.timedelta(minutes=15)
    Staff.objects.update(locked_until=timezone.now() - dt.timedelta(seconds=1))
    assert services.sign_in("aliya", PASSWORD) == staff
    staff.refresh_from_db()
    assert (staff.failed_attempts, staff.locked_until) == (0, None)


@pytest.mark.django_db
def test_the_fifth_try_may_still_be_the_right_one() -> None:
    worker()
    for _ in range(4):
        with pytest.raises(services.SignInRefused):
            services.sign_in("aliya", "wrong")
    assert services.sign_in("aliya", PASSWORD).failed_attempts == 0


@pytest.mark.django_db(transaction=True)
def test_tries_at_once_are_counted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty tries in parallel: five passwords are looked at, not thirty."""
    staff = worker()
    looked_at: list[str] = []

    def slow_check(password: str, encoded: str) -> bool:
        time.sleep(0.05)
        if encoded == staff.password:
            looked_at.append(password)
        return False

    monkeypatch.setattr(services, "check_password", slow_check)

    def attempt(number: int) -> None:
        try:
            services.sign_in("aliya", str(number))
        except SenimError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(looked_at) == 5
    assert Event.objects.filter(name="access.sign_in", outcome="refused").count() == 30


@pytest.mark.django_db
@pytest.mark.clause("PS-12.4")
def test_the_first_entry_allows_nothing_but_changing_the_password(client: Client) -> None:
    worker(first=True)
    assert enter(client)["Location"] == CHANGE  # type: ignore[index]
    for address in ("/", "/console/", "/console/events/", "/console/search?q=x", "/console/staff/"):
        answer = client.get(address)
        while answer.status_code in {301, 302} and answer["Location"] != CHANGE:
            answer = client.get(answer["Location"])
        assert answer["Location"] == CHANGE, address
    part = client.get("/console/events/", headers={"HX-Request": "true"})
    assert (part.status_code, part["HX-Redirect"]) == (204, CHANGE)
    assert client.get(CHANGE).status_code == 200
    answer = client.post(CHANGE, {"present": PASSWORD, "new": "көк-аспан-астында", "again": "көк-аспан-астында"})
    assert answer.status_code == 302
    assert client.get("/console/events/").status_code == 200
    assert Event.objects.filter(name="access.change_password", outcome="succeeded").count() == 1
    client.post("/console/sign-out")
    assert enter(client).status_code == 422  # type: ignore[attr-defined]
    assert enter(client, password="көк-аспан-астында")["Location"] == "/"  # type: ignore[index]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("present", "new", "again"),
    [
        ("wrong", "көк-аспан-астында", "көк-аспан-астында"),
        (PASSWORD, PASSWORD, PASSWORD),
        (PASSWORD, "short", "short"),
        (PASSWORD, "123456789012", "123456789012"),
        (PASSWORD, "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa"),
        (PASSWORD, "aliya-aliya-2026", "aliya-aliya-2026"),
        (PASSWORD, "q1w2e3r4t5y6", "q1w2e3r4t5y6"),
        (PASSWORD, "көк-аспан-астында", "көк-аспан-үстінде"),
        (PASSWORD, "", ""),
    ],
)
def test_a_weak_or_unproven_change_is_refused_beside_its_field(
    client: Client, present: str, new: str, again: str
) -> None:
    worker(first=True)
    enter(client)
    answer = client.post(CHANGE, {"present": present, "new": new, "again": again})
    assert answer.status_code == 422
    assert 'class="error"' in answer.content.decode()
    assert Staff.objects.get().must_change_password


@pytest.mark.django_db
def test_the_present_password_is_not_guessed_in_a_session_left_open(client: Client) -> None:
    worker()
    enter(client)
    new = {"new": "көк-аспан-астында", "again": "көк-аспан-астында"}
    for number in range(services.ATTEMPTS_MAX):
        assert client.post(CHANGE, {"present": f"guess-{number}", **new}).status_code == 422
    assert client.post(CHANGE, {"present": PASSWORD, **new}).status_code == 422
    with pytest.raises(services.SignInRefused):
        services.sign_in("aliya", PASSWORD)


@pytest.mark.django_db
def test_weak_new_passwords_close_nothing(client: Client) -> None:
    worker()
    enter(client)
    for _ in range(services.ATTEMPTS_MAX + 1):
        assert client.post(CHANGE, {"present": PASSWORD, "new": "short", "again": "short"}).status_code == 422
    assert services.sign_in("aliya", PASSWORD).login == "aliya"


@pytest.mark.django_db
def test_a_stranger_who_signs_out_leaves_no_session(client: Client) -> None:
    assert client.post("/console/sign-out")["Location"] == SIGN_IN
    assert not Session.objects.exists()


@pytest.mark.django_db
def test_changing_the_password_ends_the_other_sessions() -> None:
    worker()
    here, elsewhere = Client(), Client()
    enter(here)
    enter(elsewhere)
    here.post(CHANGE, {"present": PASSWORD, "new": "көк-аспан-астында", "again": "көк-аспан-астында"})
    assert here.get("/console/events/").status_code == 200
    assert elsewhere.get("/console/events/").status_code == 302


@pytest.mark.django_db
@pytest.mark.clause("PS-12.5")
def test_a_session_at_rest_ends_and_the_next_action_asks_to_enter_again(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    settings.SESSION_IDLE_SECONDS = 900  # type: ignore[attr-defined]
    worker()
    enter(client)
    moment = sessions.now()
    for later in (0, 800, 1600, 2400):
        monkeypatch.setattr(sessions, "now", lambda later=later: moment + later)
        assert client.get("/console/events/?q=x").status_code == 200
    monkeypatch.setattr(sessions, "now", lambda: moment + 2400 + 901)
    answer = client.get("/console/events/?q=x")
    assert answer["Location"] == f"{SIGN_IN}?next=%2Fconsole%2Fevents%2F%3Fq%3Dx"
    assert "_auth_user_id" not in client.session
    assert Event.objects.filter(name="access.session_end", actor="aliya").count() == 1
    assert enter(client, next="/console/events/?q=x")["Location"] == "/console/events/?q=x"  # type: ignore[index]


@pytest.mark.django_db
@pytest.mark.clause("PS-12.5")
def test_a_form_sent_too_late_is_not_carried_out_and_leads_back_to_its_page(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker()
    enter(client)
    moment = sessions.now()
    monkeypatch.setattr(sessions, "now", lambda: moment + 100_000)
    body = {"present": PASSWORD, "new": "көк-аспан-астында", "again": "көк-аспан-астында"}
    answer = client.post(CHANGE, body, headers={"Referer": "http://testserver/console/password"})
    assert answer["Location"] == f"{SIGN_IN}?next=%2Fconsole%2Fpassword"
    assert not Event.objects.filter(name="access.change_password").exists()


@pytest.mark.django_db
def test_signing_out_ends_the_session_on_the_server(client: Client) -> None:
    worker()
    enter(client)
    key = client.session.session_key
    assert client.get("/console/sign-out").status_code == 405
    assert client.post("/console/sign-out")["Location"] == reverse("access:sign_in")
    assert not Session.objects.filter(session_key=key).exists()
    assert Event.objects.filter(name="access.sign_out", actor="aliya").count() == 1


@pytest.mark.django_db
def test_the_persons_language_is_kept() -> None:
    services.create_staff(
        "bek", "Example Worker", roles=[roles.AUDITOR], password=PASSWORD, language="ru", must_change_password=False
    )
    client = Client()
    assert enter(client, "bek").cookies["senim_language"].value == "ru"  # type: ignore[attr-defined]
    client.post(reverse("console:language"), {"language": "en", "next": "/"})
    other = Client()
    assert enter(other, "bek").cookies["senim_language"].value == "en"  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_the_forms_are_guarded_against_forgery() -> None:
    worker()
    assert enter(Client(enforce_csrf_checks=True)).status_code == 403  # type: ignore[attr-defined]
