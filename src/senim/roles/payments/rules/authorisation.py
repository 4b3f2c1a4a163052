"""May this operation be carried out? (PS-7.5.3). Decisions only: what is in the database comes in as values.

A batch is decided in four steps, of which the ledger does the third:

1. :func:`plan` looks at each operation alone: who may initiate it, which accounts and banks it concerns;
2. :func:`admit` lets through, in order, what keeps every bank within its net debit cap (AM23 otherwise);
3. the ledger posts the transfers and refuses what the customers' accounts do not allow (AC01, AC03, AC04, AC07, AM04);
4. :func:`positions` sums what banks now owe each other.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from senim.kernel.values import iban
from senim.kernel.values.almaty import minute_of_day, operating_day
from senim.kernel.values.money import CURRENCY
from senim.ledger.types import Status as LedgerStatus
from senim.roles.payments.rules.accounts import Purpose, participant_account_id
from senim.roles.payments.rules.kinds import Kind, Means
from senim.roles.payments.rules.reasons import Reason

AMOUNT_TIYN_MAX: Final = 10**15
"""Ten trillion tenge: more than any payment, and far from where sums of a day would leave 64 bits."""
CLOCK_AHEAD_MAX: Final = dt.timedelta(minutes=5)
INITIATED_AGE_MAX: Final = dt.timedelta(days=30)
"""Operations reach the Centre online (PS-7.4); one initiated longer ago than this is a mistake, not a late arrival."""


class OperationRequest(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An operation as a participant asks for it, well formed but not yet judged.

    ``id`` is the participant's own key of the operation (1 to 64 characters), under which it is carried out once.
    A top-up names no debit account and a cash withdrawal no credit account: there the initiator's cash stands.
    ``objection`` is a reason that was found against it on the way in (by a file's date, say): it is refused for that.
    """

    id: str
    kind: Kind
    amount_tiyn: int
    currency: str
    means: Means
    initiated_at: dt.datetime
    initiator_id: int
    debit_account: str = ""
    credit_account: str = ""
    end_to_end_id: str = ""
    objection: str = ""


_encode: Final = msgspec.msgpack.Encoder().encode


class Outcome(IntEnum):
    """What became of a request. The first two are decisions on record; a conflict records nothing."""

    ACCEPTED = 1
    REFUSED = 2
    CONFLICT = 3


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The Centre's answer to one request. A repeated request gets the answer of the first, and ``replayed`` is set.

    ``reason`` is an ISO 20022 code, empty when accepted. On a conflict (the key was used for another operation) the
    other fields are those of the operation that has the key.
    """

    operation: bytes
    id: str
    outcome: Outcome
    reason: str
    operating_day: dt.date
    decided_at: dt.datetime
    replayed: bool = False

    @property
    def operation_id(self) -> uuid.UUID:
        """The operation's id, which is also the id of its ledger transfer."""
        return uuid.UUID(bytes=self.operation)

    @property
    def accepted(self) -> bool:
        """Whether the operation has been carried out."""
        return self.outcome is Outcome.ACCEPTED


class Bank(NamedTuple):
    """What authorisation needs to know of a participant. Accounts are ledger account ids, 16 bytes."""

    id: int
    bank_code: str
    active: bool
    cash: bytes
    clearing: bytes


class Directory(NamedTuple):
    """The participants, by id and by the bank code that their IBANs carry."""

    by_id: Mapping[int, Bank]
    by_bank_code: Mapping[str, Bank]


class Plan(NamedTuple):
    """One operation judged by itself: the accounts it would move money between, the banks it concerns.

    ``reason`` is empty when nothing speaks against it so far.
    """

    reason: str
    debit: bytes = b""
    credit: bytes = b""
    payer: int | None = None
    payee: int | None = None


@lru_cache(maxsize=1_000)
def bank(participant_id: int, bank_code: str, active: bool) -> Bank:
    """Make a :class:`Bank` from a participant's row; the account ids follow from the bank code."""
    cash = participant_account_id(bank_code, Purpose.CASH).to_bytes(16, "big")
    clearing = participant_account_id(bank_code, Purpose.CLEARING).to_bytes(16, "big")
    return Bank(participant_id, bank_code, active, cash, clearing)


