"""Two people: one proposes, another decides, once."""

import threading
from collections.abc import Iterator

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from senim.errors import BadInput, SenimError
from senim.kernel import approvals
from senim.kernel.access import roles
from senim.kernel.access.models import Staff
from senim.kernel.approvals import registry
from senim.kernel.approvals.models import Approval
from senim.kernel.events.models import Event

KIND = "test.thing"
PERMISSION = "approvals.view"
DONE: list[tuple[str, int, str]] = []


class ThingApproval:
    """Notes what was carried out."""

    permission = PERMISSION

    @staticmethod
    def on_approve(approval: Approval, checker: Staff) -> None:
        if approval.payload.get("impossible"):
            raise BadInput("The thing has broken meanwhile.")
        DONE.append(("approved", approval.pk, checker.login))

    @staticmethod
    def on_refuse(approval: Approval, checker: Staff) -> None:
        DONE.append(("refused", approval.pk, checker.login))

    @staticmethod
    def on_withdraw(approval: Approval, maker: Staff) -> None:
        DONE.append(("withdrawn", approval.pk, maker.login))


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    """Things can be approved during these tests."""
    approvals.handler(KIND)(ThingApproval)
    DONE.clear()
    yield
    registry._HANDLERS.pop(KIND)


def person(login: str, *held: str) -> Staff:
    return Staff.objects.create(
        login=login, full_name=login, roles=list(held or [roles.CONTROLLER]), must_change_password=False
    )


def proposed(maker: Staff, record_id: str = "1", **payload: object) -> Approval:
    return approvals.propose(KIND, maker=maker, record=("thing", record_id), title="A thing", payload=payload)


def outcomes(name: str) -> list[str]:
    return list(Event.objects.filter(name=name).order_by("id").values_list("outcome", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize(("approve", "word"), [(True, "approved"), (False, "refused")])
def test_a_second_person_decides_and_the_act_is_done_with_the_decision(approve: bool, word: str) -> None:
    maker, checker = person("maker"), person("checker")
    approval = proposed(maker)
    decided = approvals.decide(approval.pk, checker, approve=approve, comment="seen")
    decided.refresh_from_db()
    assert (decided.state, decided.checker, decided.comment) == (word, checker, "seen")
    assert decided.decided_at is not None
    assert [(word, approval.pk, "checker")] == DONE
    event = Event.objects.get(name="approvals.approve" if approve else "approvals.refuse")
    assert (event.actor, event.record_id, event.data["subject"]) == ("checker", str(approval.pk), ["thing", "1"])
    with pytest.raises(approvals.AlreadyDecided):
        approvals.decide(approval.pk, checker, approve=not approve)
    assert len(DONE) == 1


@pytest.mark.django_db
def test_nobody_decides_their_own_act_and_the_try_is_recorded() -> None:
    maker = person("maker", *roles.LABELS)
    approval = proposed(maker)
    for approve in (True, False):
        with pytest.raises(approvals.OwnAct):
            approvals.decide(approval.pk, maker, approve=approve)
    approval.refresh_from_db()
    assert (approval.state, DONE) == ("waiting", [])
    assert outcomes("approvals.approve") == ["refused"]


@pytest.mark.django_db
def test_the_database_itself_refuses_a_maker_who_decides() -> None:
    maker = person("maker")
    approval = proposed(maker)
    with pytest.raises(IntegrityError, match="approval_by_another"), transaction.atomic():
        Approval.objects.filter(pk=approval.pk).update(checker=maker, state="approved", decided_at=timezone.now())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"state": "approved"},
        {"state": "refused", "decided_at": timezone.now()},
        {"state": "withdrawn"},
        {"decided_at": timezone.now()},
        {"state": "done"},
    ],
)
def test_the_database_refuses_a_state_that_does_not_hold_together(fields: dict[str, object]) -> None:
    approval = proposed(person("maker"))
    with pytest.raises(IntegrityError, match="approval_state"), transaction.atomic():
        Approval.objects.filter(pk=approval.pk).update(**fields)


@pytest.mark.django_db
@pytest.mark.clause("EM-55.2")
@pytest.mark.clause("PO-34.2")
def test_deciding_asks_for_the_permission_of_the_kind() -> None:
    approval = proposed(person("maker"))
    stranger = Staff.objects.create(login="stranger", full_name="Stranger", roles=[])
    with pytest.raises(PermissionDenied):
        approvals.decide(approval.pk, stranger, approve=True)
    assert DONE == []
    assert outcomes("approvals.approve") == ["refused"]


