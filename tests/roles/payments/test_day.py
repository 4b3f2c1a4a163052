"""The operating day: whose day an operation is, who closes it, what is netted, settled and posted."""

import datetime as dt
import threading

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, connections
from tests.roles.payments.closing import JOB, Market, post_behind_the_operations, rows

from senim.kernel import approvals
from senim.kernel.approvals.services import OwnAct
from senim.kernel.values import almaty
from senim.roles.payments.models import (
    MessageFile,
    Obligation,
    OperatingDay,
    Operation,
    Participant,
    Position,
    SettlementInstruction,
)
from senim.roles.payments.rules import operating_day
from senim.roles.payments.rules.kinds import DayState, Kind
from senim.roles.payments.services import day, settlement
from senim.roles.payments.services.day_state import (
    CloseStopped,
    DayDoesNotBalance,
    DayNotBegun,
    DayNotOpen,
    DayNotOver,
    DayUnknown,
    PostingWaits,
    SettlementBankMissing,
    SettlementBankSilent,
    SettlementRefused,
    trouble_text,
)

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def carry_to_instructed(market: Market) -> None:
    market.close()
    assert day.advance(market.day, JOB) == DayState.INSTRUCTED


@pytest.mark.clause("PS-1.1.10")
def test_a_day_is_the_24_hours_of_almaty() -> None:
    one = dt.date(2026, 11, 20)
    assert operating_day.closes_at(one, "00:00") == dt.datetime(2026, 11, 20, 19, 0, tzinfo=dt.UTC)
    assert almaty.begins_at(one) == dt.datetime(2026, 11, 19, 19, 0, tzinfo=dt.UTC)
    assert operating_day.closes_at(one, "18:00") == dt.datetime(2026, 11, 20, 13, 0, tzinfo=dt.UTC)
    assert not operating_day.is_over(one, "00:00", dt.datetime(2026, 11, 20, 18, 59, 59, tzinfo=dt.UTC))
    assert operating_day.is_over(one, "00:00", dt.datetime(2026, 11, 20, 19, 0, tzinfo=dt.UTC))


def test_after_a_long_standstill_the_next_day_is_today() -> None:
    now = almaty.begins_at(dt.date(2026, 11, 25)) + dt.timedelta(hours=3)
    assert operating_day.day_after(dt.date(2026, 11, 20), now) == dt.date(2026, 11, 25)
    assert operating_day.day_after(dt.date(2026, 11, 25), now) == dt.date(2026, 11, 26)


def test_the_next_day_is_open_before_midnight() -> None:
    midnight = almaty.ends_at(dt.date(2026, 11, 20))
    today, tomorrow = dt.date(2026, 11, 20), dt.date(2026, 11, 21)
    assert operating_day.days_to_open(midnight - dt.timedelta(minutes=11)) == (today,)
    assert operating_day.days_to_open(midnight - dt.timedelta(minutes=9)) == (today, tomorrow)
    assert operating_day.days_to_open(midnight) == (tomorrow,)


@pytest.mark.clause("PS-3.1.1")
def test_what_comes_after_the_close_belongs_to_the_next_day(market: Market) -> None:
    [before] = market.authorise((Kind.TRANSFER, "astau>dala", 500))
    day.close(market.day, closed_by="schedule", actor=JOB, now=market.noon())
    [after] = market.authorise((Kind.TRANSFER, "astau>dala", 700))
    assert (before.operating_day, after.operating_day) == (market.day, market.day + DAY)
    assert day.advance(market.day, JOB) == DayState.INSTRUCTED
    assert [obligation.amount_tiyn for obligation in Obligation.objects.all()] == [500]


@pytest.mark.clause("PS-4.1")
@pytest.mark.clause("PS-7.7")
@pytest.mark.clause("PS-7.8")
@pytest.mark.clause("PS-9.3.6")
def test_a_day_is_netted_settled_and_posted_after_its_close(market: Market) -> None:
    market.authorise(
        (Kind.TRANSFER, "astau>dala", 1_000),
        (Kind.PURCHASE, "dala>astau", 400),
        (Kind.TOP_UP, "dala>zhailau", 250),
        (Kind.CASH_WITHDRAWAL, "zhailau>astau", 100),
        (Kind.TRANSFER, "astau/0>astau/1", 9_000),
    )
    assert day.close_due(market.noon(), "00:00", JOB) == []
    assert day.close_due(market.ended(), "00:00", JOB) == [market.day]
    assert day.advance(market.day, JOB) == DayState.INSTRUCTED
    owed = {(o.payer.name_en, o.payee.name_en): o.amount_tiyn for o in Obligation.objects.select_related()}
    assert owed == {
        ("Astau Bank", "Dala Bank"): 1_000,
        ("Dala Bank", "Astau Bank"): 400,
        ("Dala Bank", "Zhailau Bank"): 250,
        ("Zhailau Bank", "Astau Bank"): 100,
    }
    nets = {position.participant.bic[:4]: position.net_tiyn for position in Position.objects.select_related()}
    assert nets == {"ASTU": -500, "DALA": 350, "ZHLU": 150}
    market.answer()
    assert day.advance(market.day, JOB) == DayState.REPORTED
    assert [market.clearing_net(slug) for slug in market.banks] == [0, 0, 0]
    assert [market.mirror(slug) for slug in market.banks] == [500, -350, -150]
    closed = OperatingDay.objects.get(pk=market.day)
    assert (closed.operation_count, closed.operation_amount_tiyn, closed.trouble) == (5, 10_750, "")
    assert OperatingDay.objects.get(pk=market.day + DAY).state == DayState.OPEN


