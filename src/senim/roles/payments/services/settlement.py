"""Settlement: instructions to the settlement bank, its answers, and the final postings (PS-7.7, PS-7.8, PS-9.3.6)."""

import datetime as dt
from collections.abc import Iterable
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from senim import ledger
from senim.kernel import delivery, events
from senim.kernel.delivery.models import Incoming, Outgoing, Peer
from senim.kernel.documents import store
from senim.ledger.types import Status, Transfer
from senim.roles.payments.messages import pacs002, pacs009
from senim.roles.payments.messages.values import (
    Agent,
    GroupStatus,
    Instruction,
    SettlementMessage,
    StatusReport,
    TransactionStatus,
)
from senim.roles.payments.messages.values import Status as AnswerStatus
from senim.roles.payments.models import MessageFile, OperatingDay, Participant, Position, SettlementInstruction
from senim.roles.payments.rules import settlement as names
from senim.roles.payments.rules.accounts import Purpose, day_number, participant_account_id
from senim.roles.payments.rules.kinds import (
    LEDGER_KZT,
    DayState,
    FileState,
    InstructionState,
    TransferCode,
)
from senim.roles.payments.rules.reasons import Reason
from senim.roles.payments.services.accounts import LedgerRefused, raw_connection
from senim.roles.payments.services.centre_lock import hold_centre
from senim.roles.payments.services.day_state import (
    AnswerContradicts,
    DayError,
    PostingWaits,
    SettlementBankMissing,
    SettlementBankSilent,
    SettlementRefused,
    lock,
    note_trouble,
)

INSTRUCTION_KIND: Final = pacs009.DEFINITION
ANSWER_KIND: Final = pacs002.DEFINITION
REMIND_AFTER: Final = dt.timedelta(minutes=2)
"""A settlement bank that is silent for so long is sent the same message again: it knows it by its id."""
REMIND_PAUSE_MAX: Final = dt.timedelta(minutes=30)

Answer = tuple[SettlementInstruction, InstructionState, str]


class AnswerUnknown(DayError):
    """The answer is to no message that was sent to this settlement bank."""

    code = "payments.answer_unknown"


def settlement_bank() -> tuple[Participant, Peer]:
    """The settlement bank and the peer through which it is reached.

    Raises:
        SettlementBankMissing: none is active, or its peer is unknown.
    """
    bank = Participant.objects.filter(
        role=Participant.Role.SETTLEMENT_BANK, state__in=[Participant.State.ACTIVE, Participant.State.SUSPENDED]
    ).first()
    peer = Peer.objects.filter(code=bank.peer_code, active=True).first() if bank else None
    if bank is None or peer is None:
        raise SettlementBankMissing()
    return bank, peer


@transaction.atomic
def instruct(day: dt.date, actor: events.Actor) -> None:
    """Send the settlement bank one message with an instruction for each position that is not zero.

    The offsetting is finished here: the day is netted, and the positions sum to zero (PS-7.7).

    Raises:
        SettlementBankMissing: there is nobody to send to.
    """
    row = lock(day)
    if row.state != DayState.NETTED:
        return
    positions = list(Position.objects.filter(day=row).exclude(net_tiyn=0).select_related("participant"))
    assert sum(position.net_tiyn for position in positions) == 0, "positions of a netted day sum to zero"
    with events.act(
        "payments.day.instruct", actor, record=("operating_day", day.isoformat()), operating_day=day
    ) as act:
        row.instructed_at, row.trouble = timezone.now(), ""
        if positions:
            _send(row, [(position.participant, position.net_tiyn) for position in positions], attempt=1)
            row.state = DayState.INSTRUCTED.value
        else:
            row.settled_at, row.state = row.instructed_at, DayState.SETTLED.value
        row.save(update_fields=["state", "instructed_at", "settled_at", "trouble"])
        act.data["instructions"] = len(positions)


