"""The rules of authorisation, without a database."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senim.kernel.values import iban
from senim.ledger.types import Status as LedgerStatus
from senim.roles.payments.rules import authorisation as rules
from senim.roles.payments.rules.accounts import (
    CAP_CONTROL_ID,
    CLEARING_HUB_ID,
    Purpose,
    day_number,
    operator_account_id,
    participant_account_id,
)
from senim.roles.payments.rules.kinds import Kind, Means
from senim.roles.payments.rules.reasons import MEANINGS, Reason

NOON = dt.datetime(2026, 5, 4, 7, 0, tzinfo=dt.UTC)
BANKS = rules.directory([(1, "101", True), (2, "102", True), (3, "103", True), (4, "104", False)])
ALICE, BORIS = iban.make("101", "A000000000001"), iban.make("102", "A000000000001")
STRANGER, SLEEPER = iban.make("777", "A000000000001"), iban.make("104", "A000000000001")


def request(**changes: Any) -> rules.OperationRequest:
    fields: dict[str, Any] = {
        "id": "1",
        "kind": Kind.TRANSFER,
        "amount_tiyn": 100,
        "currency": "KZT",
        "means": Means.DETAILS,
        "initiated_at": NOON,
        "initiator_id": 1,
        "debit_account": ALICE,
        "credit_account": BORIS,
    }
    return rules.OperationRequest(**fields | changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"currency": "USD"}, "AM03"),
        ({"amount_tiyn": 0}, "AM01"),
        ({"amount_tiyn": -1}, "AM02"),
        ({"amount_tiyn": rules.AMOUNT_TIYN_MAX}, ""),
        ({"amount_tiyn": rules.AMOUNT_TIYN_MAX + 1}, "AM02"),
        ({"initiated_at": NOON + dt.timedelta(minutes=5)}, ""),
        ({"initiated_at": NOON + dt.timedelta(minutes=5, seconds=1)}, "DT01"),
        ({"initiated_at": NOON - dt.timedelta(days=30)}, ""),
        ({"initiated_at": NOON - dt.timedelta(days=30, seconds=1)}, "DT01"),
        ({"debit_account": "KZ00"}, "AC01"),
        ({"credit_account": "KZ00"}, "AC03"),
        ({"debit_account": STRANGER}, "RC01"),
        ({"credit_account": STRANGER}, "RC01"),
        ({"credit_account": ALICE}, "AG01"),  # to itself
        ({"initiator_id": 2}, "AG01"),  # a transfer is the payer's bank's own
        ({"initiator_id": 2, "kind": Kind.PURCHASE}, ""),
        ({"initiator_id": 3, "kind": Kind.PURCHASE}, ""),
        ({"initiator_id": 4, "kind": Kind.PURCHASE}, "AG01"),  # not active
        ({"credit_account": SLEEPER}, "AG01"),
        ({"currency": "USD", "debit_account": STRANGER}, "AM03"),  # the first reason stands
    ],
)
def test_a_request_is_judged_by_itself(changes: dict[str, Any], reason: str) -> None:
    assert rules.plan(request(**changes), NOON, BANKS).reason == reason


def test_money_goes_where_the_kind_says() -> None:
    cash = participant_account_id("103", Purpose.CASH).to_bytes(16, "big")
    alice, boris = (iban.account_id(number).to_bytes(16, "big") for number in (ALICE, BORIS))
    top_up = rules.plan(request(kind=Kind.TOP_UP, initiator_id=3, debit_account=""), NOON, BANKS)
    assert (top_up.debit, top_up.credit, top_up.payer, top_up.payee) == (cash, boris, 3, 2)
    withdrawal = rules.plan(request(kind=Kind.CASH_WITHDRAWAL, initiator_id=3, credit_account=""), NOON, BANKS)
    assert (withdrawal.debit, withdrawal.credit, withdrawal.payer, withdrawal.payee) == (alice, cash, 1, 3)
    transfer = rules.plan(request(), NOON, BANKS)
    assert (transfer.debit, transfer.credit, transfer.payer, transfer.payee) == (alice, boris, 1, 2)


def test_an_unknown_initiator_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        rules.plan(request(initiator_id=9), NOON, BANKS)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 50)), max_size=30),
    st.fixed_dictionaries({1: st.integers(0, 100), 2: st.integers(0, 100), 3: st.integers(0, 100)}),
)
def test_no_bank_is_let_past_its_cap_and_none_is_stopped_before_it(
    wanted: list[tuple[int, int, int]], caps: dict[int, int]
) -> None:
    plans = [rules.Plan("", payer=payer, payee=payee) for payer, payee, _ in wanted]
    amounts = [amount for *_, amount in wanted]
    rooms = dict(caps)
    through, over = rules.admit(range(len(wanted)), plans, amounts, rooms)
    assert sorted(through + over) == list(range(len(wanted)))
    left = dict(caps)
    for index in range(len(wanted)):
        payer, payee, amount = wanted[index]
        if payer == payee:
            assert index in through
        elif index in through:
            left[payer] -= amount
        else:
            assert left[payer] < amount
    assert left == rooms
    assert min(left.values()) >= 0


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 10**12)), max_size=40))
def test_what_is_owed_is_what_is_owing(wanted: list[tuple[int, int, int]]) -> None:
    plans = [rules.Plan("", payer=payer, payee=payee) for payer, payee, _ in wanted]
    amounts = [amount for *_, amount in wanted]
    found = rules.positions(range(len(wanted)), plans, amounts)
    assert sum(owed - owes for owed, owes in found.values()) == 0
    assert sum(owes for _, owes in found.values()) == sum(a for p, q, a in wanted if p != q)


@pytest.mark.clause("PS-3.1.1")
def test_a_day_takes_what_comes_in_it_and_the_next_what_comes_after_its_close() -> None:
    monday, tuesday = dt.date(2026, 5, 4), dt.date(2026, 5, 5)
    assert rules.day_for(monday, [monday, tuesday]) == monday
    assert rules.day_for(monday, [tuesday]) == tuesday
    assert rules.day_for(tuesday, [monday]) is None
    # 23:59 and 00:00 by the clock of Almaty, which is five hours ahead.
    before, after = (int(dt.datetime(2026, 5, 4, *at, tzinfo=dt.UTC).timestamp()) // 60 for at in ((18, 59), (19, 0)))
    assert rules.arrival(before) == (monday, 1_439)
    assert rules.arrival(after) == (tuesday, 0)


@given(st.data())
def test_the_digest_tells_any_two_requests_apart(data: st.DataObject) -> None:
    """No field can run into the next one, since none may hold the separator."""
    plain = st.text(st.characters(min_codepoint=32), max_size=5)
    changes = st.fixed_dictionaries(
        {
            "kind": st.sampled_from(Kind),
            "amount_tiyn": st.integers(0, 99),
            "debit_account": plain,
            "credit_account": plain,
            "end_to_end_id": plain,
            "initiated_at": st.sampled_from([NOON, NOON.astimezone(dt.timezone(dt.timedelta(hours=5)))]),
        }
    )
    one, other = request(**data.draw(changes)), request(**data.draw(changes))
    assert (rules.request_digest(one) == rules.request_digest(other)) is (one == other)


def test_account_ids_never_meet() -> None:
    own = {
        participant_account_id(code, purpose) for code in ("101", "102") for purpose in (Purpose.CLEARING, Purpose.CASH)
    }
    assert len(own | {CAP_CONTROL_ID, CLEARING_HUB_ID, iban.account_id(ALICE)}) == 7
    assert operator_account_id(Purpose.CLEARING_HUB) == CLEARING_HUB_ID
    assert day_number(dt.date(2026, 5, 4)) == 20260504
    for wrong in ("1", "1234", "12x"):
        with pytest.raises(ValueError, match="three digits"):
            participant_account_id(wrong, Purpose.CASH)
    with pytest.raises(ValueError, match="operator"):
        participant_account_id("101", Purpose.CAP_CONTROL)


def test_every_refusal_of_the_ledger_that_can_happen_has_a_reason() -> None:
    assert rules.reason_of(LedgerStatus.EXCEEDS_CREDITS) == "AM04"
    assert rules.reason_of(LedgerStatus.LINKED_EVENT_FAILED) is None
    assert set(MEANINGS) == set(Reason)
