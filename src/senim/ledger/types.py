"""The ledger's values: accounts, transfers, their flags, the statuses of events, and filters.

Names and meanings are TigerBeetle's (docs.tigerbeetle.com, reference, 0.16 and 0.17). Integers are unsigned as there:
ids, amounts and ``user_data_128`` up to 2^128-1. Amounts are minor units of the account's currency (tiyn for KZT).
Timestamps are nanoseconds since 1970-01-01 UTC; ``timeout`` is in seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, StrEnum
from typing import Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

UINT128_MAX: Final = 2**128 - 1
UINT64_MAX: Final = 2**64 - 1
UINT32_MAX: Final = 2**32 - 1
UINT16_MAX: Final = 2**16 - 1
STORAGE_MAX: Final = 2**63 - 1
TIMESTAMP_MAX: Final = 2**63 - 1
NANOSECONDS_PER_SECOND: Final = 1_000_000_000


class AccountFlags(IntFlag):
    """What an account allows. ``debits_must_not_exceed_credits`` keeps a client's account from going below zero."""

    LINKED = 1 << 0
    DEBITS_MUST_NOT_EXCEED_CREDITS = 1 << 1
    CREDITS_MUST_NOT_EXCEED_DEBITS = 1 << 2
    HISTORY = 1 << 3
    IMPORTED = 1 << 4
    CLOSED = 1 << 5


class TransferFlags(IntFlag):
    """How a transfer behaves."""

    LINKED = 1 << 0
    PENDING = 1 << 1
    POST_PENDING_TRANSFER = 1 << 2
    VOID_PENDING_TRANSFER = 1 << 3
    BALANCING_DEBIT = 1 << 4
    BALANCING_CREDIT = 1 << 5
    CLOSING_DEBIT = 1 << 6
    CLOSING_CREDIT = 1 << 7
    IMPORTED = 1 << 8


class FilterFlags(IntFlag):
    """Which side of an account a filter takes, and in which order."""

    DEBITS = 1 << 0
    CREDITS = 1 << 1
    REVERSED = 1 << 2


ACCOUNT_FLAGS_ALL: Final = 0b11_1111
TRANSFER_FLAGS_ALL: Final = 0b1_1111_1111
FILTER_FLAGS_ALL: Final = 0b111


class PendingStatus(IntEnum):
    """What became of a pending transfer."""

    PENDING = 0
    POSTED = 1
    VOIDED = 2
    EXPIRED = 3


class Account(NamedTuple):
    """An account, as asked for (balances and timestamp zero) or as it stands."""

    id: int = 0
    debits_pending: int = 0
    debits_posted: int = 0
    credits_pending: int = 0
    credits_posted: int = 0
    user_data_128: int = 0
    user_data_64: int = 0
    user_data_32: int = 0
    reserved: int = 0
    ledger: int = 0
    code: int = 0
    flags: int = 0
    timestamp: int = 0


class Transfer(NamedTuple):
    """A movement of ``amount`` minor units from the debit account to the credit account. Immutable once posted."""

    id: int = 0
    debit_account_id: int = 0
    credit_account_id: int = 0
    amount: int = 0
    pending_id: int = 0
    user_data_128: int = 0
    user_data_64: int = 0
    user_data_32: int = 0
    timeout: int = 0
    ledger: int = 0
    code: int = 0
    flags: int = 0
    timestamp: int = 0


class AccountFilter(NamedTuple):
    """Which transfers (or balances) of one account; zero means "any". ``limit`` is required and above zero."""

    account_id: int = 0
    user_data_128: int = 0
    user_data_64: int = 0
    user_data_32: int = 0
    code: int = 0
    timestamp_min: int = 0
    timestamp_max: int = 0
    limit: int = 0
    flags: int = 0
    reserved: int = 0


class AccountBalance(NamedTuple):
    """An account's four balances right after the transfer of this timestamp."""

    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int
    timestamp: int


