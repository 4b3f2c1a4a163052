"""The payment system's pages, by Django's client: what they say and what they refuse."""

import datetime as dt

import pytest
from django.test import Client
from tests import example_market
from tests.example_market import Market

from senim.kernel.approvals.models import Approval
from senim.kernel.events.models import Event
from senim.kernel.values import iban
from senim.roles.payments.console import figures, pictures
from senim.roles.payments.models import OperatingDay, Operation, Participant
from senim.roles.payments.rules.kinds import DayState, Status

GIVEN = {
    "role": "bank", "name_kk": "Самал банкі", "name_ru": "Банк «Самал»", "name_en": "Samal Bank",
    "bin": example_market.bin_of(777), "bic": "samakzka", "bank_code": "207", "contract_number": "2026/77",
    "contract_date": "2026-11-01", "settlement_iban": iban.make("101", f"{77:013d}"), "collateral_tiyn": "1 000 000,50",
    "net_debit_cap_tiyn": "500000", "peer_code": "",
}  # fmt: skip


@pytest.fixture
def market(db: None) -> Market:
    """The example market."""
    figures.forget_running()
    return example_market.build(operations=60)


def reader(client: Client, market: Market, login: str, language: str = "en") -> Client:
    """A signed-in reader of a language."""
    client.force_login(market.staff[login])
    client.cookies["senim_language"] = language
    return client


@pytest.mark.clause("EM-55.3")
@pytest.mark.clause("PO-34.3")
@pytest.mark.parametrize("field", [name for name in GIVEN if name not in {"peer_code", "role"}])
def test_a_missing_mandatory_field_is_refused_and_named(client: Client, market: Market, field: str) -> None:
    before = Participant.objects.count()
    response = reader(client, market, "duty", "ru").post("/console/payments/participants/new", GIVEN | {field: ""})
    page = response.content.decode()
    assert response.status_code == 422
    assert Participant.objects.count() == before
    assert f'href="#id_{field}"' in page
    assert f'id="id_{field}-error"' in page
    assert "Обязательное поле" in page


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("bin", "050140000012"),
        ("bic", "XX"),
        ("bic", "SAMA12KA"),
        ("bank_code", "2a7"),
        ("settlement_iban", "KZ000000000000000000"),
        ("net_debit_cap_tiyn", "2000000"),
        ("bank_code", "201"),
        ("collateral_tiyn", "много"),
        ("contract_date", "2026-02-30"),
        ("bic", "ASTAKZKA"),
    ],
)
def test_a_wrong_field_is_refused_at_its_place(client: Client, market: Market, field: str, wrong: str) -> None:
    response = reader(client, market, "duty").post("/console/payments/participants/new", GIVEN | {field: wrong})
    assert response.status_code == 422
    assert f'id="id_{field}-error"' in response.content.decode()


def test_all_that_is_wrong_is_told_at_once(client: Client, market: Market) -> None:
    wrong = {"bin": "123", "bic": "XX", "settlement_iban": "KZ00", "collateral_tiyn": "1,005", "contract_number": ""}
    response = reader(client, market, "duty").post("/console/payments/participants/new", GIVEN | wrong)
    page = response.content.decode()
    assert response.status_code == 422
    assert [field for field in (*wrong, "net_debit_cap_tiyn") if f'id="id_{field}-error"' in page] == list(wrong)


def test_a_participant_is_registered_by_one_and_approved_by_another(client: Client, market: Market) -> None:
    reader(client, market, "duty").post("/console/payments/participants/new", GIVEN)
    participant = Participant.objects.get(bank_code="207")
    assert (participant.state, participant.collateral_tiyn, participant.bic) == ("proposed", 100_000_050, "SAMAKZKA")
    approval = Approval.objects.get(record_id=participant.code)
    address = f"/console/approvals/{approval.pk}/"
    assert client.post(f"{address}decide", {"decision": "approve"}).status_code == 302
    participant.refresh_from_db()
    assert participant.state == "proposed", "whoever proposed has decided"
    page = reader(client, market, "controller").get(address).content.decode()
    for value in ("Samal Bank", "Самал банкі", GIVEN["bin"], "1,000,000.50", "1 Nov 2026"):
        assert value in page
    client.post(f"{address}decide", {"decision": "approve", "comment": "checked"})
    participant.refresh_from_db()
    assert (participant.state, participant.approved_by) == ("active", market.staff["controller"])
    assert figures.cap_uses([participant])[0].cap_tiyn == 50_000_000


def test_a_refusal_needs_its_reason(client: Client, market: Market) -> None:
    address = f"/console/approvals/{market.approval.pk}/decide"
    reader(client, market, "controller").post(address, {"decision": "refuse", "comment": "  "})
    market.approval.refresh_from_db()
    assert market.approval.state == Approval.State.WAITING
    client.post(address, {"decision": "refuse", "comment": "no\0 contract"})
    market.approval.refresh_from_db()
    assert (market.approval.state, market.approval.comment) == ("refused", "no contract")


