"""Which transfers are posted, and what they do to accounts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from senim.ledger.rules.chains import walk
from senim.ledger.rules.repeats import compare
from senim.ledger.types import (
    NANOSECONDS_PER_SECOND,
    STORAGE_MAX,
    TIMESTAMP_MAX,
    TRANSFER_FLAGS_ALL,
    TRANSIENT_STATUSES,
    UINT128_MAX,
    AccountBalance,
    AccountFlags,
    PendingStatus,
    Status,
    Transfer,
    TransferFlags,
)

# Plain integers: an IntFlag costs ten times as much in the loop that decides every transfer.
PENDING: Final = int(TransferFlags.PENDING)
POST: Final = int(TransferFlags.POST_PENDING_TRANSFER)
VOID: Final = int(TransferFlags.VOID_PENDING_TRANSFER)
POST_OR_VOID: Final = POST | VOID
BALANCING_DEBIT: Final = int(TransferFlags.BALANCING_DEBIT)
BALANCING_CREDIT: Final = int(TransferFlags.BALANCING_CREDIT)
BALANCING: Final = BALANCING_DEBIT | BALANCING_CREDIT
CLOSING_DEBIT: Final = int(TransferFlags.CLOSING_DEBIT)
CLOSING_CREDIT: Final = int(TransferFlags.CLOSING_CREDIT)
CLOSING: Final = CLOSING_DEBIT | CLOSING_CREDIT
IMPORTED: Final = int(TransferFlags.IMPORTED)
LIMITED_DEBITS: Final = int(AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS)
LIMITED_CREDITS: Final = int(AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS)
HISTORY: Final = int(AccountFlags.HISTORY)
CLOSED: Final = int(AccountFlags.CLOSED)


@dataclass(slots=True)
class AccountState:
    """What a decision needs to know of an account, and changes in it."""

    id: int
    ledger: int
    flags: int
    timestamp: int
    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int

    def balances(self) -> tuple[int, int, int, int, int]:
        """The changeable part: four balances and the flags (an account may be closed and opened again)."""
        return self.debits_pending, self.debits_posted, self.credits_pending, self.credits_posted, self.flags

    def restore(self, balances: tuple[int, int, int, int, int]) -> None:
        """Put back what ``balances`` gave."""
        self.debits_pending, self.debits_posted, self.credits_pending, self.credits_posted, self.flags = balances


@dataclass(slots=True)
class Book:
    """What a batch meets. ``decide_transfers`` consumes it: afterwards it holds what the batch leaves.

    ``transfers`` holds the existing ones among the events' ids and pending ids, ``pendings`` what became of those that
    are pending; ``failed`` the ids among the events' that an earlier refusal used up; ``last_timestamp`` the newest
    transfer's and ``account_timestamps`` those of accounts (both matter to imported events only).
    """

    accounts: dict[int, AccountState]
    transfers: dict[int, Transfer] = field(default_factory=dict)
    pendings: dict[int, PendingStatus] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    last_timestamp: int = 0
    account_timestamps: frozenset[int] = frozenset()


@dataclass(slots=True)
class Decision:
    """What a batch of transfers does: a status and a timestamp per event, and the rows to write."""

    statuses: list[Status] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)
    created: list[Transfer] = field(default_factory=list)
    failed: list[tuple[int, int, Status]] = field(default_factory=list)
    resolved: list[tuple[int, PendingStatus, int]] = field(default_factory=list)
    history: list[tuple[int, AccountBalance]] = field(default_factory=list)


def decide_transfers(events: Sequence[Transfer], book: Book, first_timestamp: int) -> Decision:
    """Decide a batch in order; event ``i`` has the timestamp ``first_timestamp + i`` unless it is imported.

    A failed chain leaves nothing behind, but an id refused for a transient reason stays used up.
    """
    decider = _Decider(book)
    decision = decider.decision
    decision.statuses, decision.timestamps = walk(events, first_timestamp, IMPORTED, decider)
    return decision


def expires_at(pending: Transfer) -> int:
    """The moment (ns) from which a pending transfer counts as expired; 0 when it never does."""
    return pending.timestamp + pending.timeout * NANOSECONDS_PER_SECOND if pending.timeout else 0


def expire(pending: Transfer, debit: AccountState, credit: AccountState) -> None:
    """Release what an expired pending transfer holds, and open again what it had closed."""
    _release(pending, debit, credit)
    _reopen(pending, debit, credit)


def _release(pending: Transfer, debit: AccountState, credit: AccountState) -> None:
    debit.debits_pending -= pending.amount
    credit.credits_pending -= pending.amount
    assert debit.debits_pending >= 0
    assert credit.credits_pending >= 0


def _reopen(pending: Transfer, debit: AccountState, credit: AccountState) -> None:
    if pending.flags & CLOSING_DEBIT:
        debit.flags &= ~CLOSED
    if pending.flags & CLOSING_CREDIT:
        credit.flags &= ~CLOSED


class _Scope:
    """What a linked chain has done, so that it can be undone."""

    __slots__ = ("accounts", "created", "history", "last_timestamp", "resolved")

    def __init__(self, decision: Decision, last_timestamp: int) -> None:
        self.created = len(decision.created)
        self.resolved = len(decision.resolved)
        self.history = len(decision.history)
        self.last_timestamp = last_timestamp
        self.accounts: dict[int, tuple[int, int, int, int, int]] = {}


class _Decider:
    __slots__ = ("book", "decision", "scope")

    def __init__(self, book: Book) -> None:
        self.book = book
        self.decision = Decision()
        self.scope: _Scope | None = None

    def open_scope(self) -> None:
        self.scope = _Scope(self.decision, self.book.last_timestamp)

    def close_scope(self, *, keep: bool) -> None:
        scope, self.scope = self.scope, None
        if keep or scope is None:
            return
        book, decision = self.book, self.decision
        for transfer in decision.created[scope.created :]:
            del book.transfers[transfer.id]
            book.pendings.pop(transfer.id, None)
        for pending_id, _, _ in decision.resolved[scope.resolved :]:
            if pending_id in book.pendings:
                book.pendings[pending_id] = PendingStatus.PENDING
        for account_id, balances in scope.accounts.items():
            book.accounts[account_id].restore(balances)
        del decision.created[scope.created :]
        del decision.resolved[scope.resolved :]
        del decision.history[scope.history :]
        book.last_timestamp = scope.last_timestamp

    def decide(self, event: Transfer, timestamp: int) -> tuple[Status, int]:
        flags = event.flags
        if flags & ~TRANSFER_FLAGS_ALL:
            return Status.RESERVED_FLAG, timestamp
        if event.id == 0:
            return Status.ID_MUST_NOT_BE_ZERO, timestamp
        if event.id == UINT128_MAX:
            return Status.ID_MUST_NOT_BE_INT_MAX, timestamp
        existing = self.book.transfers.get(event.id)
        if existing is not None:
            status = compare(event, existing, self.book.transfers.get(existing.pending_id))
            return status, existing.timestamp if status is Status.EXISTS else timestamp
        if event.id in self.book.failed:
            return Status.ID_ALREADY_FAILED, timestamp
        status, timestamp = self._resolve(event, timestamp) if flags & POST_OR_VOID else self._create(event, timestamp)
        if status in TRANSIENT_STATUSES:
            # Recorded outside any chain's scope: the id stays used up even though the chain is undone.
            self.book.failed.add(event.id)
            self.decision.failed.append((event.id, timestamp, status))
        return status, timestamp

    def _create(self, event: Transfer, timestamp: int) -> tuple[Status, int]:
        status = _refusal_by_form(event)
        if status is not None:
            return status, timestamp
        debit = self.book.accounts.get(event.debit_account_id)
        if debit is None:
            return Status.DEBIT_ACCOUNT_NOT_FOUND, timestamp
        credit = self.book.accounts.get(event.credit_account_id)
        if credit is None:
            return Status.CREDIT_ACCOUNT_NOT_FOUND, timestamp
        actual_timestamp = event.timestamp if event.flags & IMPORTED else timestamp
        status = self._refusal_by_accounts(event, debit, credit)
        if status is not None:
            return status, timestamp
        amount = _balanced_amount(event, debit, credit)
        status = _refusal_by_amount(event, amount, actual_timestamp, debit, credit)
        if status is not None:
            return status, timestamp
        self._remember(debit, credit)
        if event.flags & PENDING:
            debit.debits_pending += amount
            credit.credits_pending += amount
            self.book.pendings[event.id] = PendingStatus.PENDING
            if event.flags & CLOSING_DEBIT:
                debit.flags |= CLOSED
            if event.flags & CLOSING_CREDIT:
                credit.flags |= CLOSED
        else:
            debit.debits_posted += amount
            credit.credits_posted += amount
        self._record(event._replace(amount=amount, timestamp=actual_timestamp), debit, credit)
        return Status.OK, actual_timestamp

    def _refusal_by_accounts(self, event: Transfer, debit: AccountState, credit: AccountState) -> Status | None:
        if debit.ledger != credit.ledger:
            return Status.ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER
        if event.ledger != debit.ledger:
            return Status.TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS
        if event.flags & IMPORTED:
            if self._regresses(event.timestamp):
                return Status.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS
            if event.timestamp <= debit.timestamp:
                return Status.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT
            if event.timestamp <= credit.timestamp:
                return Status.IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT
            if event.timeout:
                return Status.IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO
        return _refusal_by_closed(debit, credit)

    def _resolve(self, event: Transfer, timestamp: int) -> tuple[Status, int]:
        status = _refusal_of_resolution_by_form(event)
        if status is not None:
            return status, timestamp
        pending = self.book.transfers.get(event.pending_id)
        if pending is None:
            return Status.PENDING_TRANSFER_NOT_FOUND, timestamp
        amount = _resolved_amount(event, pending)
        status = (
            _refusal_by_pending(event, pending)
            or _refusal_by_resolved_amount(event, amount, pending)
            or self._refusal_by_state(event, pending, timestamp)
        )
        if status is not None:
            return status, timestamp
        debit = self.book.accounts[pending.debit_account_id]
        credit = self.book.accounts[pending.credit_account_id]
        self._remember(debit, credit)
        _release(pending, debit, credit)
        if event.flags & POST:
            debit.debits_posted += amount
            credit.credits_posted += amount
        else:
            _reopen(pending, debit, credit)
        actual_timestamp = event.timestamp if event.flags & IMPORTED else timestamp
        resolution = PendingStatus.POSTED if event.flags & POST else PendingStatus.VOIDED
        self.book.pendings[pending.id] = resolution
        self.decision.resolved.append((pending.id, resolution, actual_timestamp))
        self._record(_inherit(event, pending, amount, actual_timestamp), debit, credit)
        return Status.OK, actual_timestamp

    def _refusal_by_state(self, event: Transfer, pending: Transfer, timestamp: int) -> Status | None:
        state = self.book.pendings[pending.id]
        if state is PendingStatus.POSTED:
            return Status.PENDING_TRANSFER_ALREADY_POSTED
        if state is PendingStatus.VOIDED:
            return Status.PENDING_TRANSFER_ALREADY_VOIDED
        if state is PendingStatus.EXPIRED or (pending.timeout and expires_at(pending) <= timestamp):
            return Status.PENDING_TRANSFER_EXPIRED
        if event.flags & IMPORTED and self._regresses(event.timestamp):
            return Status.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS
        if event.flags & VOID:
            # Voiding is the one movement that a closed account allows: it is also how such an account opens again.
            return None
        debit = self.book.accounts[pending.debit_account_id]
        credit = self.book.accounts[pending.credit_account_id]
        return _refusal_by_closed(debit, credit)

    def _regresses(self, timestamp: int) -> bool:
        return timestamp <= self.book.last_timestamp or timestamp in self.book.account_timestamps

    def _remember(self, debit: AccountState, credit: AccountState) -> None:
        if self.scope is not None:
            self.scope.accounts.setdefault(debit.id, debit.balances())
            self.scope.accounts.setdefault(credit.id, credit.balances())

    def _record(self, transfer: Transfer, debit: AccountState, credit: AccountState) -> None:
        self.book.transfers[transfer.id] = transfer
        self.book.last_timestamp = transfer.timestamp
        self.decision.created.append(transfer)
        if debit.flags & HISTORY:
            self.decision.history.append((debit.id, AccountBalance(*debit.balances()[:4], transfer.timestamp)))
        if credit.flags & HISTORY:
            self.decision.history.append((credit.id, AccountBalance(*credit.balances()[:4], transfer.timestamp)))


def _refusal_by_form(event: Transfer) -> Status | None:
    """What can be refused from a new transfer alone."""
    if not 0 < event.debit_account_id < UINT128_MAX:
        return (
            Status.DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX
            if event.debit_account_id
            else Status.DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO
        )
    if not 0 < event.credit_account_id < UINT128_MAX:
        return (
            Status.CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX
            if event.credit_account_id
            else Status.CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO
        )
    if event.debit_account_id == event.credit_account_id:
        return Status.ACCOUNTS_MUST_BE_DIFFERENT
    if event.pending_id:
        return Status.PENDING_ID_MUST_BE_ZERO
    if not event.flags & PENDING:
        if event.timeout:
            return Status.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER
        if event.flags & CLOSING:
            return Status.CLOSING_TRANSFER_MUST_BE_PENDING
    if event.ledger == 0:
        return Status.LEDGER_MUST_NOT_BE_ZERO
    return None if event.code else Status.CODE_MUST_NOT_BE_ZERO


def _refusal_by_closed(debit: AccountState, credit: AccountState) -> Status | None:
    if debit.flags & CLOSED:
        return Status.DEBIT_ACCOUNT_ALREADY_CLOSED
    return Status.CREDIT_ACCOUNT_ALREADY_CLOSED if credit.flags & CLOSED else None


def _balanced_amount(event: Transfer, debit: AccountState, credit: AccountState) -> int:
    """The amount that moves: a balancing transfer moves at most what keeps the account within its other side."""
    amount = event.amount
    if event.flags & BALANCING_DEBIT:
        amount = min(amount, max(0, debit.credits_posted - debit.debits_posted - debit.debits_pending))
    if event.flags & BALANCING_CREDIT:
        amount = min(amount, max(0, credit.debits_posted - credit.credits_posted - credit.credits_pending))
    return amount


def _refusal_by_amount(
    event: Transfer, amount: int, timestamp: int, debit: AccountState, credit: AccountState
) -> Status | None:
    """Overflow of 128 bits, limits of the accounts, and last what the storage cannot hold."""
    debits = debit.debits_pending + debit.debits_posted + amount
    credits_ = credit.credits_pending + credit.credits_posted + amount
    if debits > STORAGE_MAX or credits_ > STORAGE_MAX:
        status = _overflow(event, amount, debit, credit)
        if status is not None:
            return status
    if event.timeout and timestamp + event.timeout * NANOSECONDS_PER_SECOND > TIMESTAMP_MAX:
        return Status.OVERFLOWS_TIMEOUT
    if debit.flags & LIMITED_DEBITS and debits > debit.credits_posted:
        return Status.EXCEEDS_CREDITS
    if credit.flags & LIMITED_CREDITS and credits_ > credit.debits_posted:
        return Status.EXCEEDS_DEBITS
    if debits > STORAGE_MAX or credits_ > STORAGE_MAX:
        return Status.AMOUNT_EXCEEDS_STORAGE
    return None


def _overflow(event: Transfer, amount: int, debit: AccountState, credit: AccountState) -> Status | None:
    if event.flags & PENDING:
        if debit.debits_pending + amount > UINT128_MAX:
            return Status.OVERFLOWS_DEBITS_PENDING
        if credit.credits_pending + amount > UINT128_MAX:
            return Status.OVERFLOWS_CREDITS_PENDING
    if debit.debits_posted + amount > UINT128_MAX:
        return Status.OVERFLOWS_DEBITS_POSTED
    if credit.credits_posted + amount > UINT128_MAX:
        return Status.OVERFLOWS_CREDITS_POSTED
    if debit.debits_pending + debit.debits_posted + amount > UINT128_MAX:
        return Status.OVERFLOWS_DEBITS
    if credit.credits_pending + credit.credits_posted + amount > UINT128_MAX:
        return Status.OVERFLOWS_CREDITS
    return None


def _refusal_of_resolution_by_form(event: Transfer) -> Status | None:
    """What can be refused from a posting or voiding transfer alone."""
    if event.flags & POST_OR_VOID == POST_OR_VOID or event.flags & (PENDING | BALANCING | CLOSING):
        return Status.FLAGS_ARE_MUTUALLY_EXCLUSIVE
    if event.pending_id == 0:
        return Status.PENDING_ID_MUST_NOT_BE_ZERO
    if event.pending_id == UINT128_MAX:
        return Status.PENDING_ID_MUST_NOT_BE_INT_MAX
    if event.pending_id == event.id:
        return Status.PENDING_ID_MUST_BE_DIFFERENT
    return Status.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER if event.timeout else None


def _refusal_by_pending(event: Transfer, pending: Transfer) -> Status | None:
    """Zero in the resolving transfer means "the same as the pending one"."""
    if not pending.flags & PENDING:
        return Status.PENDING_TRANSFER_NOT_PENDING
    if event.debit_account_id and event.debit_account_id != pending.debit_account_id:
        return Status.PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID
    if event.credit_account_id and event.credit_account_id != pending.credit_account_id:
        return Status.PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID
    if event.ledger and event.ledger != pending.ledger:
        return Status.PENDING_TRANSFER_HAS_DIFFERENT_LEDGER
    if event.code and event.code != pending.code:
        return Status.PENDING_TRANSFER_HAS_DIFFERENT_CODE
    return None


def _resolved_amount(event: Transfer, pending: Transfer) -> int:
    """A post of 2^128-1 and a void of 0 mean the whole pending amount."""
    if event.flags & VOID:
        return event.amount or pending.amount
    return pending.amount if event.amount == UINT128_MAX else event.amount


def _refusal_by_resolved_amount(event: Transfer, amount: int, pending: Transfer) -> Status | None:
    if amount > pending.amount:
        return Status.EXCEEDS_PENDING_TRANSFER_AMOUNT
    if event.flags & VOID and amount < pending.amount:
        return Status.PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT
    return None


def _inherit(event: Transfer, pending: Transfer, amount: int, timestamp: int) -> Transfer:
    """The row of a posting or voiding transfer: what it leaves out comes from the pending one."""
    return event._replace(
        debit_account_id=pending.debit_account_id,
        credit_account_id=pending.credit_account_id,
        amount=amount,
        user_data_128=event.user_data_128 or pending.user_data_128,
        user_data_64=event.user_data_64 or pending.user_data_64,
        user_data_32=event.user_data_32 or pending.user_data_32,
        ledger=pending.ledger,
        code=pending.code,
        timestamp=timestamp,
    )
