"""The parts of a message, one after another, each validated as it passes; memory holds one part and a skeleton.

Every transaction is validated by itself, with the schema of that part. The skeleton is what remains of the message when
of each run of transactions only one is left; validated at the end as a whole it shows what no part can: order, what is
missing, what does not belong. Together the two find what validation of the whole document at once finds, with the line
and the path of each error, in one pass.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from lxml import etree

from senim.roles.payments.messages import schema, stream
from senim.roles.payments.messages.errors import MessageTooLarge, Place, Problem, SchemaViolated, UnknownMessage

HEADERS: Final = frozenset({"GrpHdr", "OrgnlGrpInfAndSts"})
RECORDS: Final = {"pacs.002": "TxInfAndSts", "pacs.008": "CdtTrfTxInf", "pacs.009": "CdtTrfTxInf"}
"""The part of each message that repeats without end."""
SKELETON_PARTS_MAX: Final = 10_000
"""Parts of a message beside its transactions; only a file made to harm has more."""
PROBLEMS_MAX: Final = 1_000
RECORD_PROBLEMS_MAX: Final = 100
"""Errors told of one transaction: it could hold thousands, and each is looked up."""
STEP: Final = re.compile(r"(?:[^:/\[\]]+:)?([^:/\[\]]+)(?:\[([0-9]+)\])?")


class Parts:
    """The parts of one message, iterated over in the order of the file: ``AppHdr``, ``GrpHdr``, transactions, ...

    An element is given out as it ends and may be used only until the next one is asked for. What only looks like the
    message's own parts, deeper down in supplementary data, is not given out.

    With ``problems`` violations of the schema are put there (about ``PROBLEMS_MAX``) and reading goes on; without, the
    first one is raised. What was given out counts only when the iteration has come to its end, for some errors show
    only there. Without ``validate`` the schema is not looked at: for reading a second time what was validated.

    Raises:
        NotXml: not well-formed, with the line.
        SchemaViolated: with line and path, when ``problems`` is None.
        MessageTooLarge: one part takes more than ``RECORD_BYTES_MAX``, or there are too many.
        UnknownMessage: more than one message in the file.
    """

    def __init__(
        self,
        source: stream.Readable,
        layout: stream.Layout,
        *,
        validate: bool = True,
        problems: list[Problem] | None = None,
    ) -> None:
        self._source = source
        self._layout = layout
        self._problems = problems
        self._validate = validate
        self._name = RECORDS.get(layout.kind, "")  # other messages are short: they are their own skeleton
        self._tag = layout.tag(self._name or "-")
        self._schema = schema.compiled(layout.document, self._name) if validate and self._name else None
        self._message: Any = None
        self._document_ended = False
        self._index = 0

    def __iter__(self) -> Iterator[Any]:
        tags = [self._tag, *(self._layout.tag(name) for name in HEADERS), "{*}AppHdr", "{*}Document"]
        parser = etree.XMLPullParser(events=("end",), tag=tags, **stream.SAFE)
        held_bytes = 0
        while chunk := self._source.read(stream.CHUNK_BYTES):
            held_bytes += len(chunk)
            stream.feed(parser, chunk)
            for _, element in parser.read_events():
                if self._is_part(element):
                    held_bytes = len(chunk)
                    yield from self._pass(element)
            if held_bytes > stream.RECORD_BYTES_MAX:
                limit = stream.RECORD_BYTES_MAX
                raise MessageTooLarge(f"One part of the message takes more than {limit} bytes.", limit_bytes=limit)
            if self._problems is not None and len(self._problems) >= PROBLEMS_MAX:
                return
        root = stream.feed(parser, b"")
        if self._validate:
            self._check_skeleton(root)

    def _is_part(self, element: Any) -> bool:
        """Whether the element stands directly in the message, or is its header; also watches for a second message."""
        parent = element.getparent()
        if parent is not None and parent is self._message:
            return True
        name = stream.local_name(element)
        if name == "Document":
            self._end_document(element)
            return False
        if name == "AppHdr":
            return not any(stream.local_name(each) == "Document" for each in element.iterancestors())
        document = None if parent is None else parent.getparent()
        if document is None or document.tag != self._layout.tag("Document"):
            return False
        if stream.depth_of(document) != self._layout.depth:
            return False
        self._message = parent
        return True

    def _end_document(self, element: Any) -> None:
        if self._document_ended:
            place = Place(element.sourceline, stream.path_of(element))
            raise UnknownMessage("The file holds more than one message.", place=place)
        self._document_ended = stream.depth_of(element) == self._layout.depth

    def _pass(self, element: Any) -> Iterator[Any]:
        """Validate a part, give it out, and let go of what the skeleton does not need."""
        if element.tag != self._tag:
            yield element
            return
        self._index += 1
        valid = self._schema is None or self._schema.validate(element)
        if not valid:
            self._report(self._of_record(element))
        yield element
        previous = element.getprevious()
        if previous is not None and previous.tag == self._tag:
            # Of a run one stays, a valid one if there is any: else the skeleton would repeat what is reported already.
            element.getparent().remove(previous if valid else element)
        elif len(element.getparent()) > SKELETON_PARTS_MAX:
            raise MessageTooLarge("The message has too many parts beside its transactions.")

    def _report(self, found: list[Problem]) -> None:
        if self._problems is None:
            first = found[0]
            raise SchemaViolated(first.message, place=first.place)
        self._problems.extend(found)

    def _of_record(self, element: Any) -> list[Problem]:
        assert self._schema is not None
        above = f"{stream.path_of(element.getparent())}/{self._name}[{self._index}]"
        problems = []
        log: Any = self._schema.error_log
        for entry in islice(log, RECORD_PROBLEMS_MAX):
            found = _follow(element, entry.path or "")
            inner = stream.path_of(found, below=element)
            place = Place(found.sourceline or entry.line, f"{above}/{inner}" if inner else above)
            problems.append(Problem("FF01", stream.plain(entry.message), place))
        return problems or [Problem("FF01", "The transaction does not follow the schema.", Place(None, above))]

    def _check_skeleton(self, root: Any) -> None:
        whole = self._layout.compiled()
        if whole.validate(root):
            return
        known = {problem.place.line for problem in self._problems or ()}
        problems = []
        log: Any = whole.error_log
        for entry in islice(log, PROBLEMS_MAX):
            found = _follow(root, entry.path or "")
            place = Place(found.sourceline or entry.line, stream.path_of(found))
            if place.line not in known or not self._name or self._name not in place.path:
                problems.append(Problem("FF01", stream.plain(entry.message), place))
        if problems:
            self._report(problems)


def _follow(root: Any, path: str) -> Any:
    """The element that a validator's path (``/*/*[3]/p:Name[2]``) points to, or the last on the way that is there."""
    element = root
    for step in path.strip("/").split("/")[1:]:
        match = STEP.fullmatch(step)
        if match is None:
            break
        name, position = match[1], int(match[2] or 1)
        # Without a list of the children: a hostile part may have tens of thousands, and many errors.
        alike = element.iterchildren("*" if name == "*" else f"{{*}}{name}")
        found = next(islice(alike, position - 1, None), None)
        if found is None:
            break
        element = found
    return element
