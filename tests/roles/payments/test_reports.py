"""A participant's report of a day: its totals are those of the recorded operations, whoever counts them."""

import datetime as dt
import io
from collections import defaultdict
from typing import Any

import openpyxl
import pypdf
import pytest
from django.utils import translation
from tests.roles.payments.closing import JOB, Market, rows

from senim.kernel.delivery.models import Outgoing, Peer
from senim.kernel.documents import store
from senim.roles.payments.models import OperatingDay, Operation, Participant, ParticipantReport, Position
from senim.roles.payments.rules.kinds import DayState, Kind, Status
from senim.roles.payments.services import day, report_data, report_forms, report_operations, reports

pytestmark = pytest.mark.django_db
SHEET_ROWS = {"kinds": 0, "refusals": 1, "obligations": 2, "settlement": 3, "operations": 4}


@pytest.fixture
def reported(market: Market) -> Market:
    market.busy(250)
    market.authorise((Kind.TRANSFER, "astau>dala", 10**14), (Kind.PURCHASE, "astau>zhailau", 0))
    market.close()
    day.advance(market.day, JOB)
    market.answer()
    assert day.advance(market.day, JOB) == DayState.REPORTED
    return market


def workbook(market: Market, slug: str) -> Any:
    kept = ParticipantReport.objects.get(participant=market.banks[slug], form="xlsx")
    return openpyxl.load_workbook(io.BytesIO(store.read(kept.sha256)), data_only=True)


def sheet(book: Any, name: str) -> list[tuple[Any, ...]]:
    """The rows of a sheet below its head."""
    return [tuple(cell.value for cell in row) for row in book.worksheets[SHEET_ROWS[name]].iter_rows(min_row=4)]


def tiyn(value: object) -> int:
    return round(float(str(value)) * 100)


@pytest.mark.clause("EM-55.6")
@pytest.mark.clause("PO-34.6")
@pytest.mark.clause("PS-9.3.6")
def test_totals_of_the_reports_equal_the_recorded_operations(reported: Market) -> None:
    for slug in reported.banks:
        check_totals(reported, slug)


def check_totals(reported: Market, slug: str) -> None:
    """Count the participant's operations one by one, in Python: not as the report does."""
    bank = reported.banks[slug].pk
    counted: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for operation in Operation.objects.filter(day=reported.day):
        if operation.status == Status.ACCEPTED:
            for side, owner in (("payer", operation.payer_id), ("payee", operation.payee_id)):
                if owner == bank:
                    counted[side][0] += 1
                    counted[side][1] += operation.amount_tiyn
        elif operation.initiator_id == bank:
            counted["refused"][0] += 1
            counted["refused"][1] += operation.amount_tiyn
    book = workbook(reported, slug)
    *_, total = sheet(book, "kinds")
    assert [total[1], tiyn(total[2]), total[3], tiyn(total[4])] == [*counted["payer"], *counted["payee"]]
    *_, refused = sheet(book, "refusals")
    assert [refused[2], tiyn(refused[3])] == counted["refused"]
    *_, owed = sheet(book, "obligations")
    net_tiyn = Position.objects.get(participant=bank).net_tiyn
    assert tiyn(owed[4]) == net_tiyn


@pytest.mark.clause("PS-9.3.6")
def test_the_sides_results_agree_with_each_other(reported: Market) -> None:
    owes: dict[tuple[str, str], int] = {}
    owed: dict[tuple[str, str], int] = {}
    for slug, bank in reported.banks.items():
        for code, _, pays, gets, _ in sheet(workbook(reported, slug), "obligations")[:-1]:
            owes[bank.code, code] = tiyn(pays)
            owed[code, bank.code] = tiyn(gets)
    assert owes == owed
    assert sum(owes.values()) > 0


def test_every_single_operation_of_the_participant_is_listed(reported: Market) -> None:
    bank = reported.banks["dala"]
    listed = {row[1]: row for row in sheet(workbook(reported, "dala"), "operations")}
    recorded = report_operations.of_participant(reported.day, bank.pk)
    assert set(listed) == {str(operation.id) for operation in recorded}
    one = recorded.filter(status=Status.ACCEPTED)[0]
    assert tiyn(listed[str(one.id)][5]) == one.amount_tiyn
    assert isinstance(listed[str(one.id)][0], dt.datetime)


