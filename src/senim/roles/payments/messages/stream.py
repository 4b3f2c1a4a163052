"""Reading of messages as a stream, in flat memory, from bytes that may be hostile.

What is accepted: one message (``Document``) in UTF-8, alone or in any envelope with its business application header
(``AppHdr``). A document type declaration is refused before the parser sees it, so that no entity can be declared at
all; libxml2's own bounds (nesting 256, one text 10 MB) stay on, and a record takes at most ``RECORD_BYTES_MAX``.
"""

import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

from lxml import etree

from senim.roles.payments.messages import schema
from senim.roles.payments.messages.errors import (
    ForbiddenXml,
    MessageTooLarge,
    NotXml,
    Place,
    UnknownMessage,
)

CHUNK_BYTES = 64 * 1024
HEAD_BYTES_MAX = 1024 * 1024
"""The header and the beginning of the message must lie within the first mebibyte."""
RECORD_BYTES_MAX = 256 * 1024
"""Room for one transaction with everything around it; a believable one takes one or two kilobytes."""
SAFE: dict[str, Any] = {
    "encoding": "utf-8",
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
    "recover": False,
    "remove_comments": True,
    "remove_pis": True,
    "remove_blank_text": True,
}
ENCODINGS = {b"utf-8", b"utf8", b"us-ascii"}
XML_DECLARATION = re.compile(rb"<\?xml\s[^?>]*?\bencoding\s*=\s*[\"']([A-Za-z0-9._\-]+)[\"']")
NAMESPACE_IN_TEXT = re.compile(r"\{[^{}]*:[^{}]*\}")


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file holds, known from its beginning.

    ``root`` is the outermost element's qualified name as lxml spells it; ``header`` and ``document`` are message
    definition identifiers (``head.001.001.02``, ``pacs.008.001.10``); ``depth`` counts the elements around the message.
    """

    root: str
    header: str | None
    document: str
    depth: int

    @property
    def kind(self) -> str:
        """The message without its version: ``pacs.008``."""
        return self.document[:8]

    def tag(self, name: str) -> str:
        """The qualified name of an element of the message."""
        return f"{{{schema.namespace(self.document)}}}{name}"

    def compiled(self) -> etree.XMLSchema:
        """The schema that the whole file has to follow."""
        if self.depth == 0:
            return schema.compiled(self.document)
        identifiers = (self.header, self.document) if self.header else (self.document,)
        return schema.compiled_envelope(self.root, identifiers)


class Replayed:
    """A stream whose beginning has been read already and is given out again first."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        return self._rest.read(size)


def begin(stream: Readable) -> tuple[Layout, Replayed]:
    """Find what the file holds; the second value reads the file from its first byte.

    Raises:
        MessageRefused: not XML, forbidden XML, or no message known here within the first mebibyte.
    """
    etree.clear_error_log()
    head = b""
    parser: etree.XMLPullParser | None = None
    while len(head) < HEAD_BYTES_MAX:
        chunk = stream.read(CHUNK_BYTES)
        fresh, head = chunk, head + chunk
        if parser is None:
            if not _prolog_ends(head) and chunk:
                continue
            check_prolog(head)
            parser, fresh = etree.XMLPullParser(events=("start",), **SAFE), head
        feed(parser, fresh)
        if layout := _layout(parser):
            return layout, Replayed(head, stream)
        if not chunk:
            raise UnknownMessage("The file holds no Document element of a known message.")
    raise MessageTooLarge(f"No message begins in the first {HEAD_BYTES_MAX} bytes.", limit_bytes=HEAD_BYTES_MAX)


def _layout(parser: etree.XMLPullParser) -> Layout | None:
    """The layout, as soon as the ``Document`` element has begun."""
    events: Any = parser.read_events()
    for _, element in events:
        ancestors = [local_name(each) for each in element.iterancestors()]
        if local_name(element) == "Document" and "AppHdr" not in ancestors:
            root = element.getroottree().getroot()
            headers = [_definition(each, "head") for each in root.iter("{*}AppHdr")]
            return Layout(
                root.tag, headers[0] if headers else None, _definition(element, "pacs", "admi"), len(ancestors)
            )
    return None


