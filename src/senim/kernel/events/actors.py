"""Who acts: a worker, a job, another organisation, a command, a client."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # Django's models cannot be imported while this package itself is being loaded as an application
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

current_address: ContextVar[str] = ContextVar("senim_current_address", default="")
"""Network address of the request now served; set by the access middleware, empty outside a request."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. ``identifier`` is stable within ``kind``; ``label`` is what people read; ``address`` is where from."""

    kind: str
    identifier: str
    label: str
    address: str = ""

    @classmethod
    def staff(cls, user: "AbstractBaseUser | AnonymousUser") -> Self:
        """A worker, by login; whoever has not signed in is ``unknown``."""
        login = user.get_username() or "unknown"
        return cls("staff", login, str(user) if user.is_authenticated else login, current_address.get())

    @classmethod
    def unknown(cls) -> Self:
        """Somebody at the door who has not signed in."""
        return cls("staff", "unknown", "unknown", current_address.get())

    @classmethod
    def job(cls, name: str) -> Self:
        """The program itself, in a job of this name."""
        return cls("job", name, name)

    @classmethod
    def peer(cls, code: str, label: str = "") -> Self:
        """Another organisation, through its messages."""
        return cls("peer", code, label or code, current_address.get())

    @classmethod
    def client(cls, identifier: str, label: str = "") -> Self:
        """A client of the organisation, or a participant's machine, through an interface for them."""
        return cls("client", identifier, label or identifier, current_address.get())

    @classmethod
    def command(cls) -> Self:
        """A person at the command line of the server, by the account of its operating system."""
        import getpass

        try:
            account = getpass.getuser()
        except (KeyError, OSError):  # a container may run under a number that has no name
            account = "unknown"
        return cls("command", account, f"senim ({account})")
