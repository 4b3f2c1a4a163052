"""Authorisation on a real database: one transaction for a batch, money conserved, each decision on record."""

import datetime as dt
import uuid
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow
from tests.roles.payments.centre.scene import DAY, NOON, Scene

from senim import ledger
from senim.kernel.values import iban
from senim.ledger.types import Transfer, TransferFlags
from senim.roles.payments.rules.authorisation import OperationRequest, Outcome
from senim.roles.payments.rules.kinds import LEDGER_KZT, Kind, Means, Source, TransferCode
from senim.roles.payments.services.authorise import NoOpenDay, UnknownInitiator, authorise, operation_ids

pytestmark = pytest.mark.django_db
NEXT_DAY = DAY + dt.timedelta(days=1)


def assert_steps(scene: Scene, kind: Kind) -> None:
    """The one operation has its own kind and went through the steps of PS-7.5, to its entry in the ledger."""
    [row] = scene.rows(
        "SELECT o.kind, o.initiated_at, o.received_at, o.decided_at >= o.received_at, o.status, "
        "t.amount = o.amount_tiyn, t.code FROM payments_operation o JOIN ledger_transfer t ON t.id = o.id"
    )
    assert row == (kind, NOON, NOON, True, 1, True, kind)


@pytest.mark.clause("PS-7.3.1")
def test_a_top_up_moves_money_from_the_initiators_cash_to_the_customer(scene: Scene) -> None:
    [answer] = scene.authorise(scene.top_up(0, 1, 500))
    assert answer.accepted
    assert (scene.cash(0), scene.money(1, 1)) == (-500, 100_500)
    assert (scene.room(0), scene.room(1)) == (10**15 - 500, 10**15 + 500)
    assert_steps(scene, Kind.TOP_UP)


@pytest.mark.clause("PS-7.3.2")
def test_a_transfer_moves_money_between_customers_and_makes_an_obligation(scene: Scene) -> None:
    [answer] = scene.authorise(scene.request(0, 1, 40_000))
    assert answer.accepted
    assert (scene.money(0), scene.money(1, 1)) == (60_000, 140_000)
    assert (scene.room(0), scene.room(1), scene.hub()) == (10**15 - 40_000, 10**15 + 40_000, 0)
    assert_steps(scene, Kind.TRANSFER)


@pytest.mark.clause("PS-7.3.3")
def test_a_purchase_may_be_initiated_by_the_sellers_bank(scene: Scene) -> None:
    sale = scene.request(0, 1, 700, kind=Kind.PURCHASE, initiator_id=scene.banks[1].id, means=Means.QR)
    assert scene.reasons(sale) == [""]
    assert_steps(scene, Kind.PURCHASE)


@pytest.mark.clause("PS-7.3.4")
def test_a_withdrawal_moves_money_from_the_customer_to_the_terminals_cash(scene: Scene) -> None:
    assert scene.reasons(scene.withdrawal(2, 0, 900)) == [""]
    assert (scene.money(0), scene.cash(2)) == (99_100, 900)
    assert (scene.room(0), scene.room(2)) == (10**15 - 900, 10**15 + 900)
    assert_steps(scene, Kind.CASH_WITHDRAWAL)


def test_a_payment_within_one_bank_makes_no_obligation(scene: Scene) -> None:
    assert scene.reasons(scene.request(0, 0, 5)) == [""]
    assert scene.room(0) == 10**15
    assert scene.rows("SELECT count(*) FROM ledger_transfer WHERE code = 10") == [(0,)]