def _send(row: OperatingDay, lines: list[tuple[Participant, int]], attempt: int) -> None:
    """Record instructions and hand their message to delivery, in the caller's transaction."""
    bank, peer = settlement_bank()
    now = timezone.now()
    message_id = names.message_id(row.day, attempt)
    instructions = [
        SettlementInstruction(
            day=row,
            participant=participant,
            net_tiyn=net_tiyn,
            attempt=attempt,
            message_id=message_id,
            instruction_id=names.instruction_id(row.day, participant.code, attempt),
            sent_at=now,
        )
        for participant, net_tiyn in sorted(lines, key=lambda line: line[0].code)
    ]
    SettlementInstruction.objects.bulk_create(instructions)
    content = _render(row, message_id, bank, instructions, now)
    stored = store.put_bytes(content)
    MessageFile.objects.create(
        direction=MessageFile.Direction.OUT,
        message_type=INSTRUCTION_KIND,
        message_id=message_id,
        participant=bank,
        name=f"{message_id}.xml",
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        state=FileState.RECORDED.value,
        received_at=now,
        finished_at=now,
        day=row.day,
        transactions_total=len(instructions),
        transactions_done=len(instructions),
        amount_tiyn=sum(abs(instruction.net_tiyn) for instruction in instructions),
    )
    _deliver(peer, message_id, content, row.day)


def _render(
    row: OperatingDay,
    message_id: str,
    bank: Participant,
    instructions: Iterable[SettlementInstruction],
    created_at: dt.datetime,
) -> bytes:
    """A participant that pays is debited in favour of the System's account at the settlement bank, and vice versa."""
    system, system_account = Agent(name=settings.SENIM_ORGANISATION), bank.settlement_iban
    lines = []
    for instruction in instructions:
        member = Agent(bic=instruction.participant.bic), instruction.participant.settlement_iban
        (debtor, debtor_account), (creditor, creditor_account) = (
            (member, (system, system_account)) if instruction.net_tiyn < 0 else ((system, system_account), member)
        )
        lines.append(
            Instruction(
                instruction_id=instruction.instruction_id,
                end_to_end_id=instruction.instruction_id,
                transaction_id=instruction.instruction_id,
                amount_tiyn=abs(instruction.net_tiyn),
                debtor=debtor,
                debtor_account=debtor_account,
                creditor=creditor,
                creditor_account=creditor_account,
            )
        )
    return pacs009.render(
        SettlementMessage(
            message_id=message_id,
            created_at=created_at,
            settlement_date=row.day,
            sender=system,
            receiver=Agent(bic=bank.bic),
            instructions=tuple(lines),
        )
    )


def _deliver(peer: Peer, message_id: str, content: bytes, day: dt.date) -> None:
    delivery.send(
        peer,
        INSTRUCTION_KIND,
        content,
        filename=f"{message_id}.xml",
        content_type="application/xml",
        conversation=f"settlement/{day.isoformat()}",
    )


@transaction.atomic
def retry(day: dt.date, actor: events.Actor) -> int:
    """Send refused instructions again, as a new attempt; return how many.

    Raises:
        DayUnknown: there is no such day.
    """
    row = lock(day)
    refused = [instruction for instruction in latest(row) if instruction.state == InstructionState.REFUSED]
    if not refused:
        return 0
    record = ("operating_day", day.isoformat())
    with events.act(
        "payments.day.retry_settlement", actor, record=record, operating_day=day, instructions=len(refused)
    ):
        last = SettlementInstruction.objects.filter(day=row).aggregate(last=Max("attempt"))["last"]
        _send(row, [(instruction.participant, instruction.net_tiyn) for instruction in refused], attempt=last + 1)
        row.trouble = ""
        row.save(update_fields=["trouble"])
    return len(refused)


def latest(row: OperatingDay) -> list[SettlementInstruction]:
    """The last attempt of each participant's instruction, by participant code."""
    return list(
        SettlementInstruction.objects.filter(day=row)
        .select_related("participant")
        .order_by("participant__code", "-attempt")
        .distinct("participant__code")
    )


