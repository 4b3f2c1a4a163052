"""Error pages: plain words and a reference number, which the log carries too. Nothing else leaves the server."""

import logging
import secrets
import sys
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

log = logging.getLogger("senim.console")


def reference() -> str:
    """A short number that a reader can say over the telephone and an operator can find in the log."""
    return f"{secrets.token_hex(2)}-{secrets.token_hex(2)}".upper()


def _page(request: HttpRequest, status: HTTPStatus, heading: str, words: str) -> HttpResponse:
    number = reference()
    problem = sys.exc_info() if status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
    level = logging.ERROR if problem else logging.INFO
    log.log(level, "answered %s to %s (reference %s)", status.value, request.path, number, exc_info=problem)
    context = {"status": status.value, "heading": heading, "words": words, "reference": number}
    return render(request, "console/error.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400."""
    del exception
    return _page(
        request,
        HTTPStatus.BAD_REQUEST,
        _("This request cannot be understood"),
        _("Go back, reload the page and try again. If it happens again, tell the duty officer the reference number."),
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403."""
    del exception
    return _page(
        request,
        HTTPStatus.FORBIDDEN,
        _("You may not open this page"),
        _("Your role does not include it. If your work needs it, ask the administrator."),
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    del exception
    return _page(
        request,
        HTTPStatus.NOT_FOUND,
        _("There is no such page"),
        _("The address may be mistyped, or what it showed is not kept here."),
    )


def failed(request: HttpRequest) -> HttpResponse:
    """500."""
    return _page(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        _("Something went wrong on our side"),
        _("Nothing was changed by this request. The failure is on record under the reference number."),
    )


def csrf(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 where the form is not from this page's session."""
    del reason
    return _page(
        request,
        HTTPStatus.FORBIDDEN,
        _("This form is no longer valid"),
        _("You may have signed in again in another window. Go back, reload the page and send it once more."),
    )
