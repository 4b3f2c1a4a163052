"""By how much each clearing account moved on a day: the ledger's own record of what the banks owe.

Every transfer of the System carries its operating day in ``user_data_32``, so the movements of a closed day are found
although the next day's operations move the same accounts already.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Final

from django.db import connection

from senim.roles.payments.models import OperatingDay
from senim.roles.payments.rules.accounts import Purpose, day_number, participant_account_id
from senim.roles.payments.rules.kinds import TransferCode

# Debits of a clearing account are what the participant is owed, credits what it owes. The bound by timestamp lets the
# block range index skip all that was posted before the day was opened.
MOVEMENTS_SQL: Final = """
    SELECT account_id, sum(amount)::bigint
      FROM (
            SELECT debit_account_id AS account_id, amount
              FROM ledger_transfer
             WHERE "timestamp" >= %(since)s AND code = %(code)s AND user_data_32 = %(day)s AND failed_status IS NULL
               AND debit_account_id = ANY(%(accounts)s)
             UNION ALL
            SELECT credit_account_id, -amount
              FROM ledger_transfer
             WHERE "timestamp" >= %(since)s AND code = %(code)s AND user_data_32 = %(day)s AND failed_status IS NULL
               AND credit_account_id = ANY(%(accounts)s)
           ) AS movement
     GROUP BY account_id
"""


def of_day(day: dt.date, bank_codes: Sequence[str]) -> dict[str, int]:
    """Net movement in tiyn of each bank's clearing account on ``day``: positive is to be received by the bank."""
    accounts = {uuid.UUID(int=participant_account_id(code, Purpose.CLEARING)): code for code in bank_codes}
    opened_at = OperatingDay.objects.values_list("opened_at", flat=True).get(pk=day)
    parameters: dict[str, Any] = {
        "since": int(opened_at.timestamp()) * 1_000_000_000,
        "code": int(TransferCode.POSITION),
        "day": day_number(day),
        "accounts": list(accounts),
    }
    with connection.cursor() as cursor:
        cursor.execute(MOVEMENTS_SQL, parameters)
        moved = {accounts[account]: int(amount_tiyn) for account, amount_tiyn in cursor.fetchall()}
    return {code: moved.get(code, 0) for code in bank_codes}
