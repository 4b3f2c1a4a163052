"""How a participant's report of a day looks: PDF and XLSX, in the language that is active."""

import datetime as dt
import io
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from senim.kernel.documents import pdf, xlsx
from senim.kernel.documents.xlsx import Column, Form, Sheet
from senim.kernel.values import almaty
from senim.kernel.values.iban import printed
from senim.kernel.values.money import format_amount
from senim.roles.payments.models import KIND_LABELS, SettlementInstruction
from senim.roles.payments.rules.kinds import InstructionState
from senim.roles.payments.rules.reasons import MEANINGS, Reason
from senim.roles.payments.services import report_operations
from senim.roles.payments.services.report_data import DayReport

TEMPLATE: Final = Path(__file__).resolve().parents[1] / "documents" / "day_report.typ"
INSTRUCTION_LABELS: Final = {
    InstructionState.SENT: _("Sent, no answer yet"),
    InstructionState.SETTLED: _("Settled"),
    InstructionState.REFUSED: _("Refused by the settlement bank"),
}


def filename(day: dt.date, participant_code: str, form: str) -> str:
    """The name under which a report is sent and downloaded."""
    return f"day-report-{day.isoformat()}-{participant_code}.{form}"


def pdf_bytes(report: DayReport) -> bytes:
    """The report as PDF."""
    return pdf.render(TEMPLATE, pdf_data(report), made_at=_made_at(report))


def pdf_data(report: DayReport) -> dict[str, Any]:
    """Everything the template prints, as texts."""
    return {
        "title": gettext("Report of the operating day"),
        "subtitle": f"{report.participant.name}, {_date(report.day.day)}",
        "sender": settings.SENIM_ORGANISATION,
        "language": _language(),
        "footer": gettext("Participant %(code)s, operating day %(day)s")
        % {"code": report.participant.code, "day": _date(report.day.day)},
        "page": gettext("page"),
        "facts": _facts(report),
        "sections": [_kinds(report), _refusals(report), _counterparties(report)],
        "settlement": {"title": gettext("Settlement"), "facts": _settlement(report)},
    }


def _facts(report: DayReport) -> list[tuple[str, str]]:
    participant, day = report.participant, report.day
    return [
        (gettext("Participant"), f"{participant.name}, {participant.code}"),
        (gettext("BIN"), participant.bin),
        (gettext("BIC"), participant.bic),
        (gettext("Operating day"), _date(day.day)),
        (gettext("Day closed"), _moment(day.closed_at)),
        (gettext("Net position, KZT"), _signed(report.net_tiyn)),
    ]


def _kinds(report: DayReport) -> dict[str, Any]:
    rows = [
        [
            str(KIND_LABELS[k.kind]),
            _count(k.as_payer),
            _money(k.as_payer_tiyn),
            _count(k.as_payee),
            _money(k.as_payee_tiyn),
        ]
        for k in report.kinds
    ]
    total = [
        gettext("Total"),
        _count(sum(line.as_payer for line in report.kinds)),
        _money(sum(line.as_payer_tiyn for line in report.kinds)),
        _count(sum(line.as_payee for line in report.kinds)),
        _money(sum(line.as_payee_tiyn for line in report.kinds)),
    ]
    head = [
        gettext("Kind"),
        gettext("Paid by its clients"),
        gettext("Sum, KZT"),
        gettext("Received by its clients"),
        gettext("Sum, KZT"),
    ]
    return {"title": gettext("Operations carried out"), "head": head, "rows": rows, "total": total}


def _refusals(report: DayReport) -> dict[str, Any]:
    rows = [
        [_reason(line.reason), line.reason, _count(line.operations), _money(line.amount_tiyn)]
        for line in report.refusals
    ]
    total = [
        gettext("Total"),
        "",
        _count(sum(line.operations for line in report.refusals)),
        _money(sum(line.amount_tiyn for line in report.refusals)),
    ]
    return {
        "title": gettext("Refused operations"),
        "head": [gettext("Reason"), gettext("Code"), gettext("Operations"), gettext("Sum, KZT")],
        "rows": rows,
        "total": total,
        "empty": gettext("There were none."),
    }


def _counterparties(report: DayReport) -> dict[str, Any]:
    rows = [
        [
            line.counterparty.name,
            _money(line.owes_tiyn),
            _money(line.owed_tiyn),
            _signed(line.owed_tiyn - line.owes_tiyn),
        ]
        for line in report.counterparties
    ]
    owes = sum(line.owes_tiyn for line in report.counterparties)
    owed = sum(line.owed_tiyn for line in report.counterparties)
    return {
        "title": gettext("Mutual obligations"),
        "head": [
            gettext("Counterparty"),
            gettext("To be paid, KZT"),
            gettext("To be received, KZT"),
            gettext("Difference, KZT"),
        ],
        "rows": rows,
        "total": [gettext("Total"), _money(owes), _money(owed), _signed(owed - owes)],
        "empty": gettext("There were none."),
    }