@pytest.mark.clause("PS-7.7")
def test_nothing_is_sent_before_the_offsetting_is_finished(market: Market) -> None:
    market.busy(200)
    market.close()
    settlement.instruct(market.day, JOB)
    assert not SettlementInstruction.objects.exists()
    day.net(market.day, JOB)
    assert not MessageFile.objects.exists()
    settlement.instruct(market.day, JOB)
    assert sum(i.net_tiyn for i in SettlementInstruction.objects.all()) == 0
    assert sum(p.net_tiyn for p in Position.objects.all()) == 0


@pytest.mark.clause("PS-7.9")
def test_each_operation_is_carried_out_in_full_whatever_the_other_side_owes(market: Market) -> None:
    market.authorise((Kind.TRANSFER, "astau/0>dala/0", 700))
    [answer] = market.authorise((Kind.TRANSFER, "dala/0>astau/0", 900))
    assert Operation.objects.get(pk=answer.operation_id).amount_tiyn == 900
    assert market.clearing_net("astau") == 200


@pytest.mark.clause("PS-9.3.6")
def test_operations_and_ledger_that_differ_stop_the_close_by_name_and_both_sums(market: Market) -> None:
    market.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    post_behind_the_operations(market, "zhailau", 77)
    market.close()
    with pytest.raises(DayDoesNotBalance) as caught:
        day.advance(market.day, JOB)
    assert caught.value.fields["participant"] == "000903"
    assert (caught.value.fields["operations_tiyn"], caught.value.fields["ledger_tiyn"]) == (0, 77)
    stopped = OperatingDay.objects.get(pk=market.day)
    assert stopped.state == DayState.CLOSED
    assert "000903" in trouble_text(stopped)
    assert "0,77" in trouble_text(stopped) or "0.77" in trouble_text(stopped)
    assert not Position.objects.exists()
    assert not MessageFile.objects.exists()
    [outcome] = rows("SELECT outcome FROM events_event WHERE name = 'payments.day.net'")
    assert outcome == ("refused",)


def test_a_day_without_interbank_operations_settles_at_once(market: Market) -> None:
    market.authorise((Kind.TRANSFER, "astau/0>astau/1", 500))
    market.close()
    assert day.advance(market.day, JOB) == DayState.REPORTED
    assert not SettlementInstruction.objects.exists()
    assert OperatingDay.objects.get(pk=market.day).operation_count == 1


@pytest.mark.clause("PS-3.1.1")
def test_a_day_is_closed_early_by_two_people_and_only_by_two(market: Market) -> None:
    approval = day.propose_close(market.day, market.maker, market.noon())
    with pytest.raises(OwnAct):
        approvals.decide(approval.pk, checker=market.maker, approve=True)
    assert OperatingDay.objects.get(pk=market.day).state == DayState.OPEN
    approvals.decide(approval.pk, checker=market.checker, approve=True)
    closed = OperatingDay.objects.get(pk=market.day)
    assert closed.state == DayState.CLOSED
    assert closed.closed_by == "Мәкер Тоғай, Тексер Самал"


def test_a_refused_proposal_leaves_the_day_open(market: Market) -> None:
    approval = day.propose_close(market.day, market.maker, market.noon())
    approvals.decide(approval.pk, checker=market.checker, approve=False)
    assert OperatingDay.objects.get(pk=market.day).state == DayState.OPEN


def test_only_those_who_may_propose_a_close(market: Market) -> None:
    with pytest.raises(PermissionDenied):
        day.propose_close(market.day, market.checker, market.noon())


