"""What the kinds of act are, and what a decision on each does."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from senim.errors import SenimError

if TYPE_CHECKING:  # models cannot be imported while this package itself is being loaded as an application
    from senim.kernel.access.models import Staff
    from senim.kernel.approvals.models import Approval


class Handler(Protocol):
    """What an act of one kind does once it is decided. ``permission`` is the checker's."""

    permission: str

    @staticmethod
    def on_approve(approval: "Approval", checker: "Staff") -> object:
        """Carry the act out, in the transaction of the decision."""

    @staticmethod
    def on_refuse(approval: "Approval", checker: "Staff") -> object:
        """Undo what the proposal had prepared, in the transaction of the decision."""


class UnknownKind(SenimError):
    """No part of the program declares acts of this kind."""

    code: ClassVar[str] = "approvals.unknown_kind"


H = TypeVar("H", bound=type)
_HANDLERS: dict[str, Handler] = {}


def handler(kind: str) -> Callable[[H], H]:
    """Declare what deciding an act of this kind does; the class is used as it is, never instantiated.

    Raises:
        ValueError: another class handles this kind already.
    """

    def register(cls: H) -> H:
        known = _HANDLERS.get(kind)
        if known is not None and getattr(known, "__qualname__", None) != cls.__qualname__:
            raise ValueError(f"acts of kind {kind} are handled by {known} already")
        if not getattr(cls, "permission", ""):
            raise ValueError(f"{cls.__qualname__} does not say which permission deciding asks for")
        _HANDLERS[kind] = cls  # type: ignore[assignment]  # a class whose static methods are the protocol's
        return cls

    return register


def handler_of(kind: str) -> Handler:
    """Return what handles acts of this kind.

    Raises:
        UnknownKind: nothing does.
    """
    try:
        return _HANDLERS[kind]
    except KeyError:
        raise UnknownKind(kind=kind) from None


def kinds() -> list[str]:
    """Every declared kind of act."""
    return sorted(_HANDLERS)
