"""Which function takes which kind of message."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # models cannot be imported while this package itself is being loaded as an application
    from senim.kernel.delivery.models import Incoming

Receive = Callable[["Incoming"], object]
R = TypeVar("R", bound=Receive)
_RECEIVERS: dict[str, Receive] = {}


def receives(kind: str) -> Callable[[R], R]:
    """Let a function take messages of this kind, in the transaction that keeps them.

    A ``SenimError`` that it raises refuses the message for good, and the sender is told its code; any other exception
    keeps nothing, and the sender will try again.

    Raises:
        ValueError: another function takes this kind already.
    """

    def register(function: R) -> R:
        known = _RECEIVERS.get(kind)
        if known is not None and known.__qualname__ != function.__qualname__:
            raise ValueError(f"messages of kind {kind} are taken by {known.__qualname__} already")
        _RECEIVERS[kind] = function
        return function

    return register


def receiver_of(kind: str) -> Receive | None:
    """Return what takes messages of this kind, if anything does."""
    return _RECEIVERS.get(kind)