def directory(rows: Iterable[tuple[int, str, bool]]) -> Directory:
    """The participants from rows of id, bank code and whether it is active."""
    banks = [bank(*row) for row in rows]
    return Directory({b.id: b for b in banks}, {b.bank_code: b for b in banks})


def request_digest(request: OperationRequest) -> bytes:
    """Sixteen bytes of BLAKE2b over all that the participant asked for: the same key must mean the same request.

    MessagePack writes lengths before texts and moments in UTC, so no two different requests are written alike.
    """
    return blake2b(_encode(request), digest_size=16).digest()


@lru_cache(maxsize=65_536)
def account_of(number: str) -> tuple[bytes, str] | None:
    """The ledger account and the bank code of an IBAN, or None when it is malformed. Cached: clients pay often."""
    try:
        return iban.account_id(number).to_bytes(16, "big"), iban.bank_code(number)
    except iban.BadIban:
        return None


def plan(request: OperationRequest, received_at: dt.datetime, banks: Directory) -> Plan:
    """Judge one operation by itself and find its accounts and banks."""
    initiator = banks.by_id[request.initiator_id]
    reason = request.objection or _against_terms(request, received_at)
    if request.kind == Kind.TOP_UP:
        payer, debit = initiator, initiator.cash
    else:
        found = _side(request.debit_account, banks)
        if found is None:
            return Plan(reason or _unknown(request.debit_account, Reason.INCORRECT_ACCOUNT_NUMBER))
        payer, debit = found
    if request.kind == Kind.CASH_WITHDRAWAL:
        payee, credit = initiator, initiator.cash
    else:
        found = _side(request.credit_account, banks)
        if found is None:
            wrong = reason or _unknown(request.credit_account, Reason.INVALID_CREDITOR_ACCOUNT_NUMBER)
            return Plan(wrong, debit, b"", payer.id, None)
        payee, credit = found
    if not reason and (debit == credit or not _may(request.kind, initiator, payer, payee)):
        reason = Reason.TRANSACTION_FORBIDDEN.value
    return Plan(reason, debit, credit, payer.id, payee.id)


def _against_terms(request: OperationRequest, received_at: dt.datetime) -> str:
    """The reason against an operation that can be seen without its accounts, or nothing."""
    if request.currency != CURRENCY:
        return Reason.NOT_ALLOWED_CURRENCY.value
    if request.amount_tiyn <= 0:
        return Reason.ZERO_AMOUNT.value if request.amount_tiyn == 0 else Reason.NOT_ALLOWED_AMOUNT.value
    if request.amount_tiyn > AMOUNT_TIYN_MAX:
        return Reason.NOT_ALLOWED_AMOUNT.value
    if not received_at - INITIATED_AGE_MAX <= request.initiated_at <= received_at + CLOCK_AHEAD_MAX:
        return Reason.INVALID_DATE.value
    return ""


def _side(number: str, banks: Directory) -> tuple[Bank, bytes] | None:
    """The bank and the ledger account of a customer's IBAN, or None."""
    account = account_of(number)
    if account is None:
        return None
    holder = banks.by_bank_code.get(account[1])
    return None if holder is None else (holder, account[0])


def _unknown(number: str, malformed: Reason) -> str:
    """Why an IBAN leads to no bank here: it is malformed, or its bank takes no part."""
    return malformed.value if account_of(number) is None else Reason.BANK_IDENTIFIER_INCORRECT.value


def _may(kind: Kind, initiator: Bank, payer: Bank, payee: Bank) -> bool:
    """Whether the initiator may ask for it: all banks must be active; a transfer is the payer's bank's own."""
    if not (initiator.active and payer.active and payee.active):
        return False
    return kind != Kind.TRANSFER or initiator.id == payer.id