def test_days_that_cannot_be_closed(market: Market) -> None:
    with pytest.raises(DayUnknown):
        day.close(dt.date(2020, 1, 1), closed_by="x", actor=JOB)
    with pytest.raises(DayNotOver):
        day.close_over(market.day, "00:00", JOB, market.noon())
    day.close(market.day, closed_by="x", actor=JOB, now=market.noon())
    with pytest.raises(DayNotOpen):
        day.close(market.day, closed_by="x", actor=JOB, now=market.noon())
    with pytest.raises(DayNotBegun):
        day.close(market.day + DAY, closed_by="x", actor=JOB, now=market.noon())


def test_days_are_opened_once_however_often_it_is_asked(market: Market) -> None:
    for _ in range(2):
        day.open_days(market.ended() - dt.timedelta(minutes=5))
    assert sorted(OperatingDay.objects.values_list("day", flat=True)) == [market.day, market.day + DAY]


def test_a_close_run_twice_at_once_happens_once(market: Market) -> None:
    market.busy(300)
    results: list[list[dt.date]] = []
    states: list[DayState] = []
    gate = threading.Barrier(4)

    def run() -> None:
        gate.wait()
        try:
            results.append(day.close_due(market.ended(), "00:00", JOB))
            states.append(day.advance(market.day, JOB))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results, key=len) == [[], [], [], [market.day]]
    assert DayState.INSTRUCTED in states
    assert len(market.sent_messages()) == 1
    assert SettlementInstruction.objects.count() == 3


def test_a_close_under_load_loses_no_operation_to_neither_day(market: Market) -> None:
    stop = threading.Event()
    refused: list[str] = []

    def pay() -> None:
        try:
            while not stop.is_set():
                requests = [market.request(Kind.TRANSFER, "astau>dala", 1) for _ in range(20)]
                refused.extend(a.reason for a in market.send(requests) if a.reason)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=pay) for _ in range(3)]
    for thread in threads:
        thread.start()
    stop.wait(0.6)
    day.close(market.day, closed_by="x", actor=JOB, now=market.noon())
    assert day.advance(market.day, JOB) == DayState.INSTRUCTED
    stop.wait(0.4)
    stop.set()
    for thread in threads:
        thread.join(30)
    counted = dict(rows("SELECT day, count(*) FROM payments_operation GROUP BY day"))
    assert refused == []
    assert counted[market.day] > 0
    assert counted[market.day + DAY] > 0
    assert OperatingDay.objects.get(pk=market.day).operation_count == counted[market.day]


def test_a_refused_instruction_stays_visible_and_can_be_sent_again(market: Market) -> None:
    market.authorise((Kind.TRANSFER, "astau>dala", 1_000), (Kind.TRANSFER, "zhailau>dala", 300))
    carry_to_instructed(market)
    market.answer(refused={"000901": "AM04"})
    with pytest.raises(SettlementRefused):
        day.advance(market.day, JOB)
    stopped = OperatingDay.objects.get(pk=market.day)
    assert stopped.state == DayState.INSTRUCTED
    assert "000901 (AM04)" in trouble_text(stopped)
    assert market.clearing_net("zhailau") == 0
    assert market.clearing_net("astau") == -1_000
    assert settlement.retry(market.day, JOB) == 1
    assert settlement.retry(market.day, JOB) == 0
    market.answer()
    assert day.advance(market.day, JOB) == DayState.REPORTED
    attempts = SettlementInstruction.objects.filter(participant=market.banks["astau"]).order_by("attempt")
    assert [(i.attempt, i.state, i.reason) for i in attempts] == [(1, "refused", "AM04"), (2, "settled", "")]
    assert [market.clearing_net(slug) for slug in market.banks] == [0, 0, 0]


def test_a_bank_that_answers_twice_moves_nothing_twice(market: Market) -> None:
    market.busy(100)
    carry_to_instructed(market)
    market.answer(answer_id="ANSWER-1")
    market.answer(answer_id="ANSWER-1")
    assert day.advance(market.day, JOB) == DayState.REPORTED
    market.answer(answer_id="ANSWER-1")
    assert day.advance(market.day, JOB) == DayState.REPORTED
    assert rows("SELECT count(*) FROM ledger_transfer WHERE code = 12") == [(3,)]
    assert MessageFile.objects.filter(direction="in").count() == 1
    assert [market.clearing_net(slug) for slug in market.banks] == [0, 0, 0]


def test_a_bank_that_answers_in_parts_settles_in_parts(market: Market) -> None:
    market.busy(100)
    carry_to_instructed(market)
    market.answer(silent=("000901", "000902"))
    assert day.advance(market.day, JOB) == DayState.INSTRUCTED
    assert market.clearing_net("zhailau") == 0
    market.answer(silent=("000903",))
    assert day.advance(market.day, JOB) == DayState.REPORTED


