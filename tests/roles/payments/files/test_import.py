"""A participant's file from bytes to operations, ledger and answer."""

import datetime as dt
import uuid
from collections.abc import Callable
from io import BytesIO

import pytest
from django.db import transaction
from django.utils import timezone
from tests.roles.payments.files.two_banks import ACTOR, FUNDS_TIYN, Market

from senim.kernel.documents import store
from senim.kernel.events.models import Event
from senim.kernel.values import almaty, iban
from senim.roles.payments.messages import pacs002
from senim.roles.payments.messages.values import GroupStatus, Status, StatusReport, TransactionStatus
from senim.roles.payments.models import MessageFile, Operation
from senim.roles.payments.rules.kinds import FileState, Source
from senim.roles.payments.services import files

Balance = Callable[[str], int]


def answer_to(file: MessageFile) -> tuple[StatusReport, tuple[Status, ...]]:
    """The answer that was kept."""
    kept = MessageFile.objects.get(answers=file)
    with store.default().open(kept.sha256) as content:
        return pacs002.read(content)


def reasons(file: MessageFile) -> list[str]:
    """The reason of each of the file's transactions, in its order; empty for those carried out."""
    assert file.state == FileState.RECORDED, file.problem
    recorded = list(Operation.objects.filter(file_id=file.pk).order_by("file_index").values_list("reason", flat=True))
    _, statuses = answer_to(file)
    assert [each.reason for each in statuses] == recorded
    return recorded


@pytest.mark.clause("PS-7.5.2")
def test_a_good_file_is_recorded_and_answered(market: Market, balance: Balance) -> None:
    file = market.send(market.file([market.payment(number) for number in range(7)]))
    assert (file.state, file.reason, file.problem) == (FileState.RECORDED, "", "")
    assert (file.transactions_total, file.transactions_done, file.accepted, file.refused) == (7, 7, 7, 0)
    assert (file.amount_tiyn, file.message_id, file.message_type) == (700, "MSG-1", "pacs.008.001.08")
    operations = Operation.objects.filter(file_id=file.pk, source=Source.FILE)
    assert sorted(operations.values_list("file_index", flat=True)) == [1, 2, 3, 4, 5, 6, 7]
    assert balance(market.of_a[0]) == FUNDS_TIYN - 700
    assert balance(market.of_b[0]) == FUNDS_TIYN + 700
    report, statuses = answer_to(file)
    assert report.group_status is GroupStatus.ACCEPTED
    assert report.original.message_id == "MSG-1"
    assert [each.status for each in statuses] == [TransactionStatus.IN_PROCESS] * 7
    assert [each.transaction_id for each in statuses] == [f"TX-{number}" for number in range(7)]
    names = list(Event.objects.filter(record_id=str(file.pk)).order_by("id").values_list("name", "outcome"))
    assert names == [("payments.file.receive", "succeeded"), ("payments.file.record", "succeeded")]


@pytest.mark.clause("PS-7.5.3")
def test_each_transaction_is_refused_for_its_own_reason(market: Market, balance: Balance) -> None:
    unknown = iban.make(market.a.bank_code, "9" * 13)
    foreign = iban.make("999", "0" * 13)
    cases = [
        ({}, ""),
        ({"debtor_account": unknown}, "AC01"),
        ({"creditor_account": iban.make(market.b.bank_code, "9" * 13)}, "AC03"),
        ({"debtor_account": market.of_a[2]}, "AC04"),
        ({"creditor_account": market.of_b[2]}, "AC07"),
        ({"debtor_account": "KZ00" + market.of_a[0][4:]}, "AC01"),
        ({"creditor_account": "KZ00" + market.of_b[0][4:]}, "AC03"),
        ({"amount_tiyn": 0}, "AM01"),
        ({"amount_tiyn": FUNDS_TIYN * 2}, "AM04"),
        ({"creditor_bic": "NOSUCHKZ"}, "RC01"),
        ({"debtor_bic": market.b.bic}, "RC01"),
        ({"creditor_bic": market.a.bic}, "RC01"),
        ({"creditor_account": foreign, "creditor_bic": market.b.bic}, "RC01"),
        ({"debtor_account": market.of_b[0], "debtor_bic": market.b.bic, "creditor_account": market.of_a[0],
          "creditor_bic": market.a.bic}, "AG01"),
        ({"debtor_account": market.of_a[1]}, "AM04"),
        ({}, ""),
    ]  # fmt: skip
    file = market.send(market.file([market.payment(number, **case) for number, (case, _) in enumerate(cases)]))
    assert reasons(file) == [reason for _, reason in cases]
    assert (file.accepted, file.refused) == (2, len(cases) - 2)
    assert balance(market.of_a[0]) == FUNDS_TIYN - 200
    report, statuses = answer_to(file)
    assert report.group_status is GroupStatus.PARTLY
    assert all(each.information[1].endswith(f"CdtTrfTxInf[{n + 1}]") for n, each in enumerate(statuses) if each.reason)


