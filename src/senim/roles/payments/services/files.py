"""Participants' files: received, checked whole, recorded whole or not at all, answered.

The life of a file is ``received -> checking -> recording -> recorded``, or ``refused`` from the checking. A process may
be killed at any point: importing the file again goes on from what is committed, and nothing is doubled. All operations
of a file are recorded in one transaction together with the answer, under the Centre's lock; what is slow (reading and
validating XML) is done before it.
"""

import datetime as dt
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Final, cast

import msgspec
from django.db import IntegrityError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from psycopg import Connection
from psycopg.rows import TupleRow

from senim.errors import BadInput, SenimError
from senim.kernel import events
from senim.kernel.documents import store
from senim.roles.payments.messages import check, pacs002
from senim.roles.payments.messages.errors import Place, Problem
from senim.roles.payments.messages.values import CreditTransfer, Group
from senim.roles.payments.models import MessageFile, Participant
from senim.roles.payments.rules import file_transfers
from senim.roles.payments.rules.authorisation import Answer
from senim.roles.payments.rules.kinds import FileState, Source
from senim.roles.payments.rules.reasons import Reason
from senim.roles.payments.services import file_answers
from senim.roles.payments.services.authorise import authorise
from senim.roles.payments.services.file_assessment import bank_codes, open_days
from senim.roles.payments.services.file_spool import Presented, Spool

FILE_BYTES_MAX: Final = 1024 * 1024 * 1024
NAME_MAX: Final = 255
PATH_MAX: Final = 255
CHUNK: Final = 5_000
"""Transactions given to the Centre at a time."""
LIVE: Final = (FileState.RECEIVED.value, FileState.CHECKING.value, FileState.RECORDING.value, FileState.RECORDED.value)
FINISHED: Final = (FileState.RECORDED.value, FileState.REFUSED.value)

Progress = Callable[[str, int, int], None]
"""Told the state (a ``FileState`` value), transactions done, and transactions in all (0 while not known)."""


class FileError(SenimError):
    """The file could not be taken in."""

    code = "payments.file"


class FileEmpty(BadInput):
    """The file is empty."""

    code = "payments.file_empty"


class FileTooLarge(BadInput):
    """The file is larger than is accepted."""

    code = "payments.file_too_large"


class FileUnknown(BadInput):
    """There is no such file."""

    code = "payments.file_unknown"


class ParticipantNotActive(FileError):
    """The participant may not send files now."""

    code = "payments.participant_not_active"


def receive_file(participant: Participant, name: str, content: BinaryIO, *, actor: events.Actor) -> MessageFile:
    """Keep a participant's file and have a job import it.

    The same bytes sent again while they are under way or recorded are the same file: nothing is doubled, and its answer
    is there to be fetched again. A refused file may be sent again, mended or not.

    Raises:
        ParticipantNotActive: it is not an active participant.
        FileEmpty, FileTooLarge: nothing is kept.
    """
    from senim.roles.payments.jobs.files import import_file_job  # the job imports this module

    stored = _store(participant, content)
    with transaction.atomic():  # the row and its job are committed together
        file = _enter(participant, name, stored, actor)
        if file.state not in FINISHED:
            import_file_job.defer(file_id=str(file.pk))
    return file


def keep_file(participant: Participant, name: str, content: BinaryIO, *, actor: events.Actor) -> MessageFile:
    """As ``receive_file``, without the job."""
    return _enter(participant, name, _store(participant, content), actor)


def _store(participant: Participant, content: BinaryIO) -> store.Stored:
    """Keep the bytes before any transaction is open: an upload may be slow."""
    if participant.state != Participant.State.ACTIVE:
        raise ParticipantNotActive(participant=participant.code)
    try:
        stored = store.put(content, limit_bytes=FILE_BYTES_MAX)
    except store.DocumentTooLarge:
        raise FileTooLarge(limit_bytes=FILE_BYTES_MAX) from None
    if stored.size_bytes == 0:
        raise FileEmpty()
    return stored


def _enter(participant: Participant, name: str, stored: store.Stored, actor: events.Actor) -> MessageFile:
    with events.act("payments.file.receive", actor) as act:
        Participant.objects.select_for_update(no_key=True).get(pk=participant.pk)  # two equal uploads stand in line
        known = MessageFile.objects.filter(
            participant=participant, direction=MessageFile.Direction.IN, sha256=stored.sha256, state__in=LIVE
        ).first()
        file = known or MessageFile.objects.create(
            direction=MessageFile.Direction.IN,
            participant=participant,
            name=_file_name(name),
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            received_at=timezone.now(),
        )
        act.record = ("file", file.pk)
        act.data.update(sha256=stored.sha256, size_bytes=stored.size_bytes, repeated=known is not None)
    return file


