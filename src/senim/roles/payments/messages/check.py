"""Is this file a pacs.008 that can be recorded, and if not, what is wrong and where?

The good case takes one fast pass: libxml2 validates while it parses. Only when that pass finds something does a second,
slower one look for every error with its line and path: each transaction is validated by itself, and what remains of the
message (its skeleton, one transaction left of each run of them) as a whole.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from lxml import etree

from senim.roles.payments.messages import pacs008, schema, stream
from senim.roles.payments.messages.errors import MessageRefused, MessageTooLarge, Place, Problem, SchemaViolated
from senim.roles.payments.messages.values import BusinessHeader, Group

PROBLEMS_MAX: Final = 1_000
SKELETON_MAX: Final = 10_000
"""Parts of a message beside its transactions; only a file made to harm has more."""
STEP: Final = re.compile(r"(?:[^:/\[\]]+:)?([^:/\[\]]+)(?:\[([0-9]+)\])?")


@dataclass(slots=True)
class Inspection:
    """What was found in a file. It can be recorded when there are no problems."""

    layout: stream.Layout | None = None
    header: BusinessHeader | None = None
    group: Group | None = None
    sender_bic: str = ""
    totals: pacs008.Totals = field(default_factory=pacs008.Totals)
    problems: list[Problem] = field(default_factory=list)
    warnings: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether nothing speaks against the file."""
        return not self.problems


def inspect(
    opener: Callable[[], BinaryIO], *, progress: Callable[[int], None] | None = None, problems_max: int = PROBLEMS_MAX
) -> Inspection:
    """Inspect a file; ``opener`` opens it from its beginning, as often as needed. Raises nothing but I/O errors.

    ``progress`` is told the number of transactions read so far.
    """
    inspection = Inspection()
    with opener() as source:
        try:
            _read(source, inspection, progress, validate=True)
        except SchemaViolated as violated:
            inspection.problems.append(violated.problem)
        except MessageRefused as refused:
            inspection.problems.append(refused.problem)
            return inspection
    if not inspection.problems:
        assert inspection.group is not None, "a message without its group header passed the schema"
        inspection.problems = inspection.totals.against(inspection.group)
        return inspection
    with opener() as source:
        located = locate(source, problems_max)
    if inspection.group is None:
        with opener() as source:
            _salvage(source, inspection)
    inspection.problems = located or inspection.problems
    return inspection


def _read(
    source: BinaryIO, inspection: Inspection, progress: Callable[[int], None] | None, *, validate: bool
) -> None:
    reader = pacs008.Reader(source, validate=validate)
    inspection.layout, inspection.header, inspection.group = reader.layout, reader.header, reader.group
    inspection.sender_bic, inspection.warnings = reader.sender_bic, reader.warnings
    totals = inspection.totals
    for transfer in reader:
        totals.add(transfer)
        inspection.sender_bic = inspection.sender_bic or transfer.instructing_bic
        if progress and transfer.index % 1_000 == 0:
            progress(transfer.index)


def _salvage(source: BinaryIO, inspection: Inspection) -> None:
    """Read the header of a file that violates its schema, so that the answer can name the message it answers."""
    try:
        reader = pacs008.Reader(source, validate=False)
    except MessageRefused:
        return
    inspection.layout, inspection.header, inspection.group = reader.layout, reader.header, reader.group
    inspection.sender_bic = reader.sender_bic


def locate(source: stream.Readable, problems_max: int = PROBLEMS_MAX) -> list[Problem]:
    """Every violation of the schema in a file, with line and path, in the order of the file; at most ``problems_max``."""
    problems: list[Problem] = []
    try:
        layout, whole = stream.begin(source)
        _locate(whole, layout, problems, problems_max)
    except MessageRefused as refused:
        problems.append(refused.problem)
    problems.sort(key=lambda problem: problem.place.line or 0)
    return problems[:problems_max]


def _locate(source: stream.Readable, layout: stream.Layout, problems: list[Problem], problems_max: int) -> None:
    record = schema.compiled(layout.document, pacs008.RECORD) if layout.kind == "pacs.008" else None
    parser = etree.XMLPullParser(events=("end",), tag=[layout.tag(pacs008.RECORD)], **stream.SAFE)
    index, held_bytes = 0, 0
    while chunk := source.read(stream.CHUNK_BYTES):
        stream.feed(parser, chunk)
        held_bytes += len(chunk)
        for _, element in parser.read_events():
            if stream.depth_of(element) != layout.depth + 2 or record is None:
                continue
            held_bytes, index = len(chunk), index + 1
            if not record.validate(element):
                problems.extend(_of_record(record, element, index))
            _keep_one(element, record)
        if held_bytes > stream.RECORD_BYTES_MAX:
            raise MessageTooLarge(f"One part of the message takes more than {stream.RECORD_BYTES_MAX} bytes.")
        if len(problems) >= problems_max:
            return
    root = _finish(parser)
    whole = layout.compiled()
    if not whole.validate(root):
        problems.extend(_of_skeleton(whole, root, {problem.place.line for problem in problems}))


def _finish(parser: etree.XMLPullParser) -> Any:
    try:
        return parser.close()
    except etree.XMLSyntaxError as error:
        raise stream.not_xml(error) from None


def _keep_one(element: Any, record: etree.XMLSchema) -> None:
    """Of a run of transactions leave one in the skeleton, a valid one if there is any."""
    previous = element.getprevious()
    if previous is None or previous.tag != element.tag:
        if len(element.getparent()) > SKELETON_MAX:
            raise MessageTooLarge("The message has too many parts beside its transactions.")
        return
    parent = element.getparent()
    parent.remove(element if not record.validate(element) else previous)


def _of_record(record: etree.XMLSchema, element: Any, index: int) -> list[Problem]:
    start = f"Document/{stream.local_name(element.getparent())}/{pacs008.RECORD}[{index}]"
    problems = []
    for entry in record.error_log:
        found = _follow(element, entry.path or "")
        inner = stream.path_of(found, below=element)
        path = f"{start}/{inner}" if inner else start
        problems.append(Problem("FF01", stream.plain(entry.message), Place(found.sourceline or entry.line, path)))
    return problems


def _of_skeleton(whole: etree.XMLSchema, root: Any, known_lines: set[int | None]) -> list[Problem]:
    """Violations outside the transactions; those inside are known already, and better, from ``_of_record``."""
    problems = []
    for entry in whole.error_log:
        found = _follow(root, entry.path or "")
        line = found.sourceline or entry.line
        if line not in known_lines or pacs008.RECORD not in stream.path_of(found):
            problems.append(Problem("FF01", stream.plain(entry.message), Place(line, stream.path_of(found))))
    return problems


def _follow(root: Any, path: str) -> Any:
    """The element that a validator's path (``/*/*[3]/p:Name[2]``) points to, or the last one on the way that is there."""
    element = root
    for step in path.strip("/").split("/")[1:]:
        match = STEP.fullmatch(step)
        if match is None:
            break
        name, position = match[1], int(match[2] or 1)
        alike = [each for each in element if name in {"*", stream.local_name(each)}]
        if position > len(alike):
            break
        element = alike[position - 1]
    return element