@pytest.mark.clause("PS-3.1.2")
@pytest.mark.clause("PS-7.5.1")
@pytest.mark.clause("PS-7.5.2")
@pytest.mark.clause("PS-7.5.3")
@pytest.mark.clause("PS-5.2")
def test_who_asked_when_it_came_and_what_was_decided_are_on_record(scene: Scene) -> None:
    """Initiated by whom, how and when; arrival; decision with its reason; clock time and operating day."""
    initiated = NOON - dt.timedelta(seconds=3)
    accepted = scene.request(0, 1, 100, means=Means.IIN, initiated_at=initiated, end_to_end_id="E2E-1")
    refused = scene.request(0, 1, 10**9)
    answers = scene.authorise(accepted, refused)
    rows = scene.rows(
        "SELECT id, key, initiator_id, means, initiated_at, received_at, status, reason, day, end_to_end_id, "
        "decided_at FROM payments_operation ORDER BY id"
    )
    bank = scene.banks[0].id
    assert rows[0][:10] == (answers[0].operation_id, accepted.id, bank, 3, initiated, NOON, 1, "", DAY, "E2E-1")
    assert rows[1][:10] == (answers[1].operation_id, refused.id, bank, 1, NOON, NOON, 2, "AM04", DAY, "")
    assert all(row[10] == answer.decided_at >= NOON for row, answer in zip(rows, answers, strict=True))


def test_every_reason_of_the_accounts(scene: Scene) -> None:
    stranger = iban.make(scene.banks[1].bank_code, "ZZZZZZZZZZZZZ")
    closed = scene.customer(2, 1)
    close(scene, closed)
    purchase: dict[str, Any] = {"kind": Kind.PURCHASE, "initiator_id": scene.banks[0].id}
    wanted = {
        "AC01": [scene.request(0, 1, 1, debit_account=iban.make(scene.banks[0].bank_code, "ZZZZZZZZZZZZZ"))],
        "AC03": [scene.request(0, 1, 1, credit_account=stranger), scene.top_up(0, 1, 1, credit_account=stranger)],
        "AC04": [scene.request(2, 1, 1, debit_account=closed, **purchase)],
        "AC07": [scene.request(0, 2, 1, credit_account=closed)],
        "AM04": [scene.request(0, 1, 100_001), scene.withdrawal(1, 0, 10**6, debit_account=scene.customer(0))],
        "AG01": [scene.request(0, 1, 1, initiator_id=scene.banks[1].id)],
    }
    for reason, requests in wanted.items():
        assert scene.reasons(*requests) == [reason] * len(requests)
    assert scene.rows("SELECT count(*) FROM payments_operation WHERE status = 1") == [(0,)]


def close(scene: Scene, number: str) -> None:
    closing = Transfer(
        id=1,
        debit_account_id=iban.account_id(number),
        credit_account_id=iban.account_id(scene.customer(0)),
        ledger=LEDGER_KZT,
        code=TransferCode.CLOSING,
        flags=TransferFlags.PENDING | TransferFlags.CLOSING_DEBIT,
    )
    assert ledger.post(scene.connection, [closing]).all_ok


def test_a_suspended_participant_is_refused_on_record_from_the_next_batch_on(scene: Scene) -> None:
    assert scene.reasons(scene.request(0, 1, 1)) == [""]
    scene.rows("UPDATE payments_participant SET state = 'suspended' WHERE id = %s RETURNING 1", scene.banks[0].id)
    assert scene.reasons(scene.request(0, 1, 1), scene.request(1, 0, 1), scene.request(1, 2, 1)) == ["AG01", "AG01", ""]
    assert scene.rows("SELECT count(*) FROM payments_operation") == [(4,)]


def test_an_unknown_initiator_records_nothing(scene: Scene) -> None:
    with pytest.raises(UnknownInitiator):
        scene.authorise(scene.request(0, 1, 1, initiator_id=0))


def test_money_spent_in_a_batch_was_there_in_the_order_of_the_batch(scene: Scene) -> None:
    """The second payment is possible only by the first, and the third no more."""
    poor, rich = scene.customer(0, 1), scene.customer(1, 0)
    requests = [
        scene.request(1, 0, 100_000),
        scene.request(0, 1, 150_000, debit_account=poor, credit_account=rich),
        scene.request(0, 1, 50_001, debit_account=poor, credit_account=rich),
    ]
    assert scene.reasons(*requests) == ["", "", "AM04"]


