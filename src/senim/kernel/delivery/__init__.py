"""Messages between organisations: signed, encrypted, delivered at least once, acted upon once, receipted (PS-14.2).

Sending is a row in the caller's transaction; a worker does the rest::

    delivery.send(peer, "pacs.009.001.08", content, filename="....xml", conversation="settlement/2026-05-04")

Receiving is a function that runs in the transaction in which the message is kept::

    @delivery.receives("pacs.002.001.10")
    def receive(incoming: Incoming) -> None: ...
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from senim.kernel.delivery.registry import receives
    from senim.kernel.delivery.sending import NotDead, PeerInactive, add_peer, deliver_due, resend, send
    from senim.kernel.delivery.wire import Attached

__all__ = ["Attached", "NotDead", "PeerInactive", "add_peer", "deliver_due", "receives", "resend", "send"]

_HOMES: Final = {
    "Attached": "wire",
    "receives": "registry",
    **dict.fromkeys(("NotDead", "PeerInactive", "add_peer", "deliver_due", "resend", "send"), "sending"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: simulators use the wire form alone, without Django."""
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