@delivery.receives(ANSWER_KIND)
def receive(incoming: Incoming) -> None:
    """Record the settlement bank's answer; the final postings follow in ``follow_up``.

    The same answer twice, or late, changes nothing a second time. Where one contradicts an earlier one the first
    stands, since money may have moved on it, and people are told.

    Raises:
        AnswerUnknown: it answers no message of ours, or does not come from the settlement bank.
        MessageError: the message cannot be read.
    """
    report, statuses = pacs002.read(bytes(incoming.body))
    message_id = report.original.message_id
    first = SettlementInstruction.objects.filter(message_id=message_id).first()
    if first is None or incoming.peer_id != settlement_bank()[1].pk:
        raise AnswerUnknown(message_id=message_id)
    row = lock(first.day_id)
    asked = SettlementInstruction.objects.filter(message_id=message_id).order_by("instruction_id")
    record = ("operating_day", row.day.isoformat())
    with events.act(
        "payments.settlement.answer", events.Actor.peer(incoming.peer.code), record=record, operating_day=row.day
    ) as act:
        answers = final_words(report, statuses, list(asked))
        contradictions = [problem for problem in (_take(*answer) for answer in answers) if problem]
        if contradictions:
            note_trouble(row.day, contradictions[0])
        _keep_answer(incoming, report.message_id, row)
        act.data.update(
            message_id=message_id,
            answers={instruction.instruction_id: state.value for instruction, state, _ in answers},
            contradictions=len(contradictions),
        )


def final_words(
    report: StatusReport, statuses: Iterable[AnswerStatus], asked: Iterable[SettlementInstruction]
) -> list[Answer]:
    """What a status report settles or refuses, instruction by instruction.

    Words in between (ACSP, PDNG) decide nothing and are left out; so is acceptance of the message as a whole, which
    does not say that money has moved. Refusal of the whole refuses every instruction that has no word of its own.
    """
    own_word = {status.instruction_id: status for status in statuses}
    whole_refused = report.group_status is GroupStatus.REJECTED
    answers: list[Answer] = []
    for instruction in asked:
        status = own_word.get(instruction.instruction_id)
        if status is not None and status.status is TransactionStatus.SETTLED:
            answers.append((instruction, InstructionState.SETTLED, ""))
        elif status is not None and status.status is TransactionStatus.REJECTED:
            answers.append((instruction, InstructionState.REFUSED, status.reason or Reason.NARRATIVE.value))
        elif status is None and whole_refused:
            answers.append((instruction, InstructionState.REFUSED, report.reason or Reason.NARRATIVE.value))
    return answers


def _take(instruction: SettlementInstruction, answer: InstructionState, reason: str) -> AnswerContradicts | None:
    if instruction.state == InstructionState.SENT:
        instruction.state, instruction.reason, instruction.answered_at = answer.value, reason, timezone.now()
        instruction.save(update_fields=["state", "reason", "answered_at"])
    elif instruction.state != answer.value:
        return AnswerContradicts(instruction=instruction.instruction_id, first=instruction.state, second=answer.value)
    return None


def _keep_answer(incoming: Incoming, message_id: str, row: OperatingDay) -> None:
    """List the answer among the files, once: a repeated one has the same id."""
    stored = store.put_bytes(bytes(incoming.body))
    MessageFile.objects.get_or_create(
        direction=MessageFile.Direction.IN,
        participant=settlement_bank()[0],
        message_id=message_id,
        state=FileState.RECORDED.value,
        defaults={
            "message_type": ANSWER_KIND,
            "name": incoming.filename,
            "sha256": stored.sha256,
            "size_bytes": stored.size_bytes,
            "received_at": incoming.received_at,
            "finished_at": timezone.now(),
            "day": row.day,
        },
    )


def follow_up(day: dt.date, actor: events.Actor) -> None:
    """Post what the settlement bank has settled, and finish the settlement when nothing is left.

    Each posting is its own transaction: it holds the accounts that the Centre is working on no longer than needed.

    Raises:
        SettlementRefused, SettlementBankSilent, PostingWaits: what people should see while the day waits.
    """
    waiting: list[PostingWaits] = []
    for instruction in SettlementInstruction.objects.filter(
        day=day, state=InstructionState.SETTLED.value, posting_id__isnull=True
    ).select_related("participant"):
        try:
            post_finally(instruction)
        except PostingWaits as waits:
            waiting.append(waits)
    row = _finish(day, actor)
    if row.state == DayState.INSTRUCTED:
        _tell_what_is_missing(row, waiting)