class TestRepeats:
    """One key, one operation."""

    def test_the_same_request_gets_the_same_answer_and_moves_nothing(self, scene: Scene) -> None:
        request = scene.request(0, 1, 100)
        [first] = scene.authorise(request)
        [second] = scene.authorise(request, at=NOON + dt.timedelta(hours=1))
        assert (second.operation, second.outcome, second.decided_at) == (
            first.operation,
            first.outcome,
            first.decided_at,
        )
        assert (first.replayed, second.replayed) == (False, True)
        assert scene.money(0) == 99_900

    def test_a_refusal_is_repeated_too(self, scene: Scene) -> None:
        """A retry after a lost answer must not find money that came meanwhile."""
        request = scene.request(0, 1, 100_001)
        assert scene.reasons(request) == ["AM04"]
        assert scene.reasons(scene.top_up(0, 0, 10**6, credit_account=scene.customer(0)), request) == ["", "AM04"]

    def test_within_one_batch(self, scene: Scene) -> None:
        request = scene.request(0, 1, 100)
        answers = scene.authorise(request, request, request)
        assert {answer.operation for answer in answers} == {answers[0].operation}
        assert [answer.replayed for answer in answers] == [False, True, True]
        assert scene.money(0) == 99_900

    @pytest.mark.parametrize("apart", [True, False])
    def test_another_request_under_the_same_key_is_a_conflict(self, scene: Scene, apart: bool) -> None:
        request, other = scene.request(0, 1, 100, id="k"), scene.request(0, 1, 101, id="k")
        answers = scene.authorise(request) + scene.authorise(other) if apart else scene.authorise(request, other)
        assert [answer.outcome for answer in answers] == [Outcome.ACCEPTED, Outcome.CONFLICT]
        assert answers[1].operation == answers[0].operation
        assert scene.rows("SELECT count(*) FROM payments_operation") == [(1,)]

    def test_keys_of_different_participants_do_not_meet(self, scene: Scene) -> None:
        assert scene.reasons(scene.request(0, 1, 1, id="k"), scene.request(1, 0, 1, id="k")) == ["", ""]


class TestDays:
    """PS-3.1.1: 00:00 to 24:00 in Almaty."""

    LAST = dt.datetime(2026, 5, 4, 18, 59, 59, tzinfo=dt.UTC)
    """23:59:59 in Almaty."""

    @pytest.mark.clause("PS-3.1.1")
    @pytest.mark.clause("PS-5.2")
    def test_2359_belongs_to_the_day_and_what_comes_after_its_close_to_the_next(self, scene: Scene) -> None:
        open_day(scene, NEXT_DAY)
        [before] = scene.authorise(scene.request(0, 1, 1, initiated_at=self.LAST), at=self.LAST)
        [midnight] = scene.authorise(scene.request(0, 1, 1), at=self.LAST + dt.timedelta(seconds=1))
        scene.rows("UPDATE payments_operatingday SET state = 'closed' WHERE day = %s RETURNING 1", DAY)
        [late] = scene.authorise(scene.request(0, 1, 1), at=self.LAST)
        assert [a.operating_day for a in (before, midnight, late)] == [DAY, NEXT_DAY, NEXT_DAY]
        seen = scene.rows("SELECT day, count(*) FROM payments_operation GROUP BY day ORDER BY day")
        assert seen == [(DAY, 1), (NEXT_DAY, 2)]
        assert scene.rows("SELECT DISTINCT user_data_32 FROM ledger_transfer WHERE code IN (2, 10) ORDER BY 1") == [
            (20260504,),
            (20260505,),
        ]

    def test_without_an_open_day_nothing_is_recorded(self, scene: Scene) -> None:
        with pytest.raises(NoOpenDay):
            scene.authorise(scene.request(0, 1, 1), at=self.LAST + dt.timedelta(seconds=1))
        assert scene.rows("SELECT count(*) FROM payments_operation") == [(0,)]

    def test_the_minute_is_counted_with_its_delay(self, scene: Scene) -> None:
        """PS-7.4: the delay from arrival to decision is measured."""
        scene.authorise(scene.request(0, 1, 100), scene.request(0, 1, 50), scene.request(0, 1, 10**9))
        scene.authorise(scene.request(0, 1, 1))
        counted = scene.rows(
            "SELECT day, minute, kind, status, reason, operations, amount_tiyn, latency_ms > 0 "
            "FROM payments_operationminute ORDER BY status"
        )
        assert counted == [(DAY, 720, 2, 1, "", 3, 151, True), (DAY, 720, 2, 2, "AM04", 1, 10**9, True)]