class Status(StrEnum):
    """What became of one event. All but ``amount_exceeds_storage`` are TigerBeetle's; ``ok`` is its ``created``."""

    OK = "ok"
    LINKED_EVENT_FAILED = "linked_event_failed"
    LINKED_EVENT_CHAIN_OPEN = "linked_event_chain_open"
    IMPORTED_EVENT_EXPECTED = "imported_event_expected"
    IMPORTED_EVENT_NOT_EXPECTED = "imported_event_not_expected"
    TIMESTAMP_MUST_BE_ZERO = "timestamp_must_be_zero"
    IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE = "imported_event_timestamp_out_of_range"
    IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE = "imported_event_timestamp_must_not_advance"
    RESERVED_FIELD = "reserved_field"
    RESERVED_FLAG = "reserved_flag"
    ID_MUST_NOT_BE_ZERO = "id_must_not_be_zero"
    ID_MUST_NOT_BE_INT_MAX = "id_must_not_be_int_max"
    EXISTS_WITH_DIFFERENT_FLAGS = "exists_with_different_flags"
    EXISTS_WITH_DIFFERENT_PENDING_ID = "exists_with_different_pending_id"
    EXISTS_WITH_DIFFERENT_TIMEOUT = "exists_with_different_timeout"
    EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID = "exists_with_different_debit_account_id"
    EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID = "exists_with_different_credit_account_id"
    EXISTS_WITH_DIFFERENT_AMOUNT = "exists_with_different_amount"
    EXISTS_WITH_DIFFERENT_USER_DATA_128 = "exists_with_different_user_data_128"
    EXISTS_WITH_DIFFERENT_USER_DATA_64 = "exists_with_different_user_data_64"
    EXISTS_WITH_DIFFERENT_USER_DATA_32 = "exists_with_different_user_data_32"
    EXISTS_WITH_DIFFERENT_LEDGER = "exists_with_different_ledger"
    EXISTS_WITH_DIFFERENT_CODE = "exists_with_different_code"
    EXISTS = "exists"
    ID_ALREADY_FAILED = "id_already_failed"
    FLAGS_ARE_MUTUALLY_EXCLUSIVE = "flags_are_mutually_exclusive"
    DEBITS_PENDING_MUST_BE_ZERO = "debits_pending_must_be_zero"
    DEBITS_POSTED_MUST_BE_ZERO = "debits_posted_must_be_zero"
    CREDITS_PENDING_MUST_BE_ZERO = "credits_pending_must_be_zero"
    CREDITS_POSTED_MUST_BE_ZERO = "credits_posted_must_be_zero"
    DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO = "debit_account_id_must_not_be_zero"
    DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX = "debit_account_id_must_not_be_int_max"
    CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO = "credit_account_id_must_not_be_zero"
    CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX = "credit_account_id_must_not_be_int_max"
    ACCOUNTS_MUST_BE_DIFFERENT = "accounts_must_be_different"
    PENDING_ID_MUST_BE_ZERO = "pending_id_must_be_zero"
    PENDING_ID_MUST_NOT_BE_ZERO = "pending_id_must_not_be_zero"
    PENDING_ID_MUST_NOT_BE_INT_MAX = "pending_id_must_not_be_int_max"
    PENDING_ID_MUST_BE_DIFFERENT = "pending_id_must_be_different"
    TIMEOUT_RESERVED_FOR_PENDING_TRANSFER = "timeout_reserved_for_pending_transfer"
    CLOSING_TRANSFER_MUST_BE_PENDING = "closing_transfer_must_be_pending"
    LEDGER_MUST_NOT_BE_ZERO = "ledger_must_not_be_zero"
    CODE_MUST_NOT_BE_ZERO = "code_must_not_be_zero"
    DEBIT_ACCOUNT_NOT_FOUND = "debit_account_not_found"
    CREDIT_ACCOUNT_NOT_FOUND = "credit_account_not_found"
    ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER = "accounts_must_have_the_same_ledger"
    TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS = "transfer_must_have_the_same_ledger_as_accounts"
    PENDING_TRANSFER_NOT_FOUND = "pending_transfer_not_found"
    PENDING_TRANSFER_NOT_PENDING = "pending_transfer_not_pending"
    PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID = "pending_transfer_has_different_debit_account_id"
    PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID = "pending_transfer_has_different_credit_account_id"
    PENDING_TRANSFER_HAS_DIFFERENT_LEDGER = "pending_transfer_has_different_ledger"
    PENDING_TRANSFER_HAS_DIFFERENT_CODE = "pending_transfer_has_different_code"
    EXCEEDS_PENDING_TRANSFER_AMOUNT = "exceeds_pending_transfer_amount"
    PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT = "pending_transfer_has_different_amount"
    PENDING_TRANSFER_ALREADY_POSTED = "pending_transfer_already_posted"
    PENDING_TRANSFER_ALREADY_VOIDED = "pending_transfer_already_voided"
    PENDING_TRANSFER_EXPIRED = "pending_transfer_expired"
    IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS = "imported_event_timestamp_must_not_regress"
    IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT = "imported_event_timestamp_must_postdate_debit_account"
    IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT = "imported_event_timestamp_must_postdate_credit_account"
    IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO = "imported_event_timeout_must_be_zero"
    DEBIT_ACCOUNT_ALREADY_CLOSED = "debit_account_already_closed"
    CREDIT_ACCOUNT_ALREADY_CLOSED = "credit_account_already_closed"
    OVERFLOWS_DEBITS_PENDING = "overflows_debits_pending"
    OVERFLOWS_CREDITS_PENDING = "overflows_credits_pending"
    OVERFLOWS_DEBITS_POSTED = "overflows_debits_posted"
    OVERFLOWS_CREDITS_POSTED = "overflows_credits_posted"
    OVERFLOWS_DEBITS = "overflows_debits"
    OVERFLOWS_CREDITS = "overflows_credits"
    OVERFLOWS_TIMEOUT = "overflows_timeout"
    EXCEEDS_CREDITS = "exceeds_credits"
    EXCEEDS_DEBITS = "exceeds_debits"
    AMOUNT_EXCEEDS_STORAGE = "amount_exceeds_storage"


