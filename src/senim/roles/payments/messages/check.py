"""Is this file a pacs.008 that can be recorded, and if not, what is wrong and where?"""

from collections.abc import Callable
from dataclasses import dataclass, field

from senim.roles.payments.messages import fields, pacs008, stream
from senim.roles.payments.messages.errors import MessageRefused, Problem
from senim.roles.payments.messages.parts import Parts
from senim.roles.payments.messages.values import BusinessHeader, CreditTransfer, Group

PROGRESS_EVERY = 1_000


@dataclass(slots=True)
class Inspection:
    """What was found in a file. It can be recorded when there are no problems.

    As much as could be read is there even of a file that is refused, so that the answer can name what it answers.
    """

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

    @property
    def message_id(self) -> str:
        """The file's MsgId, empty where it could not be read."""
        return self.group.message_id if self.group else ""


def inspect(
    source: stream.Readable | bytes,
    progress: Callable[[int], None] | None = None,
    take: Callable[[Group, CreditTransfer], None] | None = None,
) -> Inspection:
    """Read a whole file once and find everything that is wrong with it as a message.

    ``progress`` is told the number of transactions read so far. ``take`` gets each transfer as it passes, while nothing
    is wrong; what it was given counts only if no problem is found to the end. Raises nothing but the source's own input
    errors, and what these two raise.
    """
    inspection = Inspection()
    try:
        _read(source, inspection, progress, take)
    except MessageRefused as refused:
        inspection.problems.append(refused.problem)
    if not inspection.problems and inspection.group is not None:
        inspection.problems = inspection.totals.against(inspection.group)
    inspection.problems.sort(key=lambda problem: problem.place.line or 0)
    return inspection


def inspect_any(source: stream.Readable | bytes) -> Inspection:
    """As ``inspect`` for a message of any kind known here; totals are checked only in a pacs.008."""
    readable = stream.readable(source)
    inspection = Inspection()
    try:
        layout, whole = stream.begin(readable)
        if layout.kind == "pacs.008":
            return inspect(whole)
        inspection.layout = layout
        for element in Parts(whole, layout, problems=inspection.problems):
            if stream.local_name(element) == "GrpHdr":
                inspection.group = fields.group(element)
    except MessageRefused as refused:
        inspection.problems.append(refused.problem)
    inspection.problems.sort(key=lambda problem: problem.place.line or 0)
    return inspection


def _read(
    source: stream.Readable | bytes,
    inspection: Inspection,
    progress: Callable[[int], None] | None,
    take: Callable[[Group, CreditTransfer], None] | None,
) -> None:
    reader = pacs008.Reader(source, problems=inspection.problems)
    inspection.layout, inspection.header, inspection.group = reader.layout, reader.header, reader.group
    inspection.sender_bic, inspection.warnings = reader.sender_bic, reader.warnings
    for transfer in reader:
        inspection.totals.add(transfer)
        inspection.sender_bic = inspection.sender_bic or transfer.instructing_bic
        if take and not inspection.problems:
            take(reader.group, transfer)
        if progress and transfer.index % PROGRESS_EVERY == 0:
            progress(transfer.index)