def open_day(scene: Scene, day: dt.date) -> None:
    scene.rows(
        "INSERT INTO payments_operatingday (day, state, opened_at, closed_by, operation_count, operation_amount_tiyn, "
        "trouble) VALUES (%s, 'open', now(), '', 0, 0, '') RETURNING 1",
        day,
    )


def set_room(scene: Scene, bank: int, room_tiyn: int) -> None:
    """Leave the bank so much of its cap."""
    from senim.roles.payments.rules.accounts import CAP_CONTROL_ID, Purpose, participant_account_id

    clearing = participant_account_id(scene.banks[bank].bank_code, Purpose.CLEARING)
    change = room_tiyn - scene.room(bank)
    if change:
        debit, credit = (clearing, CAP_CONTROL_ID) if change > 0 else (CAP_CONTROL_ID, clearing)
        move = Transfer(uuid.uuid4().int, debit, credit, abs(change), ledger=LEDGER_KZT, code=TransferCode.CAP_CHANGE)
        assert ledger.post(scene.connection, [move]).all_ok


class TestCap:
    """AM23: exactly what would cross the net debit cap."""

    def test_up_to_the_cap_and_no_tiyn_further(self, scene: Scene) -> None:
        set_room(scene, 0, 1_000)
        assert scene.reasons(scene.request(0, 1, 600), scene.request(0, 1, 401), scene.request(0, 1, 400)) == [
            "",
            "AM23",
            "",
        ]
        assert scene.room(0) == 0

    def test_what_comes_in_makes_room_in_the_same_batch(self, scene: Scene) -> None:
        set_room(scene, 0, 0)
        assert scene.reasons(scene.request(1, 0, 70), scene.request(0, 2, 70), scene.request(0, 2, 1)) == [
            "",
            "",
            "AM23",
        ]

    def test_money_that_never_came_makes_no_room(self, scene: Scene) -> None:
        set_room(scene, 0, 0)
        assert scene.reasons(scene.request(1, 0, 100_001), scene.request(0, 2, 70)) == ["AM04", "AM23"]

    def test_a_refused_payment_gives_its_room_back(self, scene: Scene) -> None:
        set_room(scene, 0, 100_001)
        assert scene.reasons(scene.request(0, 1, 100_001), scene.request(0, 1, 50_000)) == ["AM04", ""]

    def test_a_ring_of_banks_without_room_pays_if_it_started_with_a_tiyn(self, scene: Scene) -> None:
        """No order of posting by pairs would do; through the hub all that comes in counts first."""
        for bank in range(3):
            set_room(scene, bank, 0)
        set_room(scene, 0, 50)
        ring = [scene.request(bank, (bank + 1) % 3, 50) for bank in range(3)]
        assert scene.reasons(*ring) == ["", "", ""]
        assert [scene.room(bank) for bank in range(3)] == [50, 0, 0]

    def test_within_a_bank_there_is_no_cap(self, scene: Scene) -> None:
        set_room(scene, 0, 0)
        assert scene.reasons(scene.request(0, 0, 10)) == [""]

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_against_a_small_model(self, scene: Scene, data: st.DataObject) -> None:
        """Caps and balances never crossed, nothing refused that would have fitted, money neither made nor lost."""
        banks, amounts = st.integers(0, 2), st.integers(1, 60_000)
        rooms = data.draw(st.lists(st.integers(0, 80_000), min_size=3, max_size=3))
        wanted = data.draw(st.lists(st.tuples(banks, banks, amounts), min_size=1, max_size=12))
        scene.connection.execute("SAVEPOINT example")
        try:
            check_against_model(scene, rooms, wanted)
        finally:
            scene.connection.execute("ROLLBACK TO SAVEPOINT example")