TRANSIENT_STATUSES: Final = {
    # A transfer refused for one of these might have succeeded at another moment, so its id is used up: a retry after
    # a lost answer must not move money. The numbers are TigerBeetle's and are stored with the id.
    Status.DEBIT_ACCOUNT_NOT_FOUND: 21,
    Status.CREDIT_ACCOUNT_NOT_FOUND: 22,
    Status.PENDING_TRANSFER_NOT_FOUND: 25,
    Status.EXCEEDS_CREDITS: 54,
    Status.EXCEEDS_DEBITS: 55,
    Status.DEBIT_ACCOUNT_ALREADY_CLOSED: 65,
    Status.CREDIT_ACCOUNT_ALREADY_CLOSED: 66,
}


class Result(NamedTuple):
    """The status of one event, and its timestamp (for ``exists`` the timestamp of the first creation)."""

    status: Status
    timestamp: int


class Results(Sequence[Result]):
    """One result per event, in the order of the events; made lazily, since most batches succeed whole."""

    __slots__ = ("_count", "_statuses", "_timestamps", "first_timestamp")

    def __init__(
        self,
        count: int,
        first_timestamp: int,
        statuses: list[Status] | None = None,
        timestamps: list[int] | None = None,
    ) -> None:
        self._count = count
        self.first_timestamp = first_timestamp
        self._statuses = statuses
        self._timestamps = timestamps

    @property
    def all_ok(self) -> bool:
        """Whether every event was created."""
        return self._statuses is None or all(status is Status.OK for status in self._statuses)

    @property
    def statuses(self) -> list[Status]:
        """The statuses alone, in order."""
        return [Status.OK] * self._count if self._statuses is None else self._statuses

    @property
    def timestamps(self) -> list[int]:
        """The timestamps alone, in order."""
        if self._timestamps is None:
            return list(range(self.first_timestamp, self.first_timestamp + self._count))
        return self._timestamps

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> list[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | list[Result]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        position = index + self._count if index < 0 else index
        if not 0 <= position < self._count:
            raise IndexError(index)
        status = Status.OK if self._statuses is None else self._statuses[position]
        timestamp = self.first_timestamp + position if self._timestamps is None else self._timestamps[position]
        return Result(status, timestamp)

    def __iter__(self) -> Iterator[Result]:
        return map(Result, self.statuses, self.timestamps)


Column = NDArray[np.int64] | Sequence[int] | int


@dataclass(slots=True)
class TransferColumns:
    """A batch of transfers by column: the cheap form for many, posted without an object for each.

    ``id``, ``debit_account_id``, ``credit_account_id``, ``pending_id`` and ``user_data_128`` are the ids of all
    transfers joined, 16 bytes each, big-endian (``b"".join(i.to_bytes(16, "big") for i in ids)``; the bytes of a
    ``uuid.UUID``); empty means zero for all. The other columns are a sequence or a numpy array of int64, or one int for
    all. Amounts above 2^63-1 do not fit here: use ``Transfer`` objects for those.
    """

    id: bytes
    debit_account_id: bytes
    credit_account_id: bytes
    amount: Column
    ledger: Column
    code: Column
    flags: Column = 0
    user_data_128: bytes = b""
    user_data_64: Column = 0
    user_data_32: Column = 0
    timeout: Column = 0
    pending_id: bytes = b""
    count: int = field(init=False)

    def __post_init__(self) -> None:
        self.count = len(self.id) // 16
