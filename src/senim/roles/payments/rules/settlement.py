"""Names that the settlement of a day gives to its messages, instructions and postings. Pure.

All are derived from the day, so that a step repeated after a crash gives the same names, and whatever it does a second
time is recognised: by the settlement bank as the same message, by the ledger as the same transfer.
"""

import datetime as dt
import uuid
from typing import Final

NAMESPACE: Final = uuid.UUID("6f1a0c6e-5f0e-5d55-9a58-3b6f6a1c8e01")
ATTEMPT_MAX: Final = 99


def message_id(day: dt.date, attempt: int) -> str:
    """MsgId of the settlement message (35 characters at most): the first of a day, or a later attempt.

    >>> message_id(dt.date(2026, 11, 20), 1)
    'STL20261120-01'
    """
    if not 1 <= attempt <= ATTEMPT_MAX:
        raise ValueError(f"attempt {attempt} is outside 1 to {ATTEMPT_MAX}")
    return f"STL{day:%Y%m%d}-{attempt:02d}"


def instruction_id(day: dt.date, participant_code: str, attempt: int) -> str:
    """InstrId of one participant's line.

    >>> instruction_id(dt.date(2026, 11, 20), "000018", 1)
    'STL20261120-01-000018'
    """
    return f"{message_id(day, attempt)}-{participant_code}"


def posting_id(day: dt.date, participant_code: str) -> uuid.UUID:
    """The final ledger transfer of a participant for a day: one, whatever the number of attempts."""
    return uuid.uuid5(NAMESPACE, f"{day.isoformat()}/{participant_code}/settlement")
