"""A ledger as one would explain it on a sheet of paper: dictionaries, copies for undoing, no attention to speed.

Written from TigerBeetle's documentation, apart from the product's rules, to be compared with them. It knows no import,
no storage bounds and no clock.
"""

import copy
from dataclasses import dataclass, field

LINKED, PENDING, POST, VOID, BALANCING_DEBIT, BALANCING_CREDIT = 1, 2, 4, 8, 16, 32
CLOSING_DEBIT, CLOSING_CREDIT = 64, 128
LIMIT_DEBITS, LIMIT_CREDITS, CLOSED = 2, 4, 32
WHOLE = 2**128 - 1
TRANSIENT = {
    "debit_account_not_found",
    "credit_account_not_found",
    "pending_transfer_not_found",
    "exceeds_credits",
    "exceeds_debits",
    "debit_account_already_closed",
    "credit_account_already_closed",
}


class Refused(Exception):
    """The status of a refused event."""


def check(condition: bool, status: str) -> None:
    if not condition:
        raise Refused(status)


@dataclass
class PaperAccount:
    flags: int
    held_out: int = 0
    out: int = 0
    held_in: int = 0
    into: int = 0


@dataclass
class Paper:
    """Accounts by id; transfers by id, each a dictionary; what became of the pending ones; ids used up."""

    accounts: dict[int, PaperAccount] = field(default_factory=dict)
    transfers: dict[int, dict[str, int]] = field(default_factory=dict)
    outcome: dict[int, str] = field(default_factory=dict)
    used_up: set[int] = field(default_factory=set)

    def post(self, events: list[dict[str, int]]) -> list[str]:
        """Statuses of a batch, chain by chain."""
        statuses: list[str] = []
        while len(statuses) < len(events):
            start = end = len(statuses)
            while end < len(events) and events[end]["flags"] & LINKED:
                end += 1
            is_open = end == len(events)
            statuses += self._chain(events[start : end if is_open else end + 1], is_open=is_open)
        return statuses

    def _chain(self, events: list[dict[str, int]], *, is_open: bool) -> list[str]:
        before = copy.deepcopy((self.accounts, self.transfers, self.outcome))
        statuses = ["ok"] * len(events)
        failed_at = None
        for at, event in enumerate(events):
            if is_open and at == len(events) - 1:
                statuses[at] = "linked_event_chain_open"
                failed_at = at if failed_at is None else failed_at
            elif failed_at is None:
                try:
                    self._one(event)
                except Refused as refusal:
                    failed_at, statuses[at] = at, str(refusal)
                    if statuses[at] in TRANSIENT:
                        self.used_up.add(event["id"])
        if (failed_at is not None and len(events) > 1) or is_open:
            self.accounts, self.transfers, self.outcome = before
            statuses = ["linked_event_failed" if s == "ok" else s for s in statuses]
        return statuses

    def _one(self, event: dict[str, int]) -> None:
        known = self.transfers.get(event["id"])
        if known is not None:
            self._repeat(event, known)
        check(event["id"] not in self.used_up, "id_already_failed")
        if event["flags"] & (POST | VOID):
            self._resolve(event)
        else:
            self._move(event)

    def _repeat(self, event: dict[str, int], known: dict[str, int]) -> None:
        for name in ("flags", "pending_id"):
            check(event[name] == known[name], f"exists_with_different_{name}")
        is_resolution = known["flags"] & (POST | VOID)
        for name in ("debit_account_id", "credit_account_id"):
            same = event[name] == known[name] or (is_resolution and event[name] == 0)
            check(bool(same), f"exists_with_different_{name}")
        amount = event["amount"]
        if (known["flags"] & POST and amount == WHOLE) or (known["flags"] & VOID and amount == 0):
            amount = self.transfers[known["pending_id"]]["amount"]
        if known["flags"] & (BALANCING_DEBIT | BALANCING_CREDIT):
            check(amount >= known["amount"], "exists_with_different_amount")
        else:
            check(amount == known["amount"], "exists_with_different_amount")
        raise Refused("exists")

    def _move(self, event: dict[str, int]) -> None:
        flags = event["flags"]
        check(event["debit_account_id"] != event["credit_account_id"], "accounts_must_be_different")
        check(event["pending_id"] == 0, "pending_id_must_be_zero")
        closing = flags & (CLOSING_DEBIT | CLOSING_CREDIT)
        check(not closing or bool(flags & PENDING), "closing_transfer_must_be_pending")
        check(event["debit_account_id"] in self.accounts, "debit_account_not_found")
        check(event["credit_account_id"] in self.accounts, "credit_account_not_found")
        payer, payee = self.accounts[event["debit_account_id"]], self.accounts[event["credit_account_id"]]
        check(not payer.flags & CLOSED, "debit_account_already_closed")
        check(not payee.flags & CLOSED, "credit_account_already_closed")
        amount = event["amount"]
        if flags & BALANCING_DEBIT:
            amount = min(amount, max(0, payer.into - payer.out - payer.held_out))
        if flags & BALANCING_CREDIT:
            amount = min(amount, max(0, payee.out - payee.into - payee.held_in))
        if payer.flags & LIMIT_DEBITS:
            check(payer.out + payer.held_out + amount <= payer.into, "exceeds_credits")
        if payee.flags & LIMIT_CREDITS:
            check(payee.into + payee.held_in + amount <= payee.out, "exceeds_debits")
        if flags & PENDING:
            payer.held_out += amount
            payee.held_in += amount
            payer.flags |= CLOSED if flags & CLOSING_DEBIT else 0
            payee.flags |= CLOSED if flags & CLOSING_CREDIT else 0
            self.outcome[event["id"]] = "pending"
        else:
            payer.out += amount
            payee.into += amount
        self.transfers[event["id"]] = {**event, "amount": amount}

    def _resolve(self, event: dict[str, int]) -> None:
        flags = event["flags"]
        check(flags & (POST | VOID) != POST | VOID, "flags_are_mutually_exclusive")
        others = PENDING | BALANCING_DEBIT | BALANCING_CREDIT | CLOSING_DEBIT | CLOSING_CREDIT
        check(not flags & others, "flags_are_mutually_exclusive")
        check(event["pending_id"] != 0, "pending_id_must_not_be_zero")
        check(event["pending_id"] != event["id"], "pending_id_must_be_different")
        check(event["pending_id"] in self.transfers, "pending_transfer_not_found")
        pending = self.transfers[event["pending_id"]]
        check(bool(pending["flags"] & PENDING), "pending_transfer_not_pending")
        for name in ("debit_account_id", "credit_account_id"):
            check(event[name] in (0, pending[name]), f"pending_transfer_has_different_{name}")
        amount = event["amount"]
        if amount == (0 if flags & VOID else WHOLE):
            amount = pending["amount"]
        check(amount <= pending["amount"], "exceeds_pending_transfer_amount")
        check(not flags & VOID or amount == pending["amount"], "pending_transfer_has_different_amount")
        outcome = self.outcome[event["pending_id"]]
        check(outcome != "posted", "pending_transfer_already_posted")
        check(outcome != "voided", "pending_transfer_already_voided")
        payer, payee = self.accounts[pending["debit_account_id"]], self.accounts[pending["credit_account_id"]]
        if flags & POST:
            check(not payer.flags & CLOSED, "debit_account_already_closed")
            check(not payee.flags & CLOSED, "credit_account_already_closed")
            payer.out += amount
            payee.into += amount
        else:
            payer.flags &= ~CLOSED if pending["flags"] & CLOSING_DEBIT else -1
            payee.flags &= ~CLOSED if pending["flags"] & CLOSING_CREDIT else -1
        payer.held_out -= pending["amount"]
        payee.held_in -= pending["amount"]
        self.outcome[event["pending_id"]] = "posted" if flags & POST else "voided"
        accounts = {name: pending[name] for name in ("debit_account_id", "credit_account_id")}
        self.transfers[event["id"]] = {**event, **accounts, "amount": amount}
