"""Short words for tests of authorisation."""

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from senim import ledger
from senim.kernel.values import iban
from senim.roles.payments.centre.scratch import MadeBank
from senim.roles.payments.rules.accounts import CLEARING_HUB_ID, Purpose, participant_account_id
from senim.roles.payments.rules.authorisation import Answer, OperationRequest
from senim.roles.payments.rules.kinds import Kind, Means, Source
from senim.roles.payments.services.authorise import authorise

DAY = dt.date(2026, 5, 4)
NOON = dt.datetime(2026, 5, 4, 7, 0, tzinfo=dt.UTC)
"""Noon in Almaty."""

_numbers = itertools.count(1)


class Scene:
    """Banks a, b, c (0, 1, 2) with customers 0 and 1, within one transaction."""

    def __init__(self, connection: psycopg.Connection[TupleRow], banks: list[MadeBank]) -> None:
        self.connection = connection
        self.banks = banks

    def customer(self, bank: int, number: int = 0) -> str:
        return self.banks[bank].customers[number]

    def request(self, payer: int, payee: int, amount_tiyn: int, **changes: Any) -> OperationRequest:
        """A transfer from customer 0 of one bank to customer 1 of another, by the payer's bank."""
        fields: dict[str, Any] = {
            "id": f"key-{next(_numbers)}",
            "kind": Kind.TRANSFER,
            "amount_tiyn": amount_tiyn,
            "currency": "KZT",
            "means": Means.DETAILS,
            "initiated_at": NOON,
            "initiator_id": self.banks[payer].id,
            "debit_account": self.customer(payer, 0),
            "credit_account": self.customer(payee, 1),
        }
        return OperationRequest(**fields | changes)

    def top_up(self, initiator: int, bank: int, amount_tiyn: int, **changes: Any) -> OperationRequest:
        fields = {"kind": Kind.TOP_UP, "debit_account": "", "initiator_id": self.banks[initiator].id}
        return self.request(bank, bank, amount_tiyn, **fields | changes)

    def withdrawal(self, initiator: int, bank: int, amount_tiyn: int, **changes: Any) -> OperationRequest:
        fields = {"kind": Kind.CASH_WITHDRAWAL, "credit_account": "", "initiator_id": self.banks[initiator].id}
        return self.request(bank, bank, amount_tiyn, **fields | changes)

    def authorise(self, *requests: OperationRequest, at: dt.datetime = NOON) -> list[Answer]:
        return authorise(self.connection, requests, received_at=at, source=Source.BATCH)

    def reasons(self, *requests: OperationRequest) -> list[str]:
        return [answer.reason for answer in self.authorise(*requests)]

    def balance(self, account: int) -> int:
        """Credits less debits, in tiyn."""
        [found] = ledger.lookup_accounts(self.connection, [account])
        return found.credits_posted - found.debits_posted

    def money(self, bank: int, number: int = 0) -> int:
        return self.balance(iban.account_id(self.customer(bank, number)))

    def cash(self, bank: int) -> int:
        return self.balance(participant_account_id(self.banks[bank].bank_code, Purpose.CASH))

    def clearing(self, bank: int) -> int:
        """What the bank owes (positive) before its cap, as a credit balance."""
        return self.balance(participant_account_id(self.banks[bank].bank_code, Purpose.CLEARING))

    def room(self, bank: int) -> int:
        return -self.clearing(bank)

    def hub(self) -> int:
        return self.balance(CLEARING_HUB_ID)

    def rows(self, query: str, *parameters: object) -> Sequence[tuple[Any, ...]]:
        return self.connection.execute(query, parameters).fetchall()  # type: ignore[arg-type]  # the tests' own text
