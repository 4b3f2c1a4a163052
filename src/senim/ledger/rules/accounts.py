"""Which accounts are created."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from senim.ledger.rules.chains import walk
from senim.ledger.types import ACCOUNT_FLAGS_ALL, UINT128_MAX, Account, AccountFlags, Status

IMPORTED: Final = int(AccountFlags.IMPORTED)
LIMITED: Final = int(AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS | AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS)


@dataclass(slots=True)
class AccountBook:
    """What a batch of accounts meets; consumed by ``decide_accounts``.

    ``accounts`` holds the existing ones among the events' ids; ``transfer_timestamps`` those of the imported events'
    timestamps that a transfer already has.
    """

    accounts: dict[int, Account]
    last_timestamp: int = 0
    transfer_timestamps: frozenset[int] = frozenset()


@dataclass(slots=True)
class AccountDecision:
    """A status and a timestamp per event, and the accounts to write."""

    statuses: list[Status]
    timestamps: list[int]
    created: list[Account]


def decide_accounts(events: Sequence[Account], book: AccountBook, first_timestamp: int) -> AccountDecision:
    """Decide a batch of accounts in order; event ``i`` has the timestamp ``first_timestamp + i`` unless imported."""
    decider = _Decider(book)
    statuses, timestamps = walk(events, first_timestamp, IMPORTED, decider)
    return AccountDecision(statuses, timestamps, decider.created)


@dataclass(slots=True)
class _Decider:
    book: AccountBook
    created: list[Account] = field(default_factory=list)
    _created_before: int = 0
    _last_timestamp_before: int = 0

    def open_scope(self) -> None:
        self._created_before = len(self.created)
        self._last_timestamp_before = self.book.last_timestamp

    def close_scope(self, *, keep: bool) -> None:
        if keep:
            return
        for account in self.created[self._created_before :]:
            del self.book.accounts[account.id]
        del self.created[self._created_before :]
        self.book.last_timestamp = self._last_timestamp_before

    def decide(self, event: Account, timestamp: int) -> tuple[Status, int]:
        refusal = _refusal_by_identity(event)
        if refusal is not None:
            return refusal, timestamp
        existing = self.book.accounts.get(event.id)
        if existing is not None:
            status = _compare(event, existing)
            return status, existing.timestamp if status is Status.EXISTS else timestamp
        refusal = _refusal_by_form(event)
        if refusal is not None:
            return refusal, timestamp
        if event.flags & IMPORTED:
            if event.timestamp <= self.book.last_timestamp or event.timestamp in self.book.transfer_timestamps:
                return Status.IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, timestamp
            timestamp = event.timestamp
        account = event._replace(timestamp=timestamp)
        self.created.append(account)
        self.book.accounts[account.id] = account
        self.book.last_timestamp = timestamp
        return Status.OK, timestamp


def _refusal_by_identity(event: Account) -> Status | None:
    if event.reserved:
        return Status.RESERVED_FIELD
    if event.flags & ~ACCOUNT_FLAGS_ALL:
        return Status.RESERVED_FLAG
    if event.id == 0:
        return Status.ID_MUST_NOT_BE_ZERO
    if event.id == UINT128_MAX:
        return Status.ID_MUST_NOT_BE_INT_MAX
    return None


def _refusal_by_form(event: Account) -> Status | None:
    checks = (
        (event.flags & LIMITED == LIMITED, Status.FLAGS_ARE_MUTUALLY_EXCLUSIVE),
        (event.debits_pending, Status.DEBITS_PENDING_MUST_BE_ZERO),
        (event.debits_posted, Status.DEBITS_POSTED_MUST_BE_ZERO),
        (event.credits_pending, Status.CREDITS_PENDING_MUST_BE_ZERO),
        (event.credits_posted, Status.CREDITS_POSTED_MUST_BE_ZERO),
        (event.ledger == 0, Status.LEDGER_MUST_NOT_BE_ZERO),
        (event.code == 0, Status.CODE_MUST_NOT_BE_ZERO),
    )
    return next((status for failed, status in checks if failed), None)


def _compare(event: Account, existing: Account) -> Status:
    """How a repeated id differs from the account that has it."""
    checks = (
        (event.flags != existing.flags, Status.EXISTS_WITH_DIFFERENT_FLAGS),
        (event.user_data_128 != existing.user_data_128, Status.EXISTS_WITH_DIFFERENT_USER_DATA_128),
        (event.user_data_64 != existing.user_data_64, Status.EXISTS_WITH_DIFFERENT_USER_DATA_64),
        (event.user_data_32 != existing.user_data_32, Status.EXISTS_WITH_DIFFERENT_USER_DATA_32),
        (event.ledger != existing.ledger, Status.EXISTS_WITH_DIFFERENT_LEDGER),
        (event.code != existing.code, Status.EXISTS_WITH_DIFFERENT_CODE),
    )
    return next((status for differs, status in checks if differs), Status.EXISTS)