def test_other_currencies_and_finer_amounts_are_refused(market: Market) -> None:
    content = market.file([market.payment(number) for number in range(3)])
    head, _, transactions = content.partition(b"<CdtTrfTxInf>")
    head = head.replace(b'Ccy="KZT">3.00', b'Ccy="KZT">3.005').replace(b"<CtrlSum>3.00", b"<CtrlSum>3.005")
    start, _, end = head.partition(b"<TtlIntrBkSttlmAmt")
    head = start + end.partition(b"</TtlIntrBkSttlmAmt>")[2]
    parts = transactions.split(b'Ccy="KZT">1.00')
    mended = head + b"<CdtTrfTxInf>" + parts[0] + b'Ccy="EUR">1.00' + parts[1] + b'Ccy="KZT">1.005' + parts[2]
    file = market.send(mended + b'Ccy="KZT">1.000' + parts[3])
    assert reasons(file) == ["AM03", "AM02", ""]
    assert list(
        Operation.objects.filter(file_id=file.pk).order_by("file_index").values_list("amount_tiyn", flat=True)
    ) == [0, 0, 100]


def test_the_settlement_date_is_the_operating_day(market: Market) -> None:
    for days, expected in [(0, ""), (1, "DT01"), (-2, "DT01"), (-400, "DT01")]:
        date = almaty.operating_day(timezone.now()) + dt.timedelta(days=days)
        assert reasons(market.send(market.file([market.payment()], f"MSG{days}", date))) == [expected]


def test_a_file_that_is_refused_has_recorded_nothing_and_may_come_again(market: Market, balance: Balance) -> None:
    good = market.file([market.payment(number) for number in range(3)])
    bad = good.replace(b"<NbOfTxs>3", b"<NbOfTxs>4")
    refused = market.send(bad)
    assert (refused.state, refused.reason) == (FileState.REFUSED, "AM18")
    assert (refused.problem_line, refused.problem_path) == (2, "Document/FIToFICstmrCdtTrf/GrpHdr")
    assert not Operation.objects.filter(file_id=refused.pk).exists()
    assert balance(market.of_a[0]) == FUNDS_TIYN
    report, statuses = answer_to(refused)
    assert (report.group_status, report.reason, statuses) == (GroupStatus.REJECTED, "AM18", ())
    assert market.send(bad).pk != refused.pk, "the same refused bytes are looked at anew"
    assert reasons(market.send(good)) == ["", "", ""]


WHOLE_FILE_REFUSALS = (
    (b"<CtrlSum>3.00", b"<CtrlSum>3.01", "AM10"),
    (b'Ccy="KZT">3.00', b'Ccy="KZT">2.00', "AM10"),
    (b'Ccy="KZT">3.00', b'Ccy="EUR">3.00', "AM10"),
    (b"<ChrgBr>SLEV</ChrgBr>", b"", "FF01"),
    (b"</Document>", b"", "FF01"),
)


def test_whole_files_are_refused_with_reason(market: Market) -> None:
    good = market.file([market.payment(number) for number in range(3)])
    for old, new, reason in WHOLE_FILE_REFUSALS:
        file = market.send(good.replace(old, new))
        assert (file.state, file.reason) == (FileState.REFUSED, reason)
    assert not Operation.objects.filter(file_id__isnull=False).exists()


