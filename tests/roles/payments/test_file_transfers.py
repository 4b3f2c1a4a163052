"""What speaks against a file's transfer before the Centre sees it."""

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.roles.payments.messages import making

from senim.kernel.values import almaty
from senim.roles.payments.messages import pacs008
from senim.roles.payments.messages.values import CreditTransfer
from senim.roles.payments.rules import file_transfers

DAY = dt.date(2026, 11, 20)
NOON = almaty.begins_at(DAY) + dt.timedelta(hours=12)
[TRANSFER] = pacs008.Reader(making.file(1))
GROUP = pacs008.Reader(making.file(1)).group
TERMS = file_transfers.Terms(1, GROUP, NOON, {"AAAAKZKA": "901", "BBBBKZKA": "902"}, frozenset({DAY}))


def objection(**changes: object) -> str:
    return file_transfers.request_of(dataclasses.replace(TRANSFER, **changes), TERMS).objection


@pytest.mark.parametrize(
    ("minutes", "open_days", "expected"),
    [
        (12 * 60, [DAY], {0}),
        (12 * 60, [], {0}),
        (12 * 60, [DAY + dt.timedelta(1)], {0, 1}),
        (59, [DAY], {-1, 0}),
        (60, [DAY], {0}),
        (0, [DAY + dt.timedelta(1)], {-1, 0, 1}),
    ],
)
def test_settlement_days(minutes: int, open_days: list[dt.date], expected: set[int]) -> None:
    days = file_transfers.settlement_days(almaty.begins_at(DAY) + dt.timedelta(minutes=minutes), open_days)
    assert days == {DAY + dt.timedelta(each) for each in expected}


def test_a_good_transfer_meets_no_objection() -> None:
    request = file_transfers.request_of(TRANSFER, TERMS)
    assert (request.objection, request.amount_tiyn, request.currency) == ("", 12_345, "KZT")
    assert request.id == f"uetr:{TRANSFER.uetr}"


def test_objections_come_in_order() -> None:
    spoiled: dict[str, object] = {"creditor_bic": "ZZZZKZKA"}
    assert objection(**spoiled) == "RC01"
    spoiled["settlement_date"] = DAY - dt.timedelta(1)
    assert objection(**spoiled) == "DT01"
    spoiled["amount"] = "1.001"
    assert objection(**spoiled) == "AM02"
    spoiled["currency"] = "EUR"
    assert objection(**spoiled) == "AM03"


def test_agents_may_be_left_out_and_named_by_branch() -> None:
    assert objection(debtor_bic="", creditor_bic="") == ""
    assert objection(creditor_bic="BBBBKZKAALM") == ""
    assert objection(creditor_bic="AAAAKZKA") == "RC01"
    assert objection(creditor_account="not an IBAN") == "", "the Centre's to say: AC03"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, f"uetr:{TRANSFER.uetr}"),
        ({"uetr": ""}, "tx:TX-0"),
        ({"uetr": "", "transaction_id": "", "instruction_id": "I"}, "instr:I"),
        ({"uetr": "", "transaction_id": ""}, "file:M:1"),
    ],
)
def test_identity(changes: dict[str, str], expected: str) -> None:
    assert file_transfers.identity(dataclasses.replace(TRANSFER, **changes), "M") == expected


@given(st.text(max_size=35), st.text(max_size=35), st.integers(1, 10**7))
def test_keys_fit(message_id: str, transaction_id: str, index: int) -> None:
    transfer: CreditTransfer = dataclasses.replace(TRANSFER, uetr="", transaction_id=transaction_id, index=index)
    assert 1 <= len(file_transfers.identity(transfer, message_id)) <= 64


def test_what_was_refused_for_the_files_words_keeps_its_identity_free() -> None:
    request = file_transfers.request_of(dataclasses.replace(TRANSFER, currency="EUR"), TERMS)
    assert (request.id, request.amount_tiyn) == ("file:MSG-1:1", 0)


@pytest.mark.parametrize("created", [None, NOON - dt.timedelta(days=40), NOON + dt.timedelta(hours=1)])
def test_an_unbelievable_moment_of_making_is_no_moment_of_initiation(created: dt.datetime | None) -> None:
    terms = dataclasses.replace(TERMS, group=dataclasses.replace(GROUP, created_at=created))
    request = file_transfers.request_of(dataclasses.replace(TRANSFER, initiated_at=None), terms)
    assert request.initiated_at == NOON