def _file_name(name: str) -> str:
    """The last part of what the sender calls it, without what no name should hold."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:NAME_MAX]


def import_file(file_id: uuid.UUID, *, progress: Progress | None = None) -> MessageFile:
    """Check and record a received file; return it in its final state. Harmless to repeat, and to run twice at once.

    When another process has the file in hand, it is returned as it stands.

    Raises:
        FileUnknown: no such file.
        NoOpenDay, DocumentError, psycopg.Error: nothing is recorded; run it again.
    """
    with _aside() as aside:
        if not aside.take(file_id):
            return _get(file_id)
        file = _get(file_id)
        if file.state in FINISHED:
            return file
        work = _Import(file, aside, progress)
        with Spool() as spool:
            work.check(spool)
            if work.inspection.valid and work.announce():
                work.record(spool)
            else:
                work.refuse()
    return _get(file_id)


def _get(file_id: uuid.UUID) -> MessageFile:
    received = MessageFile.objects.filter(direction=MessageFile.Direction.IN)
    file = received.select_related("participant").filter(pk=file_id).first()
    if file is None:
        raise FileUnknown(file=str(file_id))
    return file


class _Aside:
    """A second connection: it tells of progress while the recording transaction is open, and holds the file's lock."""

    def __init__(self, wrapper: BaseDatabaseWrapper) -> None:
        self._wrapper = wrapper

    def take(self, file_id: uuid.UUID) -> bool:
        """Take the file in hand; the lock ends with the connection, however the process ends."""
        with self._wrapper.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [f"payments.file:{file_id}"])
            row = cursor.fetchone()
        return bool(row and row[0])

    def update(self, file_id: uuid.UUID, **values: str | int) -> None:
        """Write columns of the file at once, in a transaction of their own."""
        assignments = ", ".join(f"{name} = %s" for name in values)
        with self._wrapper.cursor() as cursor:
            cursor.execute(f"UPDATE payments_messagefile SET {assignments} WHERE id = %s", [*values.values(), file_id])  # noqa: S608 - names are ours


@contextmanager
def _aside() -> Iterator[_Aside]:
    wrapper = connection.copy()
    try:
        yield _Aside(wrapper)
    finally:
        wrapper.close()


@dataclass(slots=True)
class _Outcome:
    """What recording a file came to."""

    accepted: int = 0
    refused: int = 0
    amount_tiyn: int = 0
    day: dt.date | None = None
    reasons: dict[str, int] = field(default_factory=dict)

    def count(self, presented: Presented, answer: Answer) -> None:
        """Count one answer."""
        self.day = self.day or answer.operating_day
        if answer.accepted:
            self.accepted += 1
            self.amount_tiyn += presented.request.amount_tiyn
        else:
            self.refused += 1
            self.reasons[answer.reason] = self.reasons.get(answer.reason, 0) + 1


