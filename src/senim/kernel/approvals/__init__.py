"""Maker and checker: an act that needs two people is proposed by one and decided by another.

A part says what its act does::

    @approvals.handler("payments.participant")
    class ParticipantApproval:
        permission = "payments.approve_participant"

        @staticmethod
        def on_approve(approval, checker): ...

        @staticmethod
        def on_refuse(approval, checker): ...

Both run in the transaction of the decision: the act is done exactly when it is recorded as decided.
"""

from senim.kernel.approvals.registry import Handler, UnknownKind, handler, handler_of, kinds
from senim.kernel.approvals.services import AlreadyDecided, AlreadyWaiting, NotTheirs, OwnAct, decide, propose, withdraw

__all__ = [
    "AlreadyDecided",
    "AlreadyWaiting",
    "Handler",
    "NotTheirs",
    "OwnAct",
    "UnknownKind",
    "decide",
    "handler",
    "handler_of",
    "kinds",
    "propose",
    "withdraw",
]
