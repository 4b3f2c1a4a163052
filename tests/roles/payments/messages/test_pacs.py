"""What is written is valid by the published schemas and reads back as it was."""

import datetime as dt
from decimal import Decimal
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from tests.roles.payments.messages import making, samples

from senim.kernel.values import iban
from senim.roles.payments.messages import admi002, pacs002, pacs008, pacs009
from senim.roles.payments.messages.errors import MessageRefused, Place, Problem, SchemaViolated
from senim.roles.payments.messages.values import (
    Agent,
    GroupStatus,
    Instruction,
    Original,
    SettlementMessage,
    Status,
    StatusReport,
    TransactionStatus,
)
from senim.runtime.bench import rss_mib

NOW = dt.datetime(2026, 11, 20, 9, 30, 15, 123000, tzinfo=dt.UTC)
BANK = Agent("AAAAKZKAXXX")
REPORT = StatusReport(
    message_id="A1",
    created_at=NOW,
    sender=Agent(name="Операторы & Co"),
    receiver=BANK,
    original=Original("MSG-1", "pacs.008.001.08", NOW, 3, Decimal("370.38")),
    group_status=GroupStatus.PARTLY,
    accepted=2,
    rejected=1,
)
STATUSES = (
    Status(TransactionStatus.IN_PROCESS, end_to_end_id="E2E-0", transaction_id="TX-0", accepted_at=NOW),
    Status(TransactionStatus.REJECTED, "AM04", ("There is not enough money.", "line 4"), "I-1", "E2E-1", "TX-1"),
    Status(TransactionStatus.SETTLED, instruction_id="I-2", uetr="174c245f-2682-4291-ad67-2a41e530cd27"),
)


def settlement(count: int = 3) -> SettlementMessage:
    """A settlement message of so many lines."""
    lines = tuple(
        Instruction(
            instruction_id=f"STL-{number}",
            end_to_end_id=f"STL-{number}",
            amount_tiyn=1 + number * 10**9,
            debtor=BANK,
            debtor_account=iban.make("901", "1" * 13),
            creditor=Agent("BBBBKZKA"),
            creditor_account=iban.make("902", "2" * 13),
        )
        for number in range(count)
    )
    return SettlementMessage("STL20261120-01", NOW, NOW.date(), Agent(name="Operator"), BANK, lines)


def valid(identifier: str, content: bytes) -> bool:
    """The published schema's verdict."""
    schema = etree.XMLSchema(etree.parse(samples.schema_file(identifier)))
    schema.assertValid(etree.fromstring(content))
    return True


@samples.needed
def test_what_is_written_is_valid_by_the_published_schemas() -> None:
    assert valid("pacs.008.001.08", making.file(5))
    assert valid("pacs.008.001.10", making.as_version(making.file(5), "10"))
    assert valid("pacs.009.001.08", pacs009.render(settlement()))
    assert valid("pacs.002.001.10", pacs002.render(REPORT, STATUSES))
    assert valid("admi.002.001.01", admi002.render(Problem("FF01", "w" * 500, Place(3, "a/b" * 200)), NOW))


def test_settlement_reads_back() -> None:
    message = settlement()
    again = pacs009.read(pacs009.render(message))
    assert again.instructions == message.instructions
    assert (again.message_id, again.created_at, again.settlement_date) == ("STL20261120-01", NOW, NOW.date())
    assert again.receiver == BANK


def test_settlement_is_never_sent_wrong() -> None:
    with pytest.raises(SchemaViolated):
        pacs009.render(settlement(0))
    wrong = SettlementMessage("M" * 36, NOW, NOW.date(), BANK, BANK, settlement().instructions)
    with pytest.raises(SchemaViolated):
        pacs009.render(wrong)
    with pytest.raises(ValueError, match="time zone"):
        pacs009.render(
            SettlementMessage("M", NOW.replace(tzinfo=None), NOW.date(), BANK, BANK, settlement().instructions)
        )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"<NbOfTxs>3", b"<NbOfTxs>2", "AM18"),
        (b"<CtrlSum>", b"<CtrlSum>1", "AM10"),
        (b'Ccy="KZT">0.01', b'Ccy="EUR">0.01', "AM03"),
        (b'Ccy="KZT">0.01', b'Ccy="KZT">0.011', "AM02"),
        (b"<Dbtr>", b"<Dbtor>", "FF01"),
    ],
)
def test_settlement_is_refused_by_reason(old: bytes, new: bytes, reason: str) -> None:
    with pytest.raises(MessageRefused) as refused:
        pacs009.read(pacs009.render(settlement()).replace(old, new, 1))
    assert refused.value.reason == reason


