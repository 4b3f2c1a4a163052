"""The shell's own pages: the way in, language, scheme, search, and the page that shows every component."""

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from senim.kernel.access.models import Staff
from senim.kernel.console import charts, navigation, preferences
from senim.kernel.console.help import Help
from senim.kernel.console.states import State

QUERY_MAX = 140


@dataclass(frozen=True)
class Found:
    """One thing that a search found."""

    kind: object
    title: str
    under: str
    address: str


Finder = Callable[[HttpRequest, str], list[Found]]
_finders: list[tuple[str, Finder]] = []


def declare_finder(permission: str, finder: Finder) -> None:
    """Add a part's own search to the search at the top; it is asked for readers who hold ``permission``."""
    if (permission, finder) not in _finders:
        _finders.append((permission, finder))


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Lead the reader to the first page that is theirs."""
    address = navigation.home(request)
    return redirect(address) if address else render(request, "console/nothing.html")


@require_safe
@login_required
def search(request: HttpRequest) -> HttpResponse:
    """Find by an exact identifier or a piece of a name; a single find opens at once."""
    text = request.GET.get("q", "").strip().replace("\0", "")[:QUERY_MAX]
    found: list[Found] = []
    if text:
        for permission, finder in _finders:
            if request.user.has_perm(permission):
                found += finder(request, text)
    if len(found) == 1:
        return redirect(found[0].address)
    return render(request, "console/search.html", {"found": found, "found_text": text})


def _back(request: HttpRequest) -> str:
    address = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
        return address
    return "/"


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Remember the reader's language: in a cookie, and with the person if one is signed in."""
    response = redirect(_back(request))
    chosen = request.POST.get("language", "")
    if chosen in dict(settings.LANGUAGES):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            chosen,
            max_age=preferences.ONE_YEAR_SECONDS,
            samesite="Lax",
            secure=request.is_secure(),
            httponly=True,
        )
        if request.user.is_authenticated:
            Staff.objects.filter(pk=request.user.pk).update(language=chosen)
    return response


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember the scheme the reader chose; the empty choice follows the system."""
    response = redirect(_back(request))
    chosen = request.POST.get("theme", "")
    if chosen in preferences.THEMES:
        response.set_cookie(
            preferences.THEME_COOKIE,
            chosen,
            max_age=preferences.ONE_YEAR_SECONDS,
            samesite="Lax",
            secure=request.is_secure(),
            httponly=True,
        )
    else:
        response.delete_cookie(preferences.THEME_COOKIE, samesite="Lax")
    return response


STYLE_HELP = Help(
    lines=(
        gettext_lazy(
            "Every page is made of the components shown here; a new page takes from them and adds none of its own."
        ),
        gettext_lazy("Colour never speaks alone: each state also has its word."),
    )
)


@require_safe
@login_required
def style(request: HttpRequest) -> HttpResponse:
    """Show every component once."""
    points = [(0.0, 40.0), (6.0, 20.0), (9.0, 180.0), (12.0, 420.0), (15.0, 380.0), (17.0, 450.0)]
    frame = charts.Frame(width=760, height=200, left=50, bottom=24, first=0, last=24, top=charts.nice_top(450))
    context = {
        "states": [
            State("good", _("Done")),
            State("calm", _("Under way")),
            State("warn", _("Look here")),
            State("bad", _("Refused")),
            State("", _("Waiting")),
        ],
        "swatches": ["sky", "gold", "good", "warn", "bad", "ink", "paper", "card"],
        "curve": charts.curve(frame, points),
        "area": charts.area(frame, points),
        "frame": frame,
        "now": (frame.x(17), frame.y(450)),
        "heat": [[charts.heat_level(row * column, 16) for column in range(5)] for row in range(1, 5)],
        "bars": [charts.signed_bar(value, 90) for value in (90, 35, -40, -85)],
        "help": STYLE_HELP,
    }
    return render(request, "console/style.html", context)
