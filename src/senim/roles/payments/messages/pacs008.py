"""pacs.008, customer credit transfer between financial institutions: a participant's file of transfers.

Read as a stream in every version that pyiso20022 knows, alone or in an envelope with its header; written as version 08.
The header's ``MsgDefIdr`` often disagrees with the document's namespace in life: the namespace is what the document is
validated by, and the disagreement is a warning.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Final

from senim.kernel.values.money import CURRENCY, to_decimal
from senim.roles.payments.messages import fields, stream, writing
from senim.roles.payments.messages.errors import Place, Problem, UnknownMessage
from senim.roles.payments.messages.pacs002 import Writable
from senim.roles.payments.messages.parts import Parts
from senim.roles.payments.messages.values import BusinessHeader, CreditTransfer, Group

DEFINITION: Final = "pacs.008.001.08"
ELEMENT: Final = "FIToFICstmrCdtTrf"
RECORD: Final = "CdtTrfTxInf"
EXACT: Final = Context(prec=60)
"""Room for the sum of any number of amounts of eighteen digits, with all their decimals."""


EMPTY_GROUP: Final = Group("", None, None, None, None, "", None, "", "")
"""Stands for the header of a message that has none."""


class Reader:
    """A pacs.008 being read: ``layout``, ``header`` and ``group`` are there at once, iterating gives the transfers.

    What was read counts only when the iteration has come to its end. ``validate`` and ``problems`` are as in ``Parts``.

    Raises:
        MessageRefused: FF01; also while iterating.
    """

    def __init__(
        self, source: stream.Readable | bytes, *, validate: bool = True, problems: list[Problem] | None = None
    ) -> None:
        self.layout, whole = stream.begin(stream.readable(source))
        if self.layout.kind != "pacs.008":
            raise UnknownMessage("The file is not a pacs.008.", definition=self.layout.document)
        self.header: BusinessHeader | None = None
        self.group = EMPTY_GROUP
        self._names = _Names(self.layout.tag(""))
        self._parts = iter(Parts(whole, self.layout, validate=validate, problems=problems))
        self._first = self._begin()

    def _begin(self) -> CreditTransfer | None:
        """Read up to the first transaction, which comes after the header in every valid message."""
        for element in self._parts:
            name = stream.local_name(element)
            if name == "AppHdr":
                self.header = fields.business_header(element)
            elif name == "GrpHdr":
                self.group = fields.group(element)
            elif element.tag == self._names.record:
                return self._names.transfer(element, 1)
        return None

    def __iter__(self) -> Iterator[CreditTransfer]:
        if self._first is None:
            return
        first, self._first = self._first, None
        yield first
        index = 1
        for element in self._parts:
            if element.tag == self._names.record:
                index += 1
                yield self._names.transfer(element, index)

    @property
    def sender_bic(self) -> str:
        """The institution that sent the file, as it says itself: the instructing agent, else the header's sender."""
        return self.group.instructing_bic or (self.header.from_bic if self.header else "")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is tolerated but worth saying."""
        declared = self.header.definition if self.header else ""
        if declared and declared != self.layout.document:
            return (f"The header names {declared}, the document is {self.layout.document}.",)
        return ()


class _Names:
    """Reads records of one namespace. Called for every transfer: one pass over an element's children, no searching."""

    def __init__(self, prefix: str) -> None:
        self.record = prefix + RECORD
        self._start = len(prefix)

    def transfer(self, element: Any, index: int) -> CreditTransfer:
        start = self._start
        parts = {child.tag[start:]: child for child in element}
        identification = {child.tag[start:]: child.text or "" for child in parts.get("PmtId", ())}
        amount = parts.get("IntrBkSttlmAmt")
        initiated = parts.get("AccptncDtTm")
        settled = parts.get("IntrBkSttlmDt")
        return CreditTransfer(
            index=index,
            line=element.sourceline,
            instruction_id=identification.get("InstrId", ""),
            end_to_end_id=identification.get("EndToEndId", ""),
            transaction_id=identification.get("TxId", ""),
            uetr=identification.get("UETR", ""),
            amount="" if amount is None else (amount.text or "").strip(),
            currency="" if amount is None else amount.get("Ccy", ""),
            settlement_date=None if settled is None else fields.date((settled.text or "").strip()),
            initiated_at=None if initiated is None else fields.moment((initiated.text or "").strip()),
            instructing_bic=self._bic(parts.get("InstgAgt")),
            debtor_name=self._name(parts.get("Dbtr")),
            debtor_account=self._account(parts.get("DbtrAcct")),
            debtor_bic=self._bic(parts.get("DbtrAgt")),
            creditor_name=self._name(parts.get("Cdtr")),
            creditor_account=self._account(parts.get("CdtrAcct")),
            creditor_bic=self._bic(parts.get("CdtrAgt")),
        )

    def _text(self, element: Any, *wanted: str) -> str:
        start = self._start
        for child in element:
            if child.tag[start:] in wanted:
                return (child.text or "").strip()
        return ""

    def _bic(self, element: Any) -> str:
        return self._text(element[0], "BICFI", "BIC") if element is not None and len(element) else ""

    def _name(self, element: Any) -> str:
        return self._text(element, "Nm") if element is not None else ""

    def _account(self, element: Any) -> str:
        """An account's IBAN, or what else identifies it; the account may itself begin with other parts."""
        start = self._start
        for part in element if element is not None else ():
            if part.tag[start:] == "Id":
                for choice in part:
                    return self._text(choice, "Id") if len(choice) else (choice.text or "").strip()
        return ""