@pytest.mark.clause("PS-3.1.1")
def test_the_close_of_a_day_takes_two_people(client: Client, market: Market) -> None:
    day = market.today.day
    reader(client, market, "duty").post(f"/console/payments/days/{day}/close/propose")
    approval = Approval.objects.get(kind="payments.close_day")
    assert OperatingDay.objects.get(pk=day).state == DayState.OPEN
    reader(client, market, "controller").post(f"/console/approvals/{approval.pk}/decide", {"decision": "approve"})
    closed = OperatingDay.objects.get(pk=day)
    assert closed.state != DayState.OPEN
    assert {name in closed.closed_by for name in ("Ерлан Мұрат", "Дана Серік")} == {True}
    assert OperatingDay.objects.filter(day=day + dt.timedelta(days=1), state=DayState.OPEN).exists()


@pytest.mark.clause("PS-7.5.1")
@pytest.mark.clause("PS-7.5.2")
@pytest.mark.clause("PS-7.5.3")
def test_an_operation_shows_its_six_steps(client: Client, market: Market) -> None:
    refused = next(one for one in market.operations if one.status == Status.REFUSED)
    done = next(one for one in market.operations if one.status == Status.ACCEPTED)
    reader(client, market, "auditor")
    page = client.get(f"/console/payments/operations/{refused.pk}/").content.decode()
    assert page.count('class="done"') == 2
    assert page.count('class="bad"') == 1
    assert refused.reason in page
    page = client.get(f"/console/payments/operations/{done.pk}/").content.decode()
    assert page.count('<li class="done">') == 6


def test_the_open_days_matrix_counts_on_and_agrees_with_the_operations(market: Market) -> None:
    def truth() -> dict[tuple[int, int], int]:
        owed: dict[tuple[int, int], int] = {}
        for one in Operation.objects.filter(day=market.today.day, status=Status.ACCEPTED):
            if one.payer_id != one.payee_id and one.payer_id and one.payee_id:
                pair = (one.payer_id, one.payee_id)
                owed[pair] = owed.get(pair, 0) + one.amount_tiyn
        return owed

    assert figures.obligations(market.today.day) == truth()
    first = market.operations[1]
    later = Operation.objects.get(pk=first.pk)
    later.pk, later.key = example_market.time_ordered_id(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), 9), "later"
    later.status, later.payer, later.payee = Status.ACCEPTED, market.banks[1], market.banks[2]
    later.save(force_insert=True)
    assert figures.obligations(market.today.day) == truth()


def test_positions_of_a_matrix_sum_to_zero(market: Market) -> None:
    picture = pictures.matrix(market.banks[1:], figures.obligations(market.yesterday.day))
    assert sum(row.net_tiyn for row in picture.rows) == 0
    assert sum(row.owes_tiyn for row in picture.rows) == picture.total_tiyn == sum(picture.owed_tiyn)


def test_a_search_leads_to_the_single_thing_it_finds(client: Client, market: Market) -> None:
    reader(client, market, "auditor")
    operation, account = market.operations[-1], market.accounts[0]
    for text, part in (
        (str(operation.pk), str(operation.pk)),
        (market.banks[1].bic, market.banks[1].code),
        (account.iban, ""),
    ):
        response = client.get("/console/search", {"q": text})
        if part:
            assert response.status_code == 302
            assert part in response["Location"]  # type: ignore[index]
        else:
            assert account.iban in response.content.decode()


def test_what_is_not_in_the_store_is_not_found_and_leaves_an_event(client: Client, market: Market) -> None:
    response = reader(client, market, "auditor").get(f"/console/payments/files/{market.file.pk}/download")
    assert response.status_code == 404
    assert "Reference number" in response.content.decode()
    assert Event.objects.filter(name="payments.file.download", outcome="refused").count() == 1


def test_secrets_of_keys_are_never_shown(client: Client, market: Market) -> None:
    market.banks[1].keys.update(material=b"SECRET-MATERIAL-0123456789abcdef")
    page = reader(client, market, "auditor").get(f"/console/payments/participants/{market.banks[1].code}/").content
    assert b"SECRET" not in page
    assert market.banks[1].keys.get().key_id.encode() in page


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_the_live_part_is_the_same_in_every_language(client: Client, market: Market, language: str) -> None:
    response = reader(client, market, "controller", language).get("/console/payments/day/live")
    page = response.content.decode()
    assert response.status_code == 200
    assert "<html" not in page
    assert '<svg class="chart' in page
    assert ("KZT" in page) == (language == "en")
