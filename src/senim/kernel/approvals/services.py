"""Proposing, deciding, withdrawing. Each is one transaction with its event."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from senim.errors import SenimError
from senim.kernel import events
from senim.kernel.approvals.registry import handler_of

if TYPE_CHECKING:  # models cannot be imported while this package itself is being loaded as an application
    from senim.kernel.access.models import Staff
    from senim.kernel.approvals.models import Approval


class AlreadyWaiting(SenimError):
    """The same act on the same record awaits a decision already."""

    code: ClassVar[str] = "approvals.already_waiting"


class AlreadyDecided(SenimError):
    """The act has been decided or withdrawn already."""

    code: ClassVar[str] = "approvals.already_decided"


class OwnAct(SenimError):
    """Nobody decides an act of their own: a second person must."""

    code: ClassVar[str] = "approvals.own_act"


class NotTheirs(SenimError):
    """Only whoever proposed an act may withdraw it."""

    code: ClassVar[str] = "approvals.not_theirs"


def propose(
    kind: str, *, maker: "Staff", record: tuple[str, str], title: str, payload: Mapping[str, object] | None = None
) -> "Approval":
    """Put an act of ``kind`` on ``record`` before a second person; ``payload`` (JSON) is all that it will need.

    Raises:
        UnknownKind: no part declares this kind.
        AlreadyWaiting: the same act on the same record awaits a decision.
    """
    from senim.kernel.approvals.models import Approval

    handler_of(kind)
    with events.act("approvals.propose", events.Actor.staff(maker), kind=kind, subject=list(record)) as act:
        try:
            with transaction.atomic():
                approval = Approval.objects.create(
                    kind=kind,
                    record_type=record[0],
                    record_id=record[1],
                    title=title[:200],
                    payload=dict(payload or {}),
                    maker=maker,
                    made_at=timezone.now(),
                )
        except IntegrityError as error:
            if "approval_waits_once" not in str(error):
                raise
            raise AlreadyWaiting(kind=kind, record=list(record)) from error
        act.record = ("approval", approval.pk)
    return approval


def decide(approval_id: int, checker: "Staff", *, approve: bool, comment: str = "") -> "Approval":
    """Approve or refuse a waiting act, and carry out what that means, in one transaction.

    Of two checkers at once one decides and the other learns that it is decided.

    Raises:
        Approval.DoesNotExist: there is no such act.
        AlreadyDecided: it waits no longer.
        OwnAct: the checker is its maker.
        PermissionDenied: the checker lacks the permission that acts of this kind ask for.
        Whatever the handler raises: then nothing is decided.
    """
    from senim.kernel.approvals.models import Approval

    verb = "approvals.approve" if approve else "approvals.refuse"
    with events.act(verb, events.Actor.staff(checker), record=("approval", approval_id)) as act:
        approval = _waiting(approval_id)
        act.data |= {"kind": approval.kind, "subject": [approval.record_type, approval.record_id]}
        handler = handler_of(approval.kind)
        if approval.maker_id == checker.pk:
            raise OwnAct(approval=approval_id)
        if not checker.has_perm(handler.permission):
            raise PermissionDenied(handler.permission)
        approval.state = Approval.State.APPROVED if approve else Approval.State.REFUSED
        approval.checker, approval.decided_at, approval.comment = checker, timezone.now(), comment[:500]
        approval.save(update_fields=["state", "checker", "decided_at", "comment"])
        (handler.on_approve if approve else handler.on_refuse)(approval, checker)
    return approval


def withdraw(approval_id: int, maker: "Staff", comment: str = "") -> "Approval":
    """Take one's own proposal back while it waits; its handler's ``on_withdraw``, if there is one, undoes the rest.

    Raises:
        Approval.DoesNotExist: there is no such act.
        AlreadyDecided: it waits no longer.
        NotTheirs: somebody else proposed it.
    """
    from senim.kernel.approvals.models import Approval

    with events.act("approvals.withdraw", events.Actor.staff(maker), record=("approval", approval_id)) as act:
        approval = _waiting(approval_id)
        act.data |= {"kind": approval.kind, "subject": [approval.record_type, approval.record_id]}
        if approval.maker_id != maker.pk:
            raise NotTheirs(approval=approval_id)
        approval.state, approval.decided_at, approval.comment = Approval.State.WITHDRAWN, timezone.now(), comment[:500]
        approval.save(update_fields=["state", "decided_at", "comment"])
        on_withdraw = getattr(handler_of(approval.kind), "on_withdraw", None)
        if on_withdraw is not None:
            on_withdraw(approval, maker)
    return approval


def _waiting(approval_id: int) -> "Approval":
    from senim.kernel.approvals.models import Approval

    approval = Approval.objects.select_for_update(of=("self",)).select_related("maker").get(pk=approval_id)
    if approval.state != Approval.State.WAITING:
        raise AlreadyDecided(approval=approval_id, state=approval.state)
    return approval