@dataclass(slots=True)
class Totals:
    """What the transfers of a file add up to, gathered while they pass."""

    transactions: int = 0
    sum: Decimal = Decimal(0)
    currencies: frozenset[str] = frozenset()

    def add(self, transfer: CreditTransfer) -> None:
        """Count one transfer."""
        self.transactions += 1
        self.sum = EXACT.add(self.sum, fields.decimal(transfer.amount) or Decimal(0))
        if transfer.currency not in self.currencies:
            self.currencies |= {transfer.currency}

    def against(self, group: Group) -> list[Problem]:
        """How the header's own totals differ: AM18 for the number, AM10 for the sums."""
        place = Place(group.line, f"Document/{ELEMENT}/GrpHdr")
        problems = []
        if group.transactions != self.transactions:
            text = f"NbOfTxs says {group.transactions}, the file holds {self.transactions}."
            problems.append(Problem("AM18", text, place))
        if group.control_sum not in {None, self.sum}:
            problems.append(
                Problem("AM10", f"CtrlSum says {group.control_sum}, the amounts add up to {self.sum}.", place)
            )
        if group.total is not None and (group.total != self.sum or self.currencies != {group.total_currency}):
            currencies = ", ".join(sorted(self.currencies)[:5])
            text = (
                f"TtlIntrBkSttlmAmt says {group.total} {group.total_currency}, "
                f"the amounts add up to {self.sum} {currencies}."
            )
            problems.append(Problem("AM10", text, place))
        return problems


@dataclass(frozen=True, slots=True)
class Payment:
    """A transfer to be written: ``amount_tiyn`` in tenge from one client's account to another's."""

    end_to_end_id: str
    transaction_id: str
    amount_tiyn: int
    debtor_name: str
    debtor_account: str
    debtor_bic: str
    creditor_name: str
    creditor_account: str
    creditor_bic: str
    uetr: uuid.UUID | None = None
    purpose: str = ""


