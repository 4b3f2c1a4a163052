"""Small writers: pieces of XML as text. Whole messages are put together from them, piece by piece, in flat memory."""

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal
from xml.sax.saxutils import escape

from senim.roles.payments.messages import schema
from senim.roles.payments.messages.values import Agent

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot carry even escaped."""
INFORMATION_MAX = 105
"""AddtlInf is Max105Text."""


def tag(name: str, value: str) -> str:
    """An element with text; nothing when there is none."""
    if not value:
        return ""
    # Called a million times for a large answer, nearly always with plain identifications.
    carried = value if value.isprintable() else FORBIDDEN.sub("?", value)
    return f"<{name}>{escape(carried)}</{name}>"


def wrap(name: str, *parts: str) -> str:
    """An element around parts; nothing when they are all empty."""
    inner = "".join(parts)
    return f"<{name}>{inner}</{name}>" if inner else ""


def moment(value: dt.datetime) -> str:
    """An ISODateTime in UTC.

    Raises:
        ValueError: the moment does not say its time zone.
    """
    if value.tzinfo is None:
        raise ValueError("a message never carries a moment without its time zone")
    return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number(value: Decimal) -> str:
    """A decimal without exponent."""
    return format(value, "f")


def agent(name: str, value: Agent) -> str:
    """A BranchAndFinancialInstitutionIdentification by BIC, or by name for want of one."""
    inner = tag("BICFI", value.bic) or tag("Nm", value.name[:140])
    return wrap(name, wrap("FinInstnId", inner))


def iban_account(name: str, iban: str) -> str:
    """A cash account by its IBAN."""
    return wrap(name, wrap("Id", tag("IBAN", iban)))


def information(texts: Iterable[str]) -> str:
    """AddtlInf of each text, cut to its length."""
    return "".join(tag("AddtlInf", each[:INFORMATION_MAX].strip()) for each in texts)


def open_document(definition: str, element: str) -> str:
    """Everything before the first part of a message."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{schema.namespace(definition)}"><{element}>'


def close_document(element: str) -> str:
    """Everything after its last part."""
    return f"</{element}></Document>\n"