@transaction.atomic
def post_finally(instruction: SettlementInstruction) -> None:
    """Move a settled position from the clearing account to the mirror of the account at the settlement bank.

    A participant that paid: Dr clearing, Cr settlement; one that received: Dr settlement, Cr clearing. The transfer's
    id is derived from the day and the participant, so a repetition is answered ``exists``.

    Raises:
        PostingWaits: the clearing account has no room for it now; nothing was changed.
        LedgerRefused: the ledger refused it for another reason, which it never should.
    """
    hold_centre(raw_connection())  # a credit takes room from the clearing account that a batch may just be counting on
    lock(instruction.day_id)
    participant, net_tiyn = instruction.participant, instruction.net_tiyn
    clearing = participant_account_id(participant.bank_code, Purpose.CLEARING)
    mirror = participant_account_id(participant.bank_code, Purpose.SETTLEMENT)
    posting_id = names.posting_id(instruction.day_id, participant.code)
    transfer = Transfer(
        id=posting_id.int,
        debit_account_id=clearing if net_tiyn < 0 else mirror,
        credit_account_id=mirror if net_tiyn < 0 else clearing,
        amount=abs(net_tiyn),
        user_data_32=day_number(instruction.day_id),
        ledger=LEDGER_KZT,
        code=TransferCode.SETTLEMENT,
    )
    status = ledger.post(raw_connection(), [transfer])[0].status
    # Raised out of the transaction, so that the ledger does not remember the id as one that failed.
    if status is Status.EXCEEDS_DEBITS:
        raise PostingWaits(participant=participant.code, amount_tiyn=abs(net_tiyn))
    if status not in (Status.OK, Status.EXISTS):
        raise LedgerRefused(participant=participant.code, status=status.value)
    SettlementInstruction.objects.filter(pk=instruction.pk).update(posting_id=posting_id)


@transaction.atomic
def _finish(day: dt.date, actor: events.Actor) -> OperatingDay:
    """Call the day settled when every participant's last instruction is settled and posted."""
    row = lock(day)
    if row.state == DayState.INSTRUCTED and all(instruction.posting_id for instruction in latest(row)):
        with events.act("payments.day.settle", actor, record=("operating_day", day.isoformat()), operating_day=day):
            row.state, row.settled_at, row.trouble = DayState.SETTLED.value, timezone.now(), ""
            row.save(update_fields=["state", "settled_at", "trouble"])
    return row


def _tell_what_is_missing(row: OperatingDay, waiting: list[PostingWaits]) -> None:
    instructions = latest(row)
    refused = [i for i in instructions if i.state == InstructionState.REFUSED]
    if refused:
        raise SettlementRefused(refused=", ".join(f"{i.participant.code} ({i.reason})" for i in refused))
    if waiting:
        raise waiting[0]
    for message_id, sent_at in {
        i.message_id: i.sent_at for i in instructions if i.state == InstructionState.SENT
    }.items():
        if remind(row.day, message_id):
            raise SettlementBankSilent(message_id=message_id, sent_at=sent_at.isoformat(timespec="seconds"))


@transaction.atomic
def remind(day: dt.date, message_id: str) -> bool:
    """Send a message again that the settlement bank received long ago and has not answered; tell whether it was sent.

    It is the same message with the same id: a bank that has carried it out repeats its answer and moves nothing.
    """
    lock(day)
    sent = Outgoing.objects.filter(kind=INSTRUCTION_KIND, filename=f"{message_id}.xml").order_by("-created_at")
    last = sent.first()
    pause = min(REMIND_AFTER * 2 ** (sent.count() - 1), REMIND_PAUSE_MAX)
    if last is None or last.state in (Outgoing.State.WAITING, Outgoing.State.SENT):
        return False  # delivery itself is still trying
    if timezone.now() < last.created_at + pause:
        return False
    kept = MessageFile.objects.get(direction=MessageFile.Direction.OUT, message_id=message_id, day=day)
    _deliver(settlement_bank()[1], message_id, store.read(kept.sha256), day)
    return True