def _settlement(report: DayReport) -> list[tuple[str, str]]:
    facts = [(gettext("Net position, KZT"), _signed(report.net_tiyn))]
    instruction = report.instruction
    if instruction is None:
        return [*facts, (gettext("Instruction"), gettext("Nothing had to be settled."))]
    return [
        *facts,
        (gettext("Account at the settlement bank"), printed(report.participant.settlement_iban)),
        (gettext("Settlement message"), instruction.message_id),
        (gettext("Instruction"), instruction.instruction_id),
        (gettext("Outcome"), _outcome(instruction)),
        (gettext("Answered"), _moment(instruction.answered_at)),
        (gettext("Final posting"), str(instruction.posting_id or "")),
    ]


def _outcome(instruction: SettlementInstruction) -> str:
    label = str(INSTRUCTION_LABELS[InstructionState(instruction.state)])
    return f"{label} ({instruction.reason})" if instruction.reason else label


def xlsx_bytes(report: DayReport) -> bytes:
    """The report as XLSX: the same tables, and the operations themselves while they are few enough to read."""
    target = io.BytesIO()
    heading = f"{gettext('Report of the operating day')}: {report.participant.name}, {_date(report.day.day)}"
    xlsx.write(
        target,
        title=heading,
        author=settings.SENIM_ORGANISATION,
        total_label=gettext("Total"),
        sheets=[*_summary_sheets(report, heading), *report_operations.sheets(report, heading)],
        made_at=_made_at(report),
    )
    return target.getvalue()


def _summary_sheets(report: DayReport, heading: str) -> list[Sheet]:
    count, money = Form.COUNT, Form.MONEY
    kinds = [(str(KIND_LABELS[k.kind]), k.as_payer, k.as_payer_tiyn, k.as_payee, k.as_payee_tiyn) for k in report.kinds]
    counterparties = [
        (
            line.counterparty.code,
            line.counterparty.name,
            line.owes_tiyn,
            line.owed_tiyn,
            line.owed_tiyn - line.owes_tiyn,
        )
        for line in report.counterparties
    ]
    refusals = [(line.reason, _reason(line.reason), line.operations, line.amount_tiyn) for line in report.refusals]
    return [
        Sheet(
            gettext("Operations carried out"),
            heading,
            (
                Column(gettext("Kind"), width=26),
                Column(gettext("Paid by its clients"), count, 20, total=True),
                Column(gettext("Sum, KZT"), money, 22, total=True),
                Column(gettext("Received by its clients"), count, 20, total=True),
                Column(gettext("Sum, KZT"), money, 22, total=True),
            ),
            kinds,
        ),
        Sheet(
            gettext("Refused operations"),
            heading,
            (
                Column(gettext("Code"), width=10),
                Column(gettext("Reason"), width=60),
                Column(gettext("Operations"), count, 14, total=True),
                Column(gettext("Sum, KZT"), money, 22, total=True),
            ),
            refusals,
        ),
        Sheet(
            gettext("Mutual obligations"),
            heading,
            (
                Column(gettext("Code"), width=12),
                Column(gettext("Counterparty"), width=34),
                Column(gettext("To be paid, KZT"), money, 22, total=True),
                Column(gettext("To be received, KZT"), money, 22, total=True),
                Column(gettext("Difference, KZT"), money, 22, total=True),
            ),
            counterparties,
        ),
        Sheet(
            gettext("Settlement"),
            heading,
            (Column(gettext("Field"), width=34), Column(gettext("Value"), width=46)),
            _settlement(report)[1:],  # the net position is a number on the sheet before
        ),
    ]


def _made_at(report: DayReport) -> dt.datetime:
    """The moment the report speaks of. Not the clock: a report made again has to be the same document."""
    return report.day.settled_at or report.day.closed_at or report.day.opened_at


def _reason(code: str) -> str:
    return gettext(MEANINGS[Reason(code)]).rstrip(".") if code in {reason.value for reason in Reason} else code


def _language() -> str:
    return (get_language() or "kk")[:2]


def _money(amount_tiyn: int) -> str:
    return format_amount(amount_tiyn, _language(), with_currency=False)


def _signed(amount_tiyn: int) -> str:
    return f"+{_money(amount_tiyn)}" if amount_tiyn > 0 else _money(amount_tiyn)


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}" if _language() != "en" else ",")


def _date(day: dt.date) -> str:
    return day.strftime("%d.%m.%Y") if _language() != "en" else f"{day.day} {day:%B %Y}"


def _moment(moment: dt.datetime | None) -> str:
    if moment is None:
        return ""
    local = timezone.localtime(moment, almaty.ALMATY)
    return f"{_date(local.date())} {local:%H:%M:%S}"
