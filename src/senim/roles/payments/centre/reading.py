"""Reading operations back: one by its id, or all of a participant since the last one it has seen (PS-7.5.4)."""

import datetime as dt
import uuid
from typing import Annotated, Any, Final, Literal

import msgspec
import psycopg
from msgspec import Meta
from psycopg.rows import TupleRow

from senim.kernel.values.money import CURRENCY, to_decimal
from senim.roles.payments.rules.kinds import Kind, Means, Status

PAGE_MAX: Final = 1_000
SCAN_MAX: Final = 10_000
_COLUMNS: Final = """
o.id, o.key, o.kind, o.means, o.status, o.reason, o.amount_tiyn, i.code, p.code, q.code, o.debit_account,
o.credit_account, o.end_to_end_id, o.initiated_at, o.received_at, o.decided_at, o.day, o.initiator_id = %(reader)s
"""
_JOINS: Final = """
JOIN payments_participant i ON i.id = o.initiator_id
LEFT JOIN payments_participant p ON p.id = o.payer_id
LEFT JOIN payments_participant q ON q.id = o.payee_id
"""
_CONCERNS: Final = "(o.payer_id = %(reader)s OR o.payee_id = %(reader)s)"
_ONE: Final = f"""
SELECT {_COLUMNS} FROM payments_operation o {_JOINS}
WHERE o.id = %(id)s AND (o.initiator_id = %(reader)s OR %(all)s OR o.status = 1 AND {_CONCERNS})
"""  # noqa: S608 - put together from the constants above
# Ids rise in the order of commits, so the last id seen is a mark that nothing can slip past. A bounded stretch is
# looked through at a time, whether or not it holds anything for the reader.
_SINCE: Final = f"""
WITH stretch AS (
    SELECT * FROM payments_operation WHERE id > %(after)s ORDER BY id LIMIT {SCAN_MAX}
), theirs AS (
    SELECT * FROM stretch o WHERE o.status = 1 AND (%(all)s OR o.initiator_id = %(reader)s OR {_CONCERNS})
    ORDER BY id LIMIT %(limit)s
)
SELECT {_COLUMNS}, (SELECT id FROM stretch ORDER BY id DESC LIMIT 1) FROM theirs o {_JOINS} ORDER BY o.id
"""  # noqa: S608 - put together from the constants above
_LAST_OF_STRETCH: Final = f"""
WITH stretch AS (SELECT id FROM payments_operation WHERE id > %(after)s ORDER BY id LIMIT {SCAN_MAX})
SELECT id FROM stretch ORDER BY id DESC LIMIT 1
"""  # noqa: S608 - put together from the constants above


class Operation(msgspec.Struct, frozen=True):
    """An operation as it is on record. Participants are named by their codes; ``id`` is told to the initiator alone."""

    operation_id: uuid.UUID
    id: str | None
    kind: Literal["top_up", "transfer", "purchase", "cash_withdrawal"]
    means: Literal["details", "qr", "iin"]
    status: Literal["accepted", "refused"]
    reason: str | None
    amount: Annotated[str, Meta(examples=["1234.56"])]
    currency: str
    initiator: str
    payer: Annotated[str | None, Meta(description="The payer's bank.")]
    payee: Annotated[str | None, Meta(description="The payee's bank.")]
    debit_account: str | None
    credit_account: str | None
    end_to_end_id: str
    initiated_at: dt.datetime
    received_at: dt.datetime
    decided_at: dt.datetime
    operating_day: dt.date


class OperationPage(msgspec.Struct, frozen=True):
    """Accepted operations after a mark, in the order of their commits."""

    operations: list[Operation]
    after: Annotated[
        uuid.UUID,
        Meta(description="Ask on from here. A page may be empty while there is more: `more` says so."),
    ]
    more: bool


_KINDS: Final[dict[int, Literal["top_up", "transfer", "purchase", "cash_withdrawal"]]] = {
    Kind.TOP_UP: "top_up",
    Kind.TRANSFER: "transfer",
    Kind.PURCHASE: "purchase",
    Kind.CASH_WITHDRAWAL: "cash_withdrawal",
}
_MEANS: Final[dict[int, Literal["details", "qr", "iin"]]] = {
    Means.DETAILS: "details",
    Means.QR: "qr",
    Means.IIN: "iin",
}


def _operation(row: tuple[Any, ...]) -> Operation:
    (number, key, kind, means, status, reason, amount_tiyn, initiator, payer, payee, debit, credit, *rest) = row
    end_to_end_id, initiated_at, received_at, decided_at, day, is_own = rest[:6]
    return Operation(
        operation_id=number,
        id=key if is_own else None,
        kind=_KINDS[kind],
        means=_MEANS[means],
        status="accepted" if status == Status.ACCEPTED else "refused",
        reason=reason or None,
        amount=to_decimal(amount_tiyn),
        currency=CURRENCY,
        initiator=initiator,
        payer=payer,
        payee=payee,
        debit_account=debit or None,
        credit_account=credit or None,
        end_to_end_id=end_to_end_id,
        initiated_at=initiated_at,
        received_at=received_at,
        decided_at=decided_at,
        operating_day=day,
    )


def operation(
    connection: psycopg.Connection[TupleRow], operation_id: uuid.UUID, reader: int, *, sees_all: bool
) -> Operation | None:
    """An operation, if it concerns the reader: its initiator, or the payer's or payee's bank once it is accepted."""
    parameters = {"id": operation_id, "reader": reader, "all": sees_all}
    row = connection.execute(_ONE, parameters, binary=True).fetchone()
    return None if row is None else _operation(row)


def operations_since(
    connection: psycopg.Connection[TupleRow], after: uuid.UUID, limit: int, reader: int, *, sees_all: bool
) -> OperationPage:
    """The accepted operations that concern the reader, after the mark; the settlement bank sees all."""
    parameters = {"after": after, "limit": limit, "reader": reader, "all": sees_all}
    rows = connection.execute(_SINCE, parameters, binary=True).fetchall()
    found = [_operation(row) for row in rows]
    if len(found) == limit:
        return OperationPage(found, found[-1].operation_id, more=True)
    if rows:
        last = rows[-1][-1]
    else:
        row = connection.execute(_LAST_OF_STRETCH, {"after": after}, binary=True).fetchone()
        last = row[0] if row is not None else None
    mark = last or after
    return OperationPage(found, mark, more=mark != after and _has_more(connection, mark))


def _has_more(connection: psycopg.Connection[TupleRow], mark: uuid.UUID) -> bool:
    row = connection.execute("SELECT EXISTS (SELECT FROM payments_operation WHERE id > %s)", (mark,)).fetchone()
    return row is not None and bool(row[0])
