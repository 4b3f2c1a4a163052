"""What a reader chooses for the screen: language and scheme. Kept in cookies; they authorise nothing."""

from django.http import HttpRequest

THEME_COOKIE = "senim_theme"
THEMES = ("light", "dark")
ONE_YEAR_SECONDS = 365 * 24 * 3600


def theme(request: HttpRequest) -> str:
    """``light``, ``dark``, or an empty string: as the reader's system has it."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""