def check_against_model(scene: Scene, rooms: list[int], wanted: list[tuple[int, int, int]]) -> None:
    """Replay the accepted in an order in which each fits; none of the refused may fit at the end."""
    for bank, room in enumerate(rooms):
        set_room(scene, bank, room)
    total = sum(scene.money(bank, number) for bank in range(3) for number in range(2))
    reasons = scene.reasons(*(scene.request(*one) for one in wanted))
    left = list(rooms)
    for (payer, payee, amount), reason in zip(wanted, reasons, strict=True):
        if not reason and payer != payee:
            left[payer] -= amount
            left[payee] += amount
    assert left == [scene.room(bank) for bank in range(3)]
    assert min(left) >= 0
    assert scene.hub() == 0
    assert min(scene.money(bank) for bank in range(3)) >= 0
    assert total == sum(scene.money(bank, number) for bank in range(3) for number in range(2))
    for (payer, _, amount), reason in zip(wanted, reasons, strict=True):
        assert reason in ("", "AM04", "AM23")
        assert reason != "AM23" or left[payer] < amount, "refused though it would have fitted"
    assert not any(reason == "AM23" for (p, q, _), reason in zip(wanted, reasons, strict=True) if p == q)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_split_into_batches_and_any_repeat_ends_the_same(scene: Scene, data: st.DataObject) -> None:
    """Far from the caps: cutting the stream elsewhere, or sending parts again, changes no balance and no answer."""
    amounts = st.integers(1, 90_000)
    wanted = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), amounts), min_size=1, max_size=10))
    requests = [scene.request(*one) for one in wanted]
    cut = data.draw(st.integers(0, len(requests)))
    again = data.draw(st.lists(st.sampled_from(requests), max_size=4))
    ends = []
    for batches in ([requests], [requests[:cut], again_of(again, requests[:cut]), requests[cut:], again]):
        scene.connection.execute("SAVEPOINT example")
        answers = [answer for batch in batches for answer in scene.authorise(*batch)]
        decided = {answer.id: (answer.outcome, answer.reason) for answer in answers}
        ends.append(
            (decided, [scene.money(b, n) for b in range(3) for n in range(2)], [scene.room(b) for b in range(3)])
        )
        scene.connection.execute("ROLLBACK TO SAVEPOINT example")
    assert ends[0] == ends[1]


def again_of(again: list[OperationRequest], sent: list[OperationRequest]) -> list[OperationRequest]:
    return [request for request in again if request in sent]


def test_a_file_numbers_its_operations_on(scene: Scene) -> None:
    file = uuid.uuid4()
    for first in (0, 2):
        requests = [scene.request(0, 1, 1), scene.request(0, 1, 1)]
        authorise(scene.connection, requests, received_at=NOON, source=Source.FILE, file_id=file, first_index=first)
    rows = scene.rows("SELECT file_index, source FROM payments_operation WHERE file_id = %s ORDER BY 1", file)
    assert rows == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_an_empty_batch_is_nothing(scene: Scene) -> None:
    assert scene.authorise() == []


def test_operations_are_final(scene: Scene, connection: psycopg.Connection[TupleRow]) -> None:
    scene.authorise(scene.request(0, 1, 1))
    for statement in ("UPDATE payments_operation SET amount_tiyn = 2", "DELETE FROM payments_operation"):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation), connection.transaction():
            connection.execute(statement)


def test_ids_rise_and_tell_their_time() -> None:
    clock = dt.datetime(2026, 5, 4, 7, 0, 0, 123_457, tzinfo=dt.UTC)
    ids = operation_ids(clock)
    many = [next(ids) for _ in range(5_000)]
    later = next(operation_ids(clock + dt.timedelta(microseconds=1)))
    assert sorted(set(many)) == many
    assert later > many[-1]
    first = uuid.UUID(bytes=many[0])
    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first.int >> 80 == int(clock.timestamp() * 1_000)