def test_a_contradicting_answer_moves_nothing_and_is_shown(market: Market) -> None:
    market.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    carry_to_instructed(market)
    market.answer(silent=("000902",))
    market.answer(refused={"000901": "AM04"}, silent=("000902",))
    assert day.advance(market.day, JOB) == DayState.INSTRUCTED
    assert "000901" in trouble_text(OperatingDay.objects.get(pk=market.day))
    assert SettlementInstruction.objects.get(participant=market.banks["astau"]).state == "settled"
    assert market.clearing_net("astau") == 0


def test_an_answer_from_somebody_else_or_to_nothing_is_refused(market: Market) -> None:
    market.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    carry_to_instructed(market)
    from senim.kernel.delivery.models import Peer

    stranger = Peer.objects.get(code="astau")
    real, market.peer = market.peer, stranger
    with pytest.raises(settlement.AnswerUnknown):
        market.answer()
    market.peer = real
    SettlementInstruction.objects.update(message_id="OTHER")
    with pytest.raises(settlement.AnswerUnknown):
        market.answer()
    assert SettlementInstruction.objects.filter(state="sent").count() == 2


def test_a_silent_bank_is_sent_the_same_message_again_and_people_are_told(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    from senim.kernel.delivery.models import Outgoing

    market.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    carry_to_instructed(market)
    assert day.advance(market.day, JOB) == DayState.INSTRUCTED
    assert Outgoing.objects.count() == 1
    Outgoing.objects.update(state="receipted", receipt="-")
    monkeypatch.setattr(settlement, "REMIND_AFTER", dt.timedelta(0))
    with pytest.raises(SettlementBankSilent):
        day.advance(market.day, JOB)
    first, second = Outgoing.objects.order_by("created_at")
    assert bytes(first.body) == bytes(second.body)
    assert "STL" in trouble_text(OperatingDay.objects.get(pk=market.day))
    market.answer()
    assert day.advance(market.day, JOB) == DayState.REPORTED
    assert OperatingDay.objects.get(pk=market.day).trouble == ""


def test_without_a_settlement_bank_nothing_is_sent_and_the_day_says_why(market: Market) -> None:
    market.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    Participant.objects.filter(pk=market.settlement_bank.pk).update(state=Participant.State.REFUSED)
    market.close()
    with pytest.raises(SettlementBankMissing):
        day.advance(market.day, JOB)
    assert OperatingDay.objects.get(pk=market.day).state == DayState.NETTED
    Participant.objects.filter(pk=market.settlement_bank.pk).update(state=Participant.State.ACTIVE)
    assert day.advance(market.day, JOB) == DayState.INSTRUCTED
    assert OperatingDay.objects.get(pk=market.day).trouble == ""


def test_a_posting_without_room_waits_until_there_is(market: Market) -> None:
    cap_tiyn = market.banks["dala"].net_debit_cap_tiyn
    market.authorise((Kind.TRANSFER, "astau>dala", 5_000_000))
    market.close()
    next_day = market.ended()
    requests = [market.request(Kind.TOP_UP, "dala>astau", cap_tiyn + 5_000_000 - 100)]
    assert [a.reason for a in market.send(requests, next_day)] == [""]
    day.advance(market.day, JOB)
    market.answer()
    with pytest.raises(PostingWaits):
        day.advance(market.day, JOB)
    assert OperatingDay.objects.get(pk=market.day).state == DayState.INSTRUCTED
    market.send([market.request(Kind.TRANSFER, "astau>dala", 5_000_000)], next_day)
    assert day.advance(market.day, JOB) == DayState.REPORTED
    assert rows("SELECT count(*) FROM ledger_transfer WHERE code = 12 AND failed_status IS NULL") == [(2,)]


def test_trouble_written_by_hand_is_shown_as_it_is(market: Market) -> None:
    assert trouble_text(OperatingDay(day=market.day, trouble="the disk is full")) == "the disk is full"
    assert trouble_text(OperatingDay(day=market.day)) == ""


def test_a_stopped_close_says_so_in_its_own_words() -> None:
    assert "000018 (AM04)" in SettlementRefused(refused="000018 (AM04)").message
    assert isinstance(SettlementRefused(refused=""), CloseStopped)


def test_every_step_of_the_close_is_an_event_of_its_day(market: Market) -> None:
    market.busy(50)
    carry_to_instructed(market)
    market.answer()
    day.advance(market.day, JOB)
    names = rows(
        "SELECT name, outcome, operating_day FROM events_event WHERE record_type = 'operating_day' ORDER BY id"
    )
    assert [name for name, _, _ in names] == [
        "payments.day.close",
        "payments.day.net",
        "payments.day.instruct",
        "payments.settlement.answer",
        "payments.day.settle",
        "payments.day.report",
    ]
    assert {outcome for _, outcome, _ in names} == {"succeeded"}
    assert {on for _, _, on in names} == {market.day}
    assert connection.in_atomic_block is False
