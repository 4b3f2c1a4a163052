"""What holds for every request: idle sessions end, a given password is changed first, events know the address."""

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from senim.kernel import events
from senim.kernel.access import guard, sessions
from senim.kernel.access.models import Staff
from senim.kernel.events.actors import current_address

Next = Callable[[HttpRequest], HttpResponse]
ALWAYS_OPEN: Final = frozenset(
    {"access:sign_in", "access:sign_out", "access:password", "console:language", "console:theme", "set_language"}
)


class AccessMiddleware:
    """Stands after authentication and messages. Views that need no session are untouched by it."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = current_address.set(address_of(request))
        try:
            return self.get_response(request)
        finally:
            current_address.reset(token)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Stop the request where the session is over, or where the password must be changed first."""
        if any("\0" in str(word) for word in (*args, *kwargs.values())):
            raise Http404("no record has a name with NUL in it, and the database could not be asked for one")
        staff = request.user
        if not isinstance(staff, Staff):
            return None
        if sessions.is_over(request):
            return self._end(request, staff)
        if not getattr(view, guard.BACKGROUND_ATTRIBUTE, False):
            sessions.touch(request)
        name = request.resolver_match.view_name if request.resolver_match else ""
        if staff.must_change_password and name not in ALWAYS_OPEN:
            return guard.go(request, reverse("access:password"))
        return None

    @staticmethod
    def _end(request: HttpRequest, staff: Staff) -> HttpResponse | None:
        """End the session (PS-12.5): the next action asks to enter again, and comes back to the page."""
        events.note("access.session_end", events.Actor.staff(staff), ("staff", staff.login), reason="idle")
        logout(request)
        if request.resolver_match and request.resolver_match.view_name in ALWAYS_OPEN - {"access:password"}:
            return None
        messages.info(request, _("The session has ended because nothing was done for a while. Sign in again to go on."))
        return guard.ask_to_sign_in(request)


def address_of(request: HttpRequest) -> str:
    """Network address of whoever asks; behind our own proxy, what the proxy saw: the last address it added."""
    if settings.SECURE_PROXY_SSL_HEADER:
        forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if forwarded:
            return forwarded[:45]
    return str(request.META.get("REMOTE_ADDR", ""))[:45]