def test_a_report_reads_back() -> None:
    report, statuses = pacs002.read(pacs002.render(REPORT, STATUSES))
    assert statuses == STATUSES
    assert (report.message_id, report.created_at, report.original) == ("A1", NOW, REPORT.original)
    assert (report.group_status, report.sender, report.receiver) == (GroupStatus.PARTLY, REPORT.sender, BANK)


@pytest.mark.parametrize("version", ["10", "12", "14"])
def test_reports_of_other_versions_are_read(version: str) -> None:
    content = pacs002.render(REPORT, STATUSES).replace(b"pacs.002.001.10", f"pacs.002.001.{version}".encode())
    assert pacs002.read(content)[1] == STATUSES


@samples.needed
def test_real_reports_are_read() -> None:
    for path in samples.messages("pacs.002"):
        report, statuses = pacs002.read(path.read_bytes())
        assert report.original.definition == "pacs.008.001.08"
        assert [(each.status, each.reason) for each in statuses] == [(TransactionStatus.REJECTED, "AC04")]


def test_a_report_is_written_in_flat_memory() -> None:
    class Counting:
        written = 0

        def write(self, data: bytes, /) -> None:
            self.written += len(data)

    pacs002.write(Counting(), REPORT, STATUSES)
    out, before = Counting(), rss_mib()
    pacs002.write(out, REPORT, (STATUSES[number % 3] for number in range(100_000)))
    assert out.written > 15_000_000
    assert rss_mib() - before < 10


text = st.text(st.characters(codec="utf-8"), max_size=60)


@given(text, text)
def test_any_words_survive_the_wire(words: str, name: str) -> None:
    status = Status(TransactionStatus.REJECTED, "NARR", (words,), end_to_end_id="E")
    report = StatusReport("A1", NOW, Agent(name=name), BANK, Original("M", "pacs.008.001.08"), GroupStatus.REJECTED)
    content = pacs002.render(report, [status])
    etree.fromstring(content)  # always well-formed


@given(st.integers(0, 10**15), st.sampled_from(["Айгүл", "<&>\"'", "O'Neil"]))
def test_transfers_read_back(amount_tiyn: int, name: str) -> None:
    payment = making.payments(1)[0]
    given_payment = pacs008.Payment(**{**_fields(payment), "amount_tiyn": amount_tiyn, "debtor_name": name})  # type: ignore[arg-type]  # same fields
    out = BytesIO()
    pacs008.make_pacs008(
        out, [given_payment], message_id="M", sender_bic="AAAAKZKA", created_at=NOW, settlement_date=NOW.date()
    )
    [transfer] = pacs008.Reader(out.getvalue())
    assert (transfer.amount, transfer.currency) == (f"{amount_tiyn // 100}.{amount_tiyn % 100:02d}", "KZT")
    assert (transfer.debtor_name, transfer.debtor_account, transfer.debtor_bic) == (
        name,
        payment.debtor_account,
        "AAAAKZKA",
    )
    assert (transfer.creditor_account, transfer.creditor_bic) == (payment.creditor_account, "BBBBKZKAXXX")
    assert (transfer.end_to_end_id, transfer.transaction_id, transfer.uetr) == ("E2E-0", "TX-0", str(payment.uetr))
    assert (transfer.settlement_date, transfer.initiated_at, transfer.line) == (NOW.date(), NOW, 3)


def _fields(payment: pacs008.Payment) -> dict[str, object]:
    return {name: getattr(payment, name) for name in pacs008.Payment.__slots__}


def test_a_writer_that_was_given_wrong_totals_says_so() -> None:
    with pytest.raises(ValueError, match="header says 2"):
        pacs008.write(
            BytesIO(), making.payments(1), message_id="M", created_at=NOW, settlement_date=NOW.date(),
            sender_bic="AAAAKZKA", count=2, total_tiyn=1,
        )  # fmt: skip
