"""Small readers of a message's parts. They take what the schema has let through, or nothing where it has not."""

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Any

from senim.kernel.values.almaty import ALMATY
from senim.roles.payments.messages.stream import local_name
from senim.roles.payments.messages.values import BusinessHeader, Group


def child(element: Any, *names: str) -> Any:
    """Go down by local names, the first of each name; None where the way ends."""
    for name in names:
        if element is None:
            return None
        element = next((each for each in element if local_name(each) == name), None)
    return element


def text(element: Any, *names: str) -> str:
    """The text at the end of the way, without the blanks around it; empty where there is none."""
    found = child(element, *names)
    return "" if found is None else (found.text or "").strip()


def moment(value: str) -> dt.datetime | None:
    """An ISODateTime as an aware moment; without an offset by Almaty's clock. None for what Python's calendar lacks."""
    try:
        parsed = dt.datetime.fromisoformat(value)
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=ALMATY)
        return aware.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def date(value: str) -> dt.date | None:
    """An ISODate; a time zone, which XML allows after it, changes nothing."""
    try:
        return dt.date.fromisoformat(value[:10])
    except ValueError:
        return None


def decimal(value: str) -> Decimal | None:
    """An exact number, or None."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def whole(value: str) -> int | None:
    """A whole number of at most fifteen digits, or None."""
    return int(value) if len(value) <= 15 and value.isascii() and value.isdigit() else None


def agent_bic(element: Any) -> str:
    """The BIC of an agent, by its name of today or of the versions before 2013."""
    institution = child(element, "FinInstnId")
    return text(institution, "BICFI") or text(institution, "BIC")


def account(element: Any) -> str:
    """The number of an account: its IBAN, or what else identifies it."""
    identification = child(element, "Id")
    return text(identification, "IBAN") or text(identification, "Othr", "Id")


def business_header(element: Any) -> BusinessHeader:
    """The header's parties and identification."""
    return BusinessHeader(
        from_bic=agent_bic(child(element, "Fr", "FIId")),
        to_bic=agent_bic(child(element, "To", "FIId")),
        message_id=text(element, "BizMsgIdr"),
        definition=text(element, "MsgDefIdr"),
    )


def group(element: Any) -> Group:
    """The group header of pacs.008 and pacs.009."""
    total = child(element, "TtlIntrBkSttlmAmt")
    return Group(
        message_id=text(element, "MsgId"),
        created_at=moment(text(element, "CreDtTm")),
        transactions=whole(text(element, "NbOfTxs")),
        control_sum=decimal(text(element, "CtrlSum")),
        total=None if total is None else decimal((total.text or "").strip()),
        total_currency="" if total is None else total.get("Ccy", ""),
        settlement_date=date(text(element, "IntrBkSttlmDt")),
        instructing_bic=agent_bic(child(element, "InstgAgt")),
        instructed_bic=agent_bic(child(element, "InstdAgt")),
        line=element.sourceline,
    )
