"""pacs.002, payment status report: our answer to a participant's file, and the settlement bank's to our instructions.

Written as version 10 in a stream, so that an answer on a hundred thousand transactions takes no more memory than one on
ten; read in every version that pyiso20022 knows.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

from senim.roles.payments.messages import fields, stream, writing
from senim.roles.payments.messages.errors import SchemaViolated, UnknownMessage
from senim.roles.payments.messages.parts import Parts
from senim.roles.payments.messages.values import (
    Agent,
    GroupStatus,
    Original,
    Status,
    StatusReport,
    TransactionStatus,
)

DEFINITION: Final = "pacs.002.001.10"
ELEMENT: Final = "FIToFIPmtStsRpt"
NOT_PROVIDED: Final = "NOTPROVIDED"
"""What the standard's users write where an original identification could not be read."""
ACCEPTED_STATUSES: Final = frozenset({"ACCC", "ACCP", "ACSC", "ACSP", "ACTC", "ACWC", "ACWP"})


class Writable(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""
        ...


def write(out: Writable, report: StatusReport, statuses: Iterable[Status] = ()) -> None:
    """Write a whole report, taking the statuses one by one."""
    out.write(opening(report).encode())
    for status in statuses:
        out.write(transaction(status).encode())
    out.write(closing().encode())


def render(report: StatusReport, statuses: Iterable[Status] = ()) -> bytes:
    """A report as bytes, for short ones."""
    return "".join((opening(report), *(transaction(each) for each in statuses), closing())).encode()


def opening(report: StatusReport) -> str:
    """Everything before the first transaction: the caller may write those itself, with ``transaction``."""
    original = report.original
    group = writing.wrap(
        "OrgnlGrpInfAndSts",
        writing.tag("OrgnlMsgId", original.message_id or NOT_PROVIDED),
        writing.tag("OrgnlMsgNmId", original.definition or NOT_PROVIDED),
        writing.tag("OrgnlCreDtTm", writing.moment(original.created_at) if original.created_at else ""),
        writing.tag("OrgnlNbOfTxs", "" if original.transactions is None else str(original.transactions)),
        writing.tag("OrgnlCtrlSum", "" if original.control_sum is None else writing.number(original.control_sum)),
        writing.tag("GrpSts", report.group_status.value if report.group_status else ""),
        _reason(report.reason, report.information),
        _count(report.accepted_as, report.accepted),
        _count(TransactionStatus.REJECTED, report.rejected),
    )
    header = writing.wrap(
        "GrpHdr",
        writing.tag("MsgId", report.message_id),
        writing.tag("CreDtTm", writing.moment(report.created_at)),
        writing.agent("InstgAgt", report.sender),
        writing.agent("InstdAgt", report.receiver),
    )
    return writing.open_document(DEFINITION, ELEMENT) + header + group + "\n"


def transaction(status: Status) -> str:
    """One transaction of the report."""
    return (
        writing.wrap(
            "TxInfAndSts",
            writing.tag("OrgnlInstrId", status.instruction_id),
            writing.tag("OrgnlEndToEndId", status.end_to_end_id),
            writing.tag("OrgnlTxId", status.transaction_id),
            writing.tag("OrgnlUETR", status.uetr),
            writing.tag("TxSts", status.status.value),
            _reason(status.reason, status.information),
            writing.tag("AccptncDtTm", writing.moment(status.accepted_at) if status.accepted_at else ""),
        )
        + "\n"
    )


def closing() -> str:
    """Everything after the last transaction."""
    return writing.close_document(ELEMENT)


def _reason(code: str, texts: tuple[str, ...]) -> str:
    return writing.wrap("StsRsnInf", writing.wrap("Rsn", writing.tag("Cd", code)), writing.information(texts))


def _count(status: TransactionStatus, count: int | None) -> str:
    if not count:
        return ""
    return writing.wrap("NbOfTxsPerSts", writing.tag("DtldNbOfTxs", str(count)), writing.tag("DtldSts", status.value))


class Reader:
    """A report being read: ``report`` is there at once, iterating gives the transactions' statuses in order.

    A status code that says the transaction was accepted, in whatever shade, is given as ``IN_PROCESS`` unless it is
    ``SETTLED``; RJCT is a rejection; any other (pending, received) is passed over, for it decides nothing.

    Raises:
        MessageRefused: FF01, not a valid pacs.002; also while iterating.
    """

    def __init__(self, source: stream.Readable | bytes) -> None:
        layout, whole = stream.begin(stream.readable(source))
        if layout.kind != "pacs.002":
            raise UnknownMessage("The file is not a pacs.002.", definition=layout.document)
        self.layout = layout
        self._elements = iter(Parts(whole, layout))
        self._first: Any = None
        self.report = self._begin()

    def _begin(self) -> StatusReport:
        """Read up to the first transaction."""
        header = group = None
        for element in self._elements:
            name = stream.local_name(element)
            if name == "GrpHdr":
                header = _header(element)
            elif name == "OrgnlGrpInfAndSts":
                group = _original(element)
            elif name == "TxInfAndSts":
                self._first = (_read_status(element), _own_original(element))
                break
        if header is None:
            raise SchemaViolated("The message has no group header.")
        message_id, created_at, sender, receiver = header
        own = self._first[1] if self._first else None
        original, status, reason, texts = group or (own or Original(NOT_PROVIDED, NOT_PROVIDED), None, "", ())
        return StatusReport(message_id, created_at, sender, receiver, original, status, reason, texts)

    def __iter__(self) -> Iterator[Status]:
        if self._first is not None:
            (first, _), self._first = self._first, None
            if first is not None:
                yield first
        for element in self._elements:
            if stream.local_name(element) == "TxInfAndSts" and (status := _read_status(element)) is not None:
                yield status


def read(source: stream.Readable | bytes) -> tuple[StatusReport, tuple[Status, ...]]:
    """Read a short report whole. Raises as ``Reader``."""
    reader = Reader(source)
    return reader.report, tuple(reader)


def _header(element: Any) -> tuple[str, Any, Agent, Agent]:
    created_at = fields.moment(fields.text(element, "CreDtTm"))
    if created_at is None:
        raise SchemaViolated("The group header has no usable moment of creation.")
    sender = Agent(
        fields.agent_bic(fields.child(element, "InstgAgt")), fields.text(element, "InstgAgt", "FinInstnId", "Nm")
    )
    receiver = Agent(
        fields.agent_bic(fields.child(element, "InstdAgt")), fields.text(element, "InstdAgt", "FinInstnId", "Nm")
    )
    return fields.text(element, "MsgId"), created_at, sender, receiver


def _original(element: Any) -> tuple[Original, GroupStatus | None, str, tuple[str, ...]]:
    original = Original(
        message_id=fields.text(element, "OrgnlMsgId"),
        definition=fields.text(element, "OrgnlMsgNmId"),
        created_at=fields.moment(fields.text(element, "OrgnlCreDtTm")),
        transactions=fields.whole(fields.text(element, "OrgnlNbOfTxs")),
        control_sum=fields.decimal(fields.text(element, "OrgnlCtrlSum")),
    )
    code = fields.text(element, "GrpSts")
    status = (
        GroupStatus.ACCEPTED if code in ACCEPTED_STATUSES else GroupStatus(code) if code in {"PART", "RJCT"} else None
    )
    return original, status, *_read_reason(element)


def _own_original(element: Any) -> Original | None:
    """The original message as a transaction names it, where the report as a whole does not."""
    group = fields.child(element, "OrgnlGrpInf")
    return _original(group)[0] if group is not None else None


def _read_status(element: Any) -> Status | None:
    code = fields.text(element, "TxSts")
    if code in ACCEPTED_STATUSES:
        status = TransactionStatus.SETTLED if code in {"ACSC", "ACCC"} else TransactionStatus.IN_PROCESS
    elif code == "RJCT":
        status = TransactionStatus.REJECTED
    else:
        return None
    reason, texts = _read_reason(element)
    return Status(
        status=status,
        reason=reason,
        information=texts,
        instruction_id=fields.text(element, "OrgnlInstrId"),
        end_to_end_id=fields.text(element, "OrgnlEndToEndId"),
        transaction_id=fields.text(element, "OrgnlTxId"),
        uetr=fields.text(element, "OrgnlUETR"),
        accepted_at=fields.moment(fields.text(element, "AccptncDtTm")),
    )


def _read_reason(element: Any) -> tuple[str, tuple[str, ...]]:
    """The first reason; a proprietary one counts as NARR with its text."""
    information = fields.child(element, "StsRsnInf")
    if information is None:
        return "", ()
    texts = tuple((each.text or "").strip() for each in information if stream.local_name(each) == "AddtlInf")
    code = fields.text(information, "Rsn", "Cd")
    proprietary = fields.text(information, "Rsn", "Prtry")
    return (code, texts) if code or not proprietary else ("NARR", (proprietary, *texts))