@pytest.mark.django_db
def test_what_cannot_be_carried_out_is_not_decided() -> None:
    approval = proposed(person("maker"), impossible=True)
    with pytest.raises(BadInput, match="broken"):
        approvals.decide(approval.pk, person("checker"), approve=True)
    approval.refresh_from_db()
    assert (approval.state, approval.checker) == ("waiting", None)
    assert approvals.decide(approval.pk, Staff.objects.get(login="checker"), approve=False).state == "refused"


@pytest.mark.django_db
def test_only_the_maker_withdraws_and_only_while_it_waits() -> None:
    maker, other = person("maker"), person("other")
    approval = proposed(maker)
    with pytest.raises(approvals.NotTheirs):
        approvals.withdraw(approval.pk, other)
    assert approvals.withdraw(approval.pk, maker, "a mistake").state == "withdrawn"
    assert [("withdrawn", approval.pk, "maker")] == DONE
    with pytest.raises(approvals.AlreadyDecided):
        approvals.decide(approval.pk, other, approve=True)
    assert proposed(maker).state == "waiting"


@pytest.mark.django_db
def test_the_same_act_waits_only_once() -> None:
    maker = person("maker")
    proposed(maker)
    with pytest.raises(approvals.AlreadyWaiting):
        proposed(maker)
    assert proposed(maker, "2").state == "waiting"


@pytest.mark.django_db
def test_an_unknown_kind_is_refused_at_once() -> None:
    with pytest.raises(approvals.UnknownKind):
        approvals.propose("test.nonsense", maker=person("maker"), record=("thing", "1"), title="?")


def test_a_kind_has_one_handler_with_a_permission() -> None:
    class Other:
        permission = PERMISSION

    class Careless:
        pass

    with pytest.raises(ValueError, match="already"):
        approvals.handler(KIND)(Other)
    with pytest.raises(ValueError, match="permission"):
        approvals.handler("test.other")(Careless)


@pytest.mark.django_db(transaction=True)
def test_of_two_checkers_at_once_exactly_one_decides() -> None:
    maker, one, other = person("maker"), person("one"), person("other")
    answers: list[str] = []

    def decide(approval_id: int, checker: Staff, barrier: threading.Barrier, approve: bool) -> None:
        try:
            barrier.wait(10)
            answers.append(approvals.decide(approval_id, checker, approve=approve).state)
        except SenimError as error:
            answers.append(error.code)
        finally:
            connection.close()

    for number in range(8):
        approval = proposed(maker, str(number))
        barrier = threading.Barrier(2)
        threads = [
            threading.Thread(target=decide, args=(approval.pk, who, barrier, who is one)) for who in (one, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(DONE) == 8
    assert answers.count("approvals.already_decided") == 8


PEOPLE = ["a", "b", "c"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("propose"), st.sampled_from(PEOPLE)),
        st.tuples(st.just("approve"), st.sampled_from(PEOPLE)),
        st.tuples(st.just("refuse"), st.sampled_from(PEOPLE)),
        st.tuples(st.just("withdraw"), st.sampled_from(PEOPLE)),
    ),
    max_size=12,
)


class AnyCourse(TestCase):
    """Whatever people do, in whatever order."""

    @settings(max_examples=60)
    @given(STEPS)
    def test_every_act_has_two_people_and_one_end(self, steps: list[tuple[str, str]]) -> None:
        DONE.clear()
        people = {login: person(login) for login in PEOPLE}
        for verb, login in steps:
            last = Approval.objects.order_by("-pk").first()
            try:
                if verb == "propose":
                    proposed(people[login])
                elif last and verb == "withdraw":
                    approvals.withdraw(last.pk, people[login])
                elif last:
                    approvals.decide(last.pk, people[login], approve=verb == "approve")
            except SenimError:
                continue
        ends = [(row.state, row.pk) for row in Approval.objects.exclude(state="waiting").order_by("pk")]
        assert [(word, pk) for word, pk, _who in DONE] == ends
        for row in Approval.objects.all():
            assert row.checker_id != row.maker_id
        assert Approval.objects.filter(state="waiting").count() <= 1