def admit(
    candidates: Sequence[int], plans: Sequence[Plan], amounts: Sequence[int], rooms: dict[int, int]
) -> tuple[list[int], list[int]]:
    """Let through what keeps every bank within its net debit cap; give what goes and what does not, by index.

    ``rooms`` is how much more each bank may come to owe, in tiyn, and is drawn down here. What others of the same batch
    would bring a bank is not counted yet, since the ledger may still refuse them: the caller asks again for the rest
    when it knows (so the answer does not depend on an operation that was never carried out).
    """
    through: list[int] = []
    over: list[int] = []
    for index in candidates:
        judged = plans[index]
        payer = judged.payer
        if payer == judged.payee:
            through.append(index)
            continue
        assert payer is not None, "an operation without a payer's bank was planned"
        left = rooms[payer] - amounts[index]
        if left < 0:
            over.append(index)
        else:
            rooms[payer] = left
            through.append(index)
    return through, over


def positions(accepted: Iterable[int], plans: Sequence[Plan], amounts: Sequence[int]) -> dict[int, tuple[int, int]]:
    """What each bank is owed and owes from the accepted operations between banks, in tiyn: {bank: (owed, owes)}.

    Over all banks both sides have the same sum.
    """
    owed: dict[int, int] = {}
    owes: dict[int, int] = {}
    for index in accepted:
        judged = plans[index]
        payer, payee = judged.payer, judged.payee
        if payer == payee:
            continue
        assert payer is not None
        assert payee is not None
        owes[payer] = owes.get(payer, 0) + amounts[index]
        owed[payee] = owed.get(payee, 0) + amounts[index]
    assert sum(owed.values()) == sum(owes.values()), "what is owed and what is owed to others differ"
    return {b: (owed.get(b, 0), owes.get(b, 0)) for b in sorted(owed.keys() | owes.keys())}


_REASONS: Final = {
    LedgerStatus.DEBIT_ACCOUNT_NOT_FOUND: Reason.INCORRECT_ACCOUNT_NUMBER.value,
    LedgerStatus.CREDIT_ACCOUNT_NOT_FOUND: Reason.INVALID_CREDITOR_ACCOUNT_NUMBER.value,
    LedgerStatus.DEBIT_ACCOUNT_ALREADY_CLOSED: Reason.CLOSED_ACCOUNT_NUMBER.value,
    LedgerStatus.CREDIT_ACCOUNT_ALREADY_CLOSED: Reason.CLOSED_CREDITOR_ACCOUNT_NUMBER.value,
    LedgerStatus.EXCEEDS_CREDITS: Reason.INSUFFICIENT_FUNDS.value,
    LedgerStatus.AMOUNT_EXCEEDS_STORAGE: Reason.NOT_ALLOWED_AMOUNT.value,
    LedgerStatus.OVERFLOWS_DEBITS_POSTED: Reason.NOT_ALLOWED_AMOUNT.value,
    LedgerStatus.OVERFLOWS_CREDITS_POSTED: Reason.NOT_ALLOWED_AMOUNT.value,
    LedgerStatus.OVERFLOWS_DEBITS: Reason.NOT_ALLOWED_AMOUNT.value,
    LedgerStatus.OVERFLOWS_CREDITS: Reason.NOT_ALLOWED_AMOUNT.value,
}


def reason_of(status: LedgerStatus) -> str | None:
    """The ISO reason for a ledger's refusal; None for a status that a sound Centre never meets."""
    return _REASONS.get(status)


def day_for(arrived: dt.date, open_days: Sequence[dt.date]) -> dt.date | None:
    """The operating day of an operation that reached the Centre on this day of Almaty (PS-3.1.1).

    That day itself while it is open; once it is closed, the next open one; None when there is none.
    """
    return min((day for day in open_days if day >= arrived), default=None)


@lru_cache(maxsize=4_096)
def arrival(epoch_minute: int) -> tuple[dt.date, int]:
    """Day and minute of the day (0 to 1439) in Almaty of a minute since 1970; offsets are whole minutes."""
    moment = dt.datetime.fromtimestamp(epoch_minute * 60, dt.UTC)
    return operating_day(moment), minute_of_day(moment)