def local_name(element: Any) -> str:
    """The element's name without its namespace."""
    return str(etree.QName(element).localname)


def _definition(element: Any, *families: str) -> str:
    space = etree.QName(element).namespace or ""
    place = Place(element.sourceline, path_of(element))
    try:
        identifier = schema.definition(space)
    except UnknownMessage:
        identifier = ""
    if not identifier.startswith(families):
        raise UnknownMessage(f"The message “{space[:120]}” is not known here.", place=place, namespace=space[:200])
    return identifier


def _prolog_ends(head: bytes) -> bool:
    """Whether the outermost element has begun (or something is wrong enough to say so now)."""
    try:
        return check_prolog(head)
    except NotXml:
        return False


def check_prolog(head: bytes) -> bool:
    """Walk over what stands before the outermost element; True when that element begins in ``head``.

    The walk exists to refuse document type declarations and foreign encodings *before* a parser acts on them.

    Raises:
        ForbiddenXml: an encoding other than UTF-8, or a document type declaration.
        NotXml: something else than XML, or the end of the file.
    """
    if not head.strip():
        raise NotXml("The file is empty.", place=Place(1))
    body = head.removeprefix(b"\xef\xbb\xbf")
    if b"\x00" in body[:4] or body[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise ForbiddenXml("The file must be in UTF-8.", place=Place(1))
    declared = XML_DECLARATION.match(body)
    if declared and declared.group(1).lower() not in ENCODINGS:
        raise ForbiddenXml("The file must be in UTF-8, and says so or nothing.", place=Place(1))
    position = 0
    while True:
        position += len(body) - position - len(body[position:].lstrip(b" \t\r\n"))
        line = Place(body.count(b"\n", 0, position) + 1)
        rest = body[position : position + 16]
        if rest.startswith(b"<!DOCTYPE"):
            raise ForbiddenXml("A document type declaration is not accepted.", place=line)
        closing = b"?>" if rest.startswith(b"<?") else b"-->" if rest.startswith(b"<!--") else b""
        if not closing:
            if rest.startswith(b"<") and rest[1:2] not in {b"", b"!", b"/"}:
                return True
            raise NotXml("The file is not XML.", place=line)
        end = body.find(closing, position + 2)
        if end < 0:
            raise NotXml("The file ends before its first element.", place=line)
        position = end + len(closing)


def feed(parser: etree.XMLPullParser, chunk: bytes) -> Any:
    """Give a parser bytes, or with none its end, and get the root then.

    No schema is ever plugged into the parser itself: lxml then takes a truncated file for a whole one.

    Raises:
        NotXml: the bytes are not well-formed, with the line.
    """
    try:
        return parser.feed(chunk) if chunk else parser.close()
    except etree.XMLSyntaxError as error:
        log: Any = error.error_log  # some errors are told only at the end, without words: the log has them
        last = None if error.lineno else log.last_error
        text, line = (last.message, last.line) if last is not None else (error.msg or "it ends too early", error.lineno)
        raise NotXml(f"The file is not well-formed XML: {text.strip()}.", place=Place(line or None)) from None


def depth_of(element: Any) -> int:
    """How many elements stand around this one."""
    depth = 0
    while (element := element.getparent()) is not None:
        depth += 1
    return depth


def path_of(element: Any, below: Any = None) -> str:
    """The element's place in plain names (``Document/FIToFICstmrCdtTrf/CdtTrfTxInf[3]/Dbtr``), as the tree stands now.

    With ``below`` only the part of the way under that element.
    """
    parts: list[str] = []
    while element is not None and element is not below:
        parent = element.getparent()
        name = local_name(element)
        before = sum(1 for _ in element.itersiblings(element.tag, preceding=True))
        is_one_of_many = before > 0 or next(element.itersiblings(element.tag), None) is not None
        parts.append(f"{name}[{before + 1}]" if is_one_of_many else name)
        element = parent
    return "/".join(reversed(parts))


def plain(message: str) -> str:
    """A validator's sentence without namespaces."""
    return NAMESPACE_IN_TEXT.sub("", message).strip()


def readable(source: Readable | bytes) -> Readable:
    """A stream of whatever holds the message."""
    return BytesIO(source) if isinstance(source, bytes) else source