def test_what_is_no_message_is_answered_by_admi_002(market: Market) -> None:
    file = market.send(b"%PDF-1.7 certainly not XML")
    assert (file.state, file.reason, file.problem_line) == (FileState.REFUSED, "FF01", 1)
    kept = MessageFile.objects.get(answers=file)
    assert kept.message_type == "admi.002.001.01"
    assert b"<Ref>NOTPROVIDED</Ref>" in store.default().read(kept.sha256)


def test_the_same_bytes_are_the_same_file(market: Market, balance: Balance) -> None:
    content = market.file([market.payment()])
    first, again = market.send(content), market.send(content)
    assert again.pk == first.pk
    assert MessageFile.objects.filter(answers=first).count() == 1
    assert balance(market.of_a[0]) == FUNDS_TIYN - 100
    assert Event.objects.filter(name="payments.file.receive", data__repeated=True).count() == 1


def test_another_file_with_a_recorded_message_id_is_refused(market: Market, balance: Balance) -> None:
    market.send(market.file([market.payment(1)]))
    file = market.send(market.file([market.payment(2)]))
    assert (file.state, file.reason) == (FileState.REFUSED, "DU01")
    assert balance(market.of_a[0]) == FUNDS_TIYN - 100
    assert answer_to(file)[0].reason == "DU01"


def test_a_transaction_is_executed_once_whatever_file_it_comes_in(market: Market, balance: Balance) -> None:
    uetr = uuid.uuid4()
    first = market.send(market.file([market.payment(1), market.payment(1), market.payment(2, uetr=uetr)], "MSG-1"))
    assert reasons(first) == ["", "AM05", ""]
    second = market.send(market.file([market.payment(1), market.payment(3, uetr=uetr), market.payment(4)], "MSG-2"))
    assert reasons(second) == ["AM05", "AM05", ""]
    assert balance(market.of_a[0]) == FUNDS_TIYN - 300


def test_a_transaction_refused_for_what_the_file_says_may_come_again_mended(market: Market) -> None:
    assert reasons(market.send(market.file([market.payment(1, creditor_bic="NOSUCHKZ")], "MSG-1"))) == ["RC01"]
    assert reasons(market.send(market.file([market.payment(1)], "MSG-2"))) == [""]


@pytest.mark.clause("PS-7.5.3")
def test_the_cap_stops_what_exceeds_it(market: Market) -> None:
    from senim.roles.payments.services import accounts

    accounts.change_cap(market.a.pk, 250, ACTOR)
    file = market.send(market.file([market.payment(number) for number in range(3)]))
    assert reasons(file) == ["", "", "AM23"]


def test_a_participant_that_is_not_active_sends_nothing(market: Market) -> None:
    market.a.state = "suspended"
    market.a.save()
    with pytest.raises(files.ParticipantNotActive):
        market.send(market.file([market.payment()]))
    assert not MessageFile.objects.exists()


def test_an_empty_file_is_not_kept(market: Market) -> None:
    with pytest.raises(files.FileEmpty), transaction.atomic():
        files.keep_file(market.a, "empty.xml", BytesIO(), actor=ACTOR)
    assert not MessageFile.objects.exists()


def test_a_name_is_only_a_name(market: Market) -> None:
    with transaction.atomic():
        file = files.keep_file(market.a, "..\\..//etc/pass\x00wd\n.xml", BytesIO(b"<a/>"), actor=ACTOR)
    assert file.name == "passwd.xml"


def test_progress_is_seen_from_outside_while_the_file_is_recorded(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection reads the row while the recording transaction is open."""
    from django.db import connection

    monkeypatch.setattr(files, "CHUNK", 2)
    seen: list[tuple[str, int]] = []
    outside = connection.copy()

    def look(state: str, done: int, total: int) -> None:
        with outside.cursor() as cursor:
            cursor.execute("SELECT state, transactions_done FROM payments_messagefile WHERE direction = 'in'")
            seen.extend(cursor.fetchall())

    with transaction.atomic():
        file = files.keep_file(
            market.a, "f.xml", BytesIO(market.file([market.payment(n) for n in range(5)])), actor=ACTOR
        )
    files.import_file(file.pk, progress=look)
    outside.close()
    assert seen == [("recording", 2), ("recording", 4), ("recording", 5)]