def write(
    out: Writable,
    payments: Iterable[Payment],
    *,
    message_id: str,
    created_at: dt.datetime,
    settlement_date: dt.date,
    sender_bic: str,
    count: int,
    total_tiyn: int,
) -> None:
    """Write a pacs.008 as a stream.

    The header comes first and names the totals, so the caller has to know them: ``count`` payments of ``total_tiyn``
    together.

    Raises:
        ValueError: the payments did not add up to what the header says; the file is of no use.
    """
    out.write(_opening(message_id, created_at, settlement_date, sender_bic, count, total_tiyn).encode())
    written, sum_tiyn = 0, 0
    for payment in payments:
        out.write(_record(payment, settlement_date, created_at).encode())
        written, sum_tiyn = written + 1, sum_tiyn + payment.amount_tiyn
    if (written, sum_tiyn) != (count, total_tiyn):
        raise ValueError(f"header says {count} of {total_tiyn} tiyn, written {written} of {sum_tiyn}")
    out.write(writing.close_document(ELEMENT).encode())


def make_pacs008(
    out: Writable,
    payments: Iterable[Payment],
    *,
    message_id: str,
    sender_bic: str,
    created_at: dt.datetime,
    settlement_date: dt.date,
) -> None:
    """Write a pacs.008 of payments that are at hand, counting them first."""
    listed = list(payments)
    total_tiyn = sum(each.amount_tiyn for each in listed)
    write(
        out,
        listed,
        message_id=message_id,
        created_at=created_at,
        settlement_date=settlement_date,
        sender_bic=sender_bic,
        count=len(listed),
        total_tiyn=total_tiyn,
    )


def _opening(
    message_id: str, created_at: dt.datetime, settlement_date: dt.date, sender_bic: str, count: int, total_tiyn: int
) -> str:
    header = writing.wrap(
        "GrpHdr",
        writing.tag("MsgId", message_id),
        writing.tag("CreDtTm", writing.moment(created_at)),
        writing.tag("NbOfTxs", str(count)),
        writing.tag("CtrlSum", to_decimal(total_tiyn)),
        f'<TtlIntrBkSttlmAmt Ccy="{CURRENCY}">{to_decimal(total_tiyn)}</TtlIntrBkSttlmAmt>',
        writing.tag("IntrBkSttlmDt", settlement_date.isoformat()),
        writing.wrap("SttlmInf", writing.tag("SttlmMtd", "CLRG")),
        f"<InstgAgt><FinInstnId><BICFI>{sender_bic}</BICFI></FinInstnId></InstgAgt>",
    )
    return writing.open_document(DEFINITION, ELEMENT) + header + "\n"


def _record(payment: Payment, settlement_date: dt.date, created_at: dt.datetime) -> str:
    return (
        writing.wrap(
            RECORD,
            writing.wrap(
                "PmtId",
                writing.tag("EndToEndId", payment.end_to_end_id),
                writing.tag("TxId", payment.transaction_id),
                writing.tag("UETR", str(payment.uetr or "")),
            ),
            f'<IntrBkSttlmAmt Ccy="{CURRENCY}">{to_decimal(payment.amount_tiyn)}</IntrBkSttlmAmt>',
            writing.tag("IntrBkSttlmDt", settlement_date.isoformat()),
            writing.tag("AccptncDtTm", writing.moment(created_at)),
            "<ChrgBr>SLEV</ChrgBr>",
            writing.wrap("Dbtr", writing.tag("Nm", payment.debtor_name)),
            writing.iban_account("DbtrAcct", payment.debtor_account),
            f"<DbtrAgt><FinInstnId><BICFI>{payment.debtor_bic}</BICFI></FinInstnId></DbtrAgt>",
            f"<CdtrAgt><FinInstnId><BICFI>{payment.creditor_bic}</BICFI></FinInstnId></CdtrAgt>",
            writing.wrap("Cdtr", writing.tag("Nm", payment.creditor_name)),
            writing.iban_account("CdtrAcct", payment.creditor_account),
            writing.wrap("RmtInf", writing.tag("Ustrd", payment.purpose[:140])),
        )
        + "\n"
    )
