"""The register of events (EM-55.11, PO-34.11): who did what to which record, from when to when, and how it ended.

    with events.act("payments.day.close", Actor.staff(user), record=("operating_day", "2026-05-04")) as act:
        ...
        act.data["operations"] = 1_250_000

The event is written in the transaction of the act itself, so that neither is ever kept without the other. An act that
ends by an exception is rolled back, and its event is written after that as refused or failed; the exception goes on.
"""

from senim.kernel.events.actors import Actor
from senim.kernel.events.chain import seal
from senim.kernel.events.recording import Act, EventIncomplete, act, note
from senim.kernel.events.verification import Verification, verify

__all__ = ["Act", "Actor", "EventIncomplete", "Verification", "act", "note", "seal", "verify"]
