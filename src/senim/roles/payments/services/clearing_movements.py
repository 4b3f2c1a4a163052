"""By how much each clearing account moved on a day: the ledger's own record of what the banks owe.

Every transfer of the System carries its operating day in ``user_data_32``, so the movements of a closed day are found
although the next day's operations move the same accounts already.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Final

from django.db import connection

from senim.ledger.types import NANOSECONDS_PER_SECOND
from senim.roles.payments.models import OperatingDay
from senim.roles.payments.rules.accounts import Purpose, day_number, participant_account_id
from senim.roles.payments.rules.kinds import TransferCode

CLOCKS_APART: Final = dt.timedelta(hours=1)
"""More than the clocks of this machine and of the database's can differ."""

# Debits of a clearing account are what the participant is owed, credits what it owes. The bound by timestamp lets the
# block range index skip what was posted before the day was opened.
MOVEMENTS_SQL: Final = """
    SELECT side.account_id, sum(side.amount)::bigint
      FROM ledger_transfer AS t
     CROSS JOIN LATERAL (VALUES (t.debit_account_id, t.amount), (t.credit_account_id, -t.amount))
           AS side (account_id, amount)
     WHERE t."timestamp" >= %(since)s AND t.code = %(code)s AND t.user_data_32 = %(day)s AND t.failed_status IS NULL
       AND side.account_id = ANY(%(accounts)s)
     GROUP BY side.account_id
"""


def of_day(day: dt.date, bank_codes: Sequence[str]) -> dict[str, int]:
    """Net movement in tiyn of each bank's clearing account on ``day``: positive is to be received by the bank."""
    accounts = {uuid.UUID(int=participant_account_id(code, Purpose.CLEARING)): code for code in bank_codes}
    opened_at = OperatingDay.objects.values_list("opened_at", flat=True).get(pk=day)
    parameters: dict[str, Any] = {
        "since": int((opened_at - CLOCKS_APART).timestamp()) * NANOSECONDS_PER_SECOND,
        "code": int(TransferCode.POSITION),
        "day": day_number(day),
        "accounts": list(accounts),
    }
    with connection.cursor() as cursor:
        cursor.execute(MOVEMENTS_SQL, parameters)
        moved = {accounts[account]: int(amount_tiyn) for account, amount_tiyn in cursor.fetchall()}
    return {code: moved.get(code, 0) for code in bank_codes}
