"""The payment system's codes in words of the reader's language, with the tone of each state."""

from django.utils.translation import gettext_lazy as _

from senim.kernel.console.states import State
from senim.roles.payments.models import (
    KIND_LABELS,
    SOURCE_LABELS,
    STATUS_LABELS,
    MessageFile,
    OperatingDay,
    Operation,
    Participant,
    SettlementInstruction,
)
from senim.roles.payments.rules.kinds import DayState, FileState, InstructionState, Kind, Source, Status

REASONS = {
    "AC01": _("wrong debit account"),
    "AC03": _("wrong credit account"),
    "AC04": _("debit account closed"),
    "AC07": _("credit account closed"),
    "AG01": _("not allowed to this participant"),
    "AM01": _("amount is zero"),
    "AM02": _("amount not allowed"),
    "AM03": _("currency not allowed"),
    "AM04": _("not enough money"),
    "AM05": _("came before"),
    "AM10": _("wrong control sum"),
    "AM18": _("wrong number of transactions"),
    "AM23": _("net debit cap exceeded"),
    "DT01": _("wrong date"),
    "DU01": _("message id used before"),
    "ED05": _("settlement failed"),
    "FF01": _("wrong file format"),
    "NARR": _("other reason"),
    "RC01": _("wrong bank identifier"),
}
DAY_STATES = {
    DayState.OPEN: State("good", _("Open")),
    DayState.CLOSED: State("calm", _("Closed")),
    DayState.NETTED: State("calm", _("Netted")),
    DayState.INSTRUCTED: State("calm", _("Sent to the settlement bank")),
    DayState.SETTLED: State("calm", _("Settled")),
    DayState.REPORTED: State("good", _("Settled and reported")),
}
FILE_STATES = {
    FileState.RECEIVED: State("calm", _("Taken in")),
    FileState.CHECKING: State("calm", _("Being checked")),
    FileState.RECORDING: State("calm", _("Being recorded")),
    FileState.RECORDED: State("good", _("Recorded")),
    FileState.REFUSED: State("bad", _("Refused")),
}
INSTRUCTION_STATES = {
    InstructionState.SENT: State("calm", _("Awaits the answer")),
    InstructionState.SETTLED: State("good", _("Settled")),
    InstructionState.REFUSED: State("bad", _("Refused")),
}
PARTICIPANT_STATES = {
    Participant.State.PROPOSED: State("warn", Participant.State.PROPOSED.label),
    Participant.State.ACTIVE: State("good", Participant.State.ACTIVE.label),
    Participant.State.SUSPENDED: State("bad", Participant.State.SUSPENDED.label),
    Participant.State.REFUSED: State("", Participant.State.REFUSED.label),
}


def reason(code: str) -> str:
    """A reason in words; the code itself where the list does not know it (the settlement bank may give any)."""
    return str(REASONS.get(code, code))


def reason_and_code(code: str) -> str:
    """A reason in words with its ISO 20022 code."""
    return f"{REASONS[code]} ({code})" if code in REASONS else code


def reason_choices() -> list[tuple[str, object]]:
    """All reasons, for a filter."""
    return [(code, reason_and_code(code)) for code in REASONS]


def kind(row: Operation) -> str:
    """The kind of an operation in words."""
    return str(KIND_LABELS[Kind(row.kind)])


def source(row: Operation) -> str:
    """How an operation came, in words."""
    return str(SOURCE_LABELS[Source(row.source)])


def status(row: Operation) -> State:
    """The outcome of an operation."""
    done = row.status == Status.ACCEPTED
    return State("good" if done else "bad", STATUS_LABELS[Status(row.status)])


def day_state(row: OperatingDay) -> State:
    """How far a day has come; a day whose close is stopped says so."""
    if row.trouble:
        return State("bad", _("Close stopped"))
    return DAY_STATES[DayState(row.state)]


def file_state(row: MessageFile) -> State:
    """Where a file stands; a file that we sent is simply sent."""
    if row.direction == MessageFile.Direction.OUT:
        return State("good", _("Sent"))
    return FILE_STATES[FileState(row.state)]


def instruction_state(row: SettlementInstruction) -> State:
    """The settlement bank's word on an instruction."""
    return INSTRUCTION_STATES[InstructionState(row.state)]


def participant_state(row: Participant) -> State:
    """Where a participation stands."""
    return PARTICIPANT_STATES[Participant.State(row.state)]


def name_field() -> str:
    """The model field that holds a participant's name in the reader's language."""
    from senim.kernel.console.formats import language

    return f"name_{language()}"
