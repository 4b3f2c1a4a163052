"""The settlement bank's own books: balances of the participants' accounts, kept in an append-only journal.

A settlement message is carried out once, however often it comes: its answers are in the journal under its
id, and are given again. All of a message is one line, so a crash leaves it done or not done.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senim.roles.payments.messages.values import Instruction
from senim.sandbox.simulators.journal import Journal

SETTLED = "ACSC"
REFUSED = "RJCT"


@dataclass(frozen=True, slots=True)
class Word:
    """The bank's word on one instruction: ACSC, or RJCT with an ISO reason."""

    instruction_id: str
    status: str
    reason: str = ""


class Books:
    """Accounts by IBAN, in tiyn. ``system_account`` takes what participants pay and gives what others receive."""

    def __init__(self, path: Path, opening_tiyn: Mapping[str, int], system_account: str) -> None:
        self._journal = Journal(path)
        self.system_account = system_account
        self.balances: dict[str, int] = {**opening_tiyn, system_account: 0}
        self._answers: dict[str, list[Word]] = {}
        self._sent: set[str] = set()
        for line in self._journal.read():
            self._replay(line)

    def carry_out(
        self, message_id: str, instructions: Sequence[Instruction], refuse: Collection[str] = ()
    ) -> list[Word]:
        """Move the money that is there, and say so for each instruction; a message known already moves nothing again.

        What participants pay is taken first, and only from money they have; what others receive is paid out of that.
        ``refuse`` holds accounts whose instructions are refused by order (a test's, or a supervisor's).
        """
        if message_id not in self._answers:
            moves: dict[str, int] = {}
            words = {}
            incoming_first = sorted(instructions, key=lambda each: each.creditor_account != self.system_account)
            for each in incoming_first:
                words[each.instruction_id] = self._judge(each, moves, refuse)
            answers = [words[each.instruction_id] for each in instructions]
            line = {
                "message": message_id,
                "moves": moves,
                "answers": [[word.instruction_id, word.status, word.reason] for word in answers],
            }
            self._journal.append(line)
            self._replay(line)
        return self._answers[message_id]

    def unsent(self) -> list[str]:
        """Messages carried out whose answer has not reached the operator yet."""
        return [message_id for message_id in self._answers if message_id not in self._sent]

    def answers(self, message_id: str) -> list[Word]:
        """What was answered to a message."""
        return self._answers[message_id]

    def note_sent(self, message_id: str) -> None:
        """Remember that the operator has the answer."""
        line = {"sent": message_id}
        self._journal.append(line)
        self._replay(line)

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def _judge(self, each: Instruction, moves: dict[str, int], refuse: Collection[str]) -> Word:
        known = self.balances.keys()
        if each.debtor_account not in known:
            return Word(each.instruction_id, REFUSED, "AC01")
        if each.creditor_account not in known:
            return Word(each.instruction_id, REFUSED, "AC03")
        if self.system_account not in (each.debtor_account, each.creditor_account):
            return Word(each.instruction_id, REFUSED, "AG01")
        available_tiyn = self.balances[each.debtor_account] + moves.get(each.debtor_account, 0)
        if {each.debtor_account, each.creditor_account} & set(refuse) or available_tiyn < each.amount_tiyn:
            return Word(each.instruction_id, REFUSED, "AM04")
        moves[each.debtor_account] = moves.get(each.debtor_account, 0) - each.amount_tiyn
        moves[each.creditor_account] = moves.get(each.creditor_account, 0) + each.amount_tiyn
        return Word(each.instruction_id, SETTLED)

    def _replay(self, line: Mapping[str, Any]) -> None:
        if "sent" in line:
            self._sent.add(line["sent"])
            return
        assert sum(line["moves"].values()) == 0, "the bank's books move money, they do not make it"
        for account, amount_tiyn in line["moves"].items():
            self.balances[account] += amount_tiyn
        self._answers[line["message"]] = [Word(*answer) for answer in line["answers"]]
