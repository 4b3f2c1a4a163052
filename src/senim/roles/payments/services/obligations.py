"""What the banks owe each other, added up from the operations of a day by the database in one pass.

The recorded operations are the truth that is settled. A day of ten million of them is one parallel scan that skips
other days by a block range index; nothing is fetched but one row for each pair of banks, so memory stays flat.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from senim.roles.payments.rules.kinds import Status

OBLIGATIONS_SQL: Final = """
    SELECT payer_id, payee_id, count(*), sum(amount_tiyn)::bigint
      FROM payments_operation
     WHERE day = %(day)s AND status = %(accepted)s
     GROUP BY payer_id, payee_id
"""
SETTINGS: Final = (
    # The day is closed and nothing else is hurried: take every core that the server may give to one query.
    "SET LOCAL max_parallel_workers_per_gather = 8",
    "SET LOCAL parallel_setup_cost = 0",
    "SET LOCAL parallel_tuple_cost = 0",
    "SET LOCAL jit = off",
)


@dataclass(frozen=True, slots=True)
class PairTotal:
    """Accepted operations of one payer's bank in favour of one payee's bank: number and sum in tiyn.

    Banks are primary keys. Equal ones are operations between clients of one bank: nobody owes anybody for those.
    """

    payer: int
    payee: int
    operations: int
    amount_tiyn: int

    @property
    def is_interbank(self) -> bool:
        """Whether one bank comes to owe another."""
        return self.payer != self.payee


def of_day(cursor: Any, day: dt.date) -> list[PairTotal]:
    """Add up the operations of ``day`` by payer's and payee's bank.

    ``cursor`` is any cursor of psycopg (Django's too) inside a transaction: the settings end with it.
    """
    for setting in SETTINGS:
        cursor.execute(setting)
    cursor.execute(OBLIGATIONS_SQL, {"day": day, "accepted": int(Status.ACCEPTED)})
    return sorted((PairTotal(*row) for row in cursor.fetchall()), key=lambda pair: (pair.payer, pair.payee))