class _Import:
    """One file on its way through."""

    def __init__(self, file: MessageFile, aside: _Aside, progress: Progress | None) -> None:
        self.file = file
        self.aside = aside
        self.progress = progress
        self.actor = events.Actor.job("payments.import_file")
        self.inspection = check.Inspection()

    def _tell(self, state: FileState, done: int, total: int = 0) -> None:
        self.aside.update(self.file.pk, transactions_done=done)
        if self.progress:
            self.progress(state.value, done, total)

    def check(self, spool: Spool) -> None:
        """Read and validate the whole file, putting its transfers into the spool."""
        self.aside.update(self.file.pk, state=FileState.CHECKING.value, transactions_done=0)
        banks, days = bank_codes(), file_transfers.settlement_days(self.file.received_at, open_days())
        terms: list[file_transfers.Terms] = []

        def take(group: Group, transfer: CreditTransfer) -> None:
            if not terms:
                terms.append(file_transfers.Terms(self.file.participant_id, group, self.file.received_at, banks, days))
            spool.add(presented(transfer, terms[0]))

        with store.default().open(self.file.sha256) as source:
            self.inspection = check.inspect(source, lambda done: self._tell(FileState.CHECKING, done), take)

    def announce(self) -> bool:
        """Spend the MsgId and show that recording begins; False when the MsgId is spent already (DU01)."""
        found = self.inspection
        assert found.group is not None
        assert found.layout is not None
        try:
            self.aside.update(
                self.file.pk,
                state=FileState.RECORDING.value,
                message_type=found.layout.document,
                message_id=found.message_id,
                transactions_total=found.totals.transactions,
                transactions_done=0,
            )
        except IntegrityError:
            place = Place(found.group.line, "GrpHdr/MsgId")
            text = f"A file with MsgId {found.message_id} has been recorded already."
            found.problems.append(Problem(Reason.DUPLICATE_MESSAGE_ID.value, text, place))
            return False
        return True

    def record(self, spool: Spool) -> None:
        """Record all operations and the answer in one transaction."""
        record = ("file", self.file.pk)
        with (
            tempfile.TemporaryFile() as statuses,
            events.act("payments.file.record", self.actor, record=record) as act,
        ):
            outcome = self._authorise(spool, statuses)
            statuses.seek(0)
            report = file_answers.report_on(self.file, self.inspection, outcome.accepted, outcome.refused)
            file_answers.keep_streamed(self.file, report, statuses, outcome.day)
            MessageFile.objects.filter(pk=self.file.pk).update(
                state=FileState.RECORDED.value,
                finished_at=timezone.now(),
                day=outcome.day,
                accepted=outcome.accepted,
                refused=outcome.refused,
                amount_tiyn=outcome.amount_tiyn,
                transactions_done=outcome.accepted + outcome.refused,
                reason="",
                problem="",
            )
            act.operating_day = outcome.day
            act.data.update(accepted=outcome.accepted, refused=outcome.refused, reasons=outcome.reasons)

    def _authorise(self, spool: Spool, statuses: "BinaryIO | tempfile._TemporaryFileWrapper[bytes]") -> _Outcome:
        outcome = _Outcome()
        done, total = 0, self.inspection.totals.transactions
        for chunk in spool.chunks(CHUNK):
            for presented_one, answer in zip(chunk, self._answers(chunk), strict=True):
                outcome.count(presented_one, answer)
                statuses.write(pacs002.transaction(file_answers.status_of(presented_one, answer)).encode())
            done += len(chunk)
            self._tell(FileState.RECORDING, done, total)
        return outcome

    def _answers(self, chunk: list[Presented]) -> list[Answer]:
        """The Centre's answers; what was decided before under the same identity is a duplicate (AM05)."""
        answers = self._ask(chunk)
        repeated = [place for place, answer in enumerate(answers) if answer.replayed]
        if repeated:
            again = [as_duplicate(chunk[place], self.inspection.message_id) for place in repeated]
            for place, answer in zip(repeated, self._ask(again), strict=True):
                assert not answer.replayed, "a place in a message was used twice"
                answers[place] = answer
        return answers

    def _ask(self, chunk: list[Presented]) -> list[Answer]:
        connection.ensure_connection()
        raw = cast("Connection[TupleRow]", connection.connection)
        return authorise(
            raw,
            [each.request for each in chunk],
            received_at=self.file.received_at,
            source=Source.FILE,
            file_id=self.file.pk,
            first_index=chunk[0].index,
        )

    def refuse(self) -> None:
        """Refuse the whole file: nothing is recorded but the refusal and its answer."""
        found = self.inspection
        first = found.problems[0]
        with events.act("payments.file.refuse", self.actor, record=("file", self.file.pk)) as act:
            act.refuse(f"{first.reason}: {first.message}"[:255])
            MessageFile.objects.filter(pk=self.file.pk).update(
                state=FileState.REFUSED.value,
                finished_at=timezone.now(),
                message_type=found.layout.document if found.layout else "",
                message_id=found.message_id[:35],
                transactions_total=found.totals.transactions,
                transactions_done=0,
                reason=first.reason,
                problem=file_answers.words(found.problems),
                problem_line=first.place.line,
                problem_path=first.place.path[:PATH_MAX],
            )
            file_answers.keep_refusal(self.file, found)


def presented(transfer: CreditTransfer, terms: file_transfers.Terms) -> Presented:
    """A transfer with the request that it makes."""
    return Presented(
        file_transfers.request_of(transfer, terms),
        transfer.index,
        transfer.line or 0,
        transfer.instruction_id,
        transfer.end_to_end_id,
        transfer.transaction_id,
        transfer.uetr,
    )


def as_duplicate(each: Presented, message_id: str) -> Presented:
    """The same transfer, to be refused as one that has come before."""
    request = msgspec.structs.replace(
        each.request,
        id=file_transfers.position(message_id, each.index),
        objection=Reason.DUPLICATION.value,
    )
    return msgspec.structs.replace(each, request=request)
