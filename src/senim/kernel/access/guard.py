"""The guard of a page: who may open it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from senim.kernel import events

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

PERMISSION_ATTRIBUTE: Final = "senim_permission"
BACKGROUND_ATTRIBUTE: Final = "senim_background"
UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def requires(permission: str) -> Callable[[View[P]], View[P]]:
    """Open a view only to those who hold ``permission`` (EM-55.2, PO-34.2).

    Whoever has not signed in is asked to, and comes back; a refusal of who has is an event and answers 403. The view
    carries the permission in its attribute ``senim_permission``, so that a test can hold every address against it.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return ask_to_sign_in(request)
            if not request.user.has_perm(permission):
                refuse(request, permission)
            return view(request, *args, **kwargs)

        setattr(guarded, PERMISSION_ATTRIBUTE, permission)
        return guarded

    return decorate


def background(view: View[P]) -> View[P]:
    """Mark a view that pages ask for by themselves (live figures): no act of the person, it keeps no session open."""
    setattr(view, BACKGROUND_ATTRIBUTE, True)
    return view


def refuse(request: HttpRequest, permission: str) -> None:
    """Record that this person asked for what is not theirs, and answer 403.

    Raises:
        PermissionDenied: always.
    """
    actor = events.Actor.staff(request.user)
    with events.act(
        "access.refuse", actor, record=("page", request.path), permission=permission, method=request.method
    ):
        raise PermissionDenied(permission)


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """Send to the sign-in page, and from there back to the page on which the person was (PS-12.5)."""
    address = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({REDIRECT_FIELD_NAME: page_of(request)})}"
    return go(request, address)


def go(request: HttpRequest, address: str) -> HttpResponse:
    """Redirect the whole page, also when only a part of it was asked for by htmx."""
    if request.headers.get("HX-Request") == "true":
        response = HttpResponse(status=204)
        response["HX-Redirect"] = address
        return response
    return HttpResponseRedirect(address)


def page_of(request: HttpRequest) -> str:
    """Address, on this host, of the page on which the person is: the one to come back to.

    For a form or a part of a page that is the page around it, as the browser names it.
    """
    around = request.headers.get("HX-Current-URL")
    if around is None and request.method in UNSAFE:
        around = request.headers.get("Referer", "/")
    return local(request, around) if around is not None else request.get_full_path()


def local(request: HttpRequest, address: str) -> str:
    """Return the path of ``address`` when it leads to this host, else the front page: nobody is sent elsewhere."""
    if url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
        parts = urlsplit(address)
        # The path of http://here//there is //there, which by itself would lead to another host.
        return urlunsplit(("", "", "/" + parts.path.lstrip("/\\"), parts.query, parts.fragment))
    return "/"


def permission_of(view: Any) -> str | None:
    """Return the permission that a view is guarded by, or None."""
    permission: str | None = getattr(view, PERMISSION_ATTRIBUTE, None)
    return permission
