"""Events: six attributes, in the transaction of the act, append-only."""

import datetime as dt
import threading
from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from senim.errors import BadInput
from senim.kernel import events
from senim.kernel.events.models import Event

ACTOR = events.Actor.job("test")
SIX = {
    "name": "test.act",
    "actor_kind": "job",
    "actor": "test",
    "actor_label": "test",
    "record_type": "thing",
    "record_id": "1",
    "began_at": dt.datetime(2026, 5, 4, 10, 0, tzinfo=dt.UTC),
    "ended_at": dt.datetime(2026, 5, 4, 10, 1, tzinfo=dt.UTC),
    "outcome": "succeeded",
}


@pytest.mark.django_db
@pytest.mark.clause("EM-55.11")
@pytest.mark.clause("PO-34.11")
@pytest.mark.clause("EM-55.5")
@pytest.mark.clause("PO-34.5")
def test_an_act_leaves_an_event_with_its_six_attributes() -> None:
    before = timezone.now()
    with events.act("test.act", ACTOR, record=("thing", 7), operating_day=dt.date(2026, 5, 4), count=3) as act:
        act.data["more"] = dt.date(2026, 5, 4)
    event = Event.objects.get(pk=act.event_id)
    assert (event.name, event.actor, event.record_type, event.record_id) == ("test.act", "test", "thing", "7")
    assert before <= event.began_at <= event.ended_at <= timezone.now()
    assert (event.outcome, event.reason) == ("succeeded", "")
    assert event.data == {"count": 3, "more": "2026-05-04"}
    assert event.operating_day == dt.date(2026, 5, 4)


@pytest.mark.django_db
@pytest.mark.clause("EM-55.11")
@pytest.mark.clause("PO-34.11")
@pytest.mark.parametrize(
    "attribute", ["name", "actor", "actor_label", "record_type", "record_id", "began_at", "ended_at", "outcome"]
)
def test_the_database_stores_no_event_that_lacks_an_attribute(attribute: str) -> None:
    empty = None if attribute.endswith("_at") else ""
    for value in {None, empty}:
        with pytest.raises(IntegrityError), transaction.atomic():
            Event.objects.create(**(SIX | {attribute: value}))
    assert Event.objects.create(**SIX).pk


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong", [{"ended_at": SIX["began_at"] - dt.timedelta(seconds=1)}, {"outcome": "maybe"}, {"actor_kind": "cat"}]
)  # type: ignore[operator]
def test_the_database_stores_no_event_that_contradicts_itself(wrong: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Event.objects.create(**(SIX | wrong))


@pytest.mark.django_db
def test_an_act_that_does_not_name_its_record_is_not_done() -> None:
    with pytest.raises(events.EventIncomplete), events.act("test.act", ACTOR):
        Event.objects.create(**SIX)
    (refusal,) = Event.objects.all()
    assert (refusal.outcome, refusal.record_type) == ("refused", "none")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (BadInput("The thing is bent."), "refused", "senim.bad_input: The thing is bent."),
        (PermissionDenied("secret detail"), "refused", "access.denied"),
        (ZeroDivisionError("secret detail"), "failed", "ZeroDivisionError"),
        (KeyboardInterrupt(), "failed", "KeyboardInterrupt"),
    ],
)
def test_what_went_wrong_is_undone_and_recorded(error: BaseException, outcome: str, reason: str) -> None:
    def go_wrong() -> None:
        with events.act("test.act", ACTOR, record=("thing", 1)):
            Event.objects.create(**SIX)
            raise error

    with pytest.raises(type(error)):
        go_wrong()
    (event,) = Event.objects.all()
    assert (event.outcome, event.reason) == (outcome, reason)


@pytest.mark.django_db
def test_a_refusal_may_be_the_result_without_an_exception() -> None:
    with events.act("test.act", ACTOR, record=("thing", 1)) as act:
        act.refuse("not.now")
    assert Event.objects.get(pk=act.event_id).outcome == "refused"


@pytest.mark.django_db(transaction=True)
def test_an_act_inside_a_transaction_that_rolls_back_still_leaves_its_refusal() -> None:
    with pytest.raises(BadInput), transaction.atomic(), events.act("test.act", ACTOR, record=("thing", 1)):
        raise BadInput
    assert Event.objects.get().outcome == "refused"


@pytest.mark.django_db(transaction=True)
def test_an_act_in_a_broken_transaction_still_leaves_its_failure() -> None:
    act = events.act("test.act", ACTOR, record=("thing", 1))
    with pytest.raises(DatabaseError), transaction.atomic(), act, connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")
    assert Event.objects.get().outcome == "failed"


@pytest.mark.django_db(transaction=True)
def test_a_success_is_undone_with_the_caller() -> None:
    def undo() -> None:
        with transaction.atomic():
            with events.act("test.act", ACTOR, record=("thing", 1)):
                pass
            raise RuntimeError

    with pytest.raises(RuntimeError):
        undo()
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_texts_of_strangers_cannot_stop_the_recording() -> None:
    stranger = events.Actor.client("x" * 500, "nul\0" + "я" * 500)
    with events.act("test.act", stranger, record=("thing", "y" * 500), said="a\0b") as act:
        pass
    event = Event.objects.get(pk=act.event_id)
    assert (len(event.actor), len(event.record_id), event.data) == (80, 80, {"said": "ab"})


@pytest.mark.django_db
@pytest.mark.clause("EM-55.1")
@pytest.mark.clause("PO-34.1")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET {} = {}",
        "DELETE FROM {}",
        "TRUNCATE {}",
    ],
)
@pytest.mark.parametrize(
    ("table", "column"), [("events_event", "reason"), ("events_seal", "digest"), ("events_head", "signature")]
)
def test_the_register_is_append_only(statement: str, table: str, column: str) -> None:
    with events.act("test.act", ACTOR, record=("thing", 1)):
        pass
    events.seal()
    from senim.kernel.events import heads

    assert heads.sign(bytes.hex)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table, column, column))


def in_thread(work: Callable[[], None]) -> threading.Thread:
    """Run on another connection."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_events_that_commit_out_of_order_are_sealed_all_the_same() -> None:
    """The event written first commits last: sealed after what overtook it, never skipped."""
    first_written, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic(), events.act("test.slow", ACTOR, record=("thing", 1)):
            pass
        with transaction.atomic():
            events.note("test.slow", ACTOR, ("thing", "late"))
            first_written.set()
            may_commit.wait(10)

    thread = in_thread(slow)
    assert first_written.wait(10)
    events.note("test.fast", ACTOR, ("thing", 2))
    assert events.seal() == 2
    may_commit.set()
    thread.join(10)
    assert events.seal() == 1
    assert events.seal() == 0
    found = events.verify()
    assert (found.intact, found.sealed, found.unsealed) == (True, 3, 0)


@pytest.mark.django_db(transaction=True)
def test_many_writers_and_sealers_make_one_unbroken_chain() -> None:
    def write() -> None:
        for number in range(40):
            with events.act("test.act", ACTOR, record=("thing", number)):
                pass

    def seal() -> None:
        for _ in range(20):
            events.seal(limit=7)

    threads = [in_thread(work) for work in (write, write, write, seal, seal)]
    for thread in threads:
        thread.join(60)
    while events.seal(limit=50):
        pass
    found = events.verify()
    assert (found.intact, found.sealed) == (True, 120)