def test_too_many_operations_are_left_to_the_interface(reported: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_operations, "LISTED_MAX", 3)
    content = built(reported, "astau")
    book = openpyxl.load_workbook(io.BytesIO(report_forms.xlsx_bytes(content)))
    assert len(book.worksheets) == len(SHEET_ROWS) - 1


def built(market: Market, slug: str) -> report_data.DayReport:
    row = OperatingDay.objects.get(pk=market.day)
    return report_data.build(row, market.banks[slug], report_data.totals_of_day(market.day))


@pytest.mark.clause("PS-9.3.7")
def test_each_participant_is_sent_its_reports_and_the_sending_is_recorded(reported: Market) -> None:
    kept = ParticipantReport.objects.select_related("participant")
    assert {(one.participant.peer_code, one.form) for one in kept} == {
        (slug, form) for slug in reported.banks for form in ("pdf", "xlsx")
    }
    for one in kept:
        sent = Outgoing.objects.select_related("peer").get(pk=one.delivery_id)
        assert (sent.peer.code, sent.kind) == (one.participant.peer_code, reports.DELIVERY_KIND)
        assert bytes(sent.body) == store.read(one.sha256)
        assert one.size_bytes == len(sent.body)
    recorded = rows("SELECT record_id, outcome FROM events_event WHERE name = 'payments.report.send' ORDER BY 1")
    assert recorded == [(bank.code, "succeeded") for bank in reported.banks.values()]


def test_the_pdf_is_in_kazakh_and_says_what_the_day_came_to(reported: Market) -> None:
    kept = ParticipantReport.objects.get(participant=reported.banks["zhailau"], form="pdf")
    text = pypdf.PdfReader(io.BytesIO(store.read(kept.sha256))).pages[0].extract_text()
    assert "«Жайлау» банкі" in text
    assert "Операциялық күн" in text
    assert "Барлығы" in text
    net_tiyn = built(reported, "zhailau").net_tiyn
    assert f"{abs(net_tiyn) // 100 % 1000:03d},{abs(net_tiyn) % 100:02d}" in text
    assert f"STL{reported.day:%Y%m%d}-01" in text


def test_the_report_speaks_the_language_that_is_asked_for(reported: Market) -> None:
    titles = {}
    for language in ("kk", "ru", "en"):
        with translation.override(language):
            data = report_forms.pdf_data(built(reported, "astau"))
            assert report_forms.pdf_bytes(built(reported, "astau")).startswith(b"%PDF")
        assert data["language"] == language
        titles[language] = data["title"]
    assert titles["en"] == "Report of the operating day"
    assert len(set(titles.values())) == 3


def test_the_same_day_makes_the_same_bytes(reported: Market) -> None:
    with translation.override("kk"):
        first, second = built(reported, "dala"), built(reported, "dala")
        assert report_forms.pdf_bytes(first) == report_forms.pdf_bytes(second)
        assert report_forms.xlsx_bytes(first) == report_forms.xlsx_bytes(second)


def test_a_report_made_for_an_unknown_peer_is_sent_when_the_peer_is_known(market: Market) -> None:
    Peer.objects.filter(code="dala").update(active=False)
    market.authorise((Kind.TRANSFER, "astau>dala", 1_000))
    market.close()
    day.advance(market.day, JOB)
    market.answer()
    assert day.advance(market.day, JOB) == DayState.REPORTED
    assert ParticipantReport.objects.filter(delivery_id=None).count() == 2
    assert reports.send_unsent(JOB) == 0
    Peer.objects.filter(code="dala").update(active=True)
    assert reports.send_unsent(JOB) == 2
    assert reports.send_unsent(JOB) == 0
    assert not ParticipantReport.objects.filter(delivery_id=None).exists()


def test_a_report_is_sent_again_as_it_was(reported: Market) -> None:
    bank = reported.banks["astau"]
    before = set(ParticipantReport.objects.filter(participant=bank).values_list("delivery_id", "sha256"))
    assert reports.resend(reported.day, bank, JOB) == 2
    after = set(ParticipantReport.objects.filter(participant=bank).values_list("delivery_id", "sha256"))
    assert {sha256 for _, sha256 in before} == {sha256 for _, sha256 in after}
    assert {delivery for delivery, _ in before}.isdisjoint({delivery for delivery, _ in after})
    Participant.objects.filter(pk=bank.pk).update(peer_code="nobody")
    with pytest.raises(reports.ReportNotSendable):
        reports.resend(reported.day, Participant.objects.get(pk=bank.pk), JOB)
