"""Answers to participants' files: pacs.002 with a status for each transaction, admi.002 where there was no message."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import IO, Final

from django.utils import timezone

from senim.kernel.documents import store
from senim.roles.payments.messages import admi002, pacs002
from senim.roles.payments.messages.check import Inspection
from senim.roles.payments.messages.errors import Problem
from senim.roles.payments.messages.values import Agent, GroupStatus, Original, Status, StatusReport, TransactionStatus
from senim.roles.payments.models import MessageFile
from senim.roles.payments.rules.authorisation import Answer
from senim.roles.payments.rules.kinds import FileState
from senim.roles.payments.rules.reasons import MEANINGS, Reason
from senim.roles.payments.services.file_spool import Presented

COPY_BYTES: Final = 1024 * 1024
PROBLEMS_SHOWN: Final = 20
MESSAGE_ID_MAX: Final = 35


def operator() -> Agent:
    """This organisation, as the sender of answers."""
    from django.conf import settings

    return Agent(name=str(settings.CONFIG.organisation))


def report_on(file: MessageFile, found: Inspection, accepted: int, refused: int) -> StatusReport:
    """The head of the answer to a recorded file."""
    status = GroupStatus.PARTLY if accepted and refused else GroupStatus.REJECTED if refused else GroupStatus.ACCEPTED
    return StatusReport(
        message_id=_message_id(),
        created_at=timezone.now(),
        sender=operator(),
        receiver=Agent(bic=file.participant.bic),
        original=_original(found),
        group_status=status,
        accepted=accepted,
        rejected=refused,
    )


def status_of(presented: Presented, answer: Answer) -> Status:
    """The Centre's answer as a transaction's status, with the place of a refused one."""
    texts = (
        () if answer.accepted else (meaning(answer.reason), f"line {presented.line}, CdtTrfTxInf[{presented.index}]")
    )
    return Status(
        status=TransactionStatus.IN_PROCESS if answer.accepted else TransactionStatus.REJECTED,
        reason=answer.reason,
        information=texts,
        instruction_id=presented.instruction_id,
        end_to_end_id=presented.end_to_end_id,
        transaction_id=presented.transaction_id,
        uetr=presented.uetr,
        accepted_at=answer.decided_at if answer.accepted else None,
    )


def meaning(reason: str) -> str:
    """A reason in plain words (English, the standard's own language)."""
    return MEANINGS[Reason(reason)] if reason in set(Reason) else reason


def keep_streamed(file: MessageFile, report: StatusReport, statuses: IO[bytes], day: dt.date | None) -> MessageFile:
    """Put an answer together from its head and the statuses written so far; in the caller's transaction."""
    with store.create() as sink:
        sink.write(pacs002.opening(report).encode())
        while chunk := statuses.read(COPY_BYTES):
            sink.write(chunk)
        sink.write(pacs002.closing().encode())
    assert sink.stored is not None
    return _keep(file, sink.stored, pacs002.DEFINITION, report.message_id, day)


def keep_refusal(file: MessageFile, found: Inspection) -> MessageFile:
    """Answer a file that was refused whole; in the caller's transaction."""
    first, message_id = found.problems[0], _message_id()
    if not found.message_id or found.layout is None:
        content = admi002.render(first, timezone.now())
        return _keep(file, store.put_bytes(content), admi002.DEFINITION, "", None)
    report = StatusReport(
        message_id=message_id,
        created_at=timezone.now(),
        sender=operator(),
        receiver=Agent(bic=file.participant.bic),
        original=_original(found),
        group_status=GroupStatus.REJECTED,
        reason=first.reason,
        information=tuple(text for each in found.problems[:PROBLEMS_SHOWN] for text in (each.message, str(each.place))),
    )
    return _keep(file, store.put_bytes(pacs002.render(report)), pacs002.DEFINITION, message_id, None)


def words(problems: Sequence[Problem]) -> str:
    """The first problems for people to read, one a line, and how many more there are."""
    lines = [
        f"{each.message} ({each.place})" if str(each.place) else each.message for each in problems[:PROBLEMS_SHOWN]
    ]
    more = len(problems) - len(lines)
    return "\n".join([*lines, *([f"... +{more}"] if more else [])])


def _message_id() -> str:
    return f"A{uuid.uuid4().hex}"


def _original(found: Inspection) -> Original:
    """The answered message by its own words, as far as they can be repeated in a valid answer."""
    group = found.group
    assert group is not None
    assert found.layout is not None
    return Original(
        message_id=group.message_id[:MESSAGE_ID_MAX],
        definition=found.layout.document,
        created_at=group.created_at,
        transactions=group.transactions,
        control_sum=group.control_sum if found.valid else None,
    )


def _keep(
    file: MessageFile, stored: store.Stored, definition: str, message_id: str, day: dt.date | None
) -> MessageFile:
    now = timezone.now()
    return MessageFile.objects.create(
        direction=MessageFile.Direction.OUT,
        message_type=definition,
        message_id=message_id,
        participant_id=file.participant_id,
        name=f"{definition[:8]}-{message_id or file.pk.hex}.xml",
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        state=FileState.RECORDED.value if message_id else FileState.REFUSED.value,
        received_at=now,
        finished_at=now,
        day=day,
        answers=file,
    )
