"""Filters and tags for pages: figures, days, tags of state, icons, the shell."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django import template
from django.conf import settings
from django.forms import BoundField
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from senim.kernel.access import roles
from senim.kernel.access.models import Staff
from senim.kernel.console import formats, icons, navigation, preferences

register = template.Library()

register.filter("number", formats.number)
register.filter("money", formats.money)
register.filter("amount", formats.amount)
register.filter("signed", formats.signed)
register.filter("moment", formats.moment)
register.filter("precise", formats.precise)
register.filter("clock", formats.clock)
register.filter("day", formats.day)
register.filter("day_long", formats.day_long)
register.filter("size", formats.size)
register.filter("iban", formats.iban)
register.filter("span", formats.span)


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon; it says nothing to a screen reader, so it always stands beside words."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="{}"/></svg>', icons.PATHS[name]
    )


@register.simple_tag
def tag(state: Any) -> SafeString:
    """A state as a word with its colour: any object with ``tone`` and ``words``."""
    return format_html('<span class="tag {}">{}</span>', state.tone, state.words)


@register.simple_tag
def meter(part: float, whole: float, tone: str = "") -> SafeString:
    """A bar of ``part`` in ``whole``; the figures themselves stand beside it in words."""
    share = 0.0 if not whole else max(0.0, min(100.0, 100 * part / whole))
    return format_html(
        '<svg class="meter {}" aria-hidden="true"><rect width="{}%" height="100%"/></svg>', tone, f"{share:.1f}"
    )


@register.simple_tag
def percent(part: float, whole: float, places: int = 1) -> str:
    """``part`` of ``whole`` in per cent."""
    return formats.percent(part, whole, places)


@register.simple_tag
def scaled(tiyn: int, tenge: int, signed: bool = False) -> str:
    """A sum in units of ``tenge`` tenge, with one decimal where the unit is larger than one."""
    sign = "+" if signed and tiyn > 0 else ""
    return sign + (formats.money(tiyn) if tenge == 1 else formats.number(tiyn / formats.TIYN_IN_TENGE / tenge, 1))


@register.simple_tag
def spared(paid: int, owed: int) -> str:
    """The part of the obligations that offsetting spares from being paid."""
    return formats.percent(owed - paid, owed)


register.simple_tag(formats.currency, name="currency")


@register.simple_tag
def organisation() -> str:
    """The name of the organisation whose deployment this is."""
    return str(settings.SENIM_ORGANISATION)


@register.simple_tag
def roles_of(user: Staff) -> str:
    """The roles of a person in words."""
    return ", ".join(str(roles.LABELS[role]) for role in user.roles if role in roles.LABELS)


@register.simple_tag(takes_context=True)
def theme(context: template.Context) -> str:
    """The scheme that the reader chose: ``light``, ``dark``, or nothing for the system's own."""
    request = context.get("request")
    return preferences.theme(request) if isinstance(request, HttpRequest) else ""


@register.simple_tag(takes_context=True)
def rail(context: template.Context) -> Iterable[navigation.Shown]:
    """The sections of the rail that the reader may open."""
    request = context.get("request")
    return navigation.shown(request) if isinstance(request, HttpRequest) else ()


@register.inclusion_tag("console/_field.html")
def field(bound: BoundField, css: str = "") -> dict[str, object]:
    """One field of a form with its label, hint and errors, tied together for screen readers."""
    described = [
        f"{bound.auto_id}-{part}" for part, there in (("hint", bound.help_text), ("error", bound.errors)) if there
    ]
    attributes: dict[str, str | bool] = {"aria-describedby": " ".join(described)} if described else {}
    if bound.errors:
        attributes["aria-invalid"] = "true"
    return {"field": bound, "widget": bound.as_widget(attrs=attributes), "css": css}


@register.filter
def words_of_time(value: date | datetime | None) -> str:
    """A day or a moment, whichever it is."""
    return formats.moment(value) if isinstance(value, datetime) else formats.day(value)
