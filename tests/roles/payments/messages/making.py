"""Valid messages to start from, made by our own writers or out of a schema's own words, and ways to spoil them."""

import datetime as dt
import uuid
from io import BytesIO

from hypothesis import strategies as st
from lxml import etree

from senim.kernel.values import iban
from senim.roles.payments.messages import pacs008, schema
from senim.roles.payments.messages.writing import open_document

NOW = dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC)
SENDER = "AAAAKZKA"


def payments(count: int) -> list[pacs008.Payment]:
    """Believable payments."""
    return [
        pacs008.Payment(
            end_to_end_id=f"E2E-{number}",
            transaction_id=f"TX-{number}",
            amount_tiyn=12_345 + number,
            debtor_name="Айгүл Серікқызы",
            debtor_account=iban.make("901", f"{number:013d}"),
            debtor_bic=SENDER,
            creditor_name="Данияр <Ахметұлы> & Co",
            creditor_account=iban.make("902", f"{number:013d}"),
            creditor_bic="BBBBKZKAXXX",
            uetr=uuid.UUID(int=number + 1, version=4),
            purpose="For goods & services",
        )
        for number in range(count)
    ]


def file(count: int = 3, message_id: str = "MSG-1") -> bytes:
    """A pacs.008 of so many payments."""
    out = BytesIO()
    pacs008.make_pacs008(
        out, payments(count), message_id=message_id, sender_bic=SENDER, created_at=NOW, settlement_date=NOW.date()
    )
    return out.getvalue()


def as_version(content: bytes, version: str) -> bytes:
    """The same message under another version's namespace."""
    return content.replace(b"pacs.008.001.08", f"pacs.008.001.{version}".encode())


def enveloped(content: bytes, header: str = "head.001.001.02", definition: str = "pacs.008.001.08") -> bytes:
    """The message with a business application header in a SWIFT-like envelope."""
    body = content.split(b"?>", 1)[1]
    party = "<FIId><FinInstnId><BICFI>AAAAKZKAXXX</BICFI></FinInstnId></FIId>"
    head = (
        f'<AppHdr xmlns="{schema.namespace(header)}"><Fr>{party}</Fr><To>{party}</To><BizMsgIdr>B1</BizMsgIdr>'
        f"<MsgDefIdr>{definition}</MsgDefIdr><CreDt>2026-11-20T09:30:00Z</CreDt></AppHdr>"
    )
    return b'<?xml version="1.0"?><Envelope xmlns="urn:x">' + head.encode() + body + b"</Envelope>"


SPOILED_TEXTS = st.sampled_from([
    "", " ", "x", "X" * 36, "X" * 141, "0", "-1", "1.123456", "1e5", "NaN", "INF", "9" * 21, "kzt", "KZTT",
    "2026-02-30", "2026-11-20", "2026-11-20T09:30:00", "2026-11-20T25:00:00Z", "true", "да", "\t", "AAAAKZKA", "+7-1",
])  # fmt: skip


@st.composite
def spoilings(draw: st.DrawFn, content: bytes) -> bytes:
    """The message after one to three small changes of its tree: valid still, or not."""
    root = etree.fromstring(content)
    for _ in range(draw(st.integers(1, 3))):
        elements = [each for each in root.iter() if isinstance(each.tag, str)]
        element = elements[draw(st.integers(0, len(elements) - 1))]
        parent = element.getparent()
        change = draw(st.sampled_from(["text", "attribute", "remove", "double", "rename", "insert", "move"]))
        if change == "text":
            element.text = draw(SPOILED_TEXTS)
        elif change == "attribute":
            element.set(draw(st.sampled_from(["Ccy", "Foo"])), draw(SPOILED_TEXTS).strip())
        elif parent is None:
            continue
        elif change == "remove":
            parent.remove(element)
        elif change == "double":
            parent.insert(parent.index(element), etree.fromstring(etree.tostring(element)))
        elif change == "rename":
            element.tag = (
                f"{{{etree.QName(element).namespace}}}{draw(st.sampled_from(['Foo', 'Cd', 'Prtry', 'Nm', 'Id']))}"
            )
        elif change == "insert":
            name = draw(st.sampled_from(["Foo", "Nm", "SplmtryData", "ChrgBr", "PmtTpInf"]))
            element.append(etree.Element(f"{{{etree.QName(element).namespace}}}{name}"))
        else:
            parent.append(element)
    return etree.tostring(root)


def document(definition: str, element: str, inner: str) -> bytes:
    """A message of any kind around its inner part."""
    return f"{open_document(definition, element)}{inner}</{element}></Document>".encode()
