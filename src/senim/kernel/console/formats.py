"""How figures, money, days and moments are written in the reader's language.

Kazakh and Russian: thousands by a narrow no-break space, decimal comma, "₸" after. English: comma, point, "KZT".
"""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date
from django.utils.translation import get_language
from django.utils.translation import gettext as _

ALMATY = ZoneInfo("Asia/Almaty")
THIN = "\N{NARROW NO-BREAK SPACE}"
NO_BREAK = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EM DASH}"
TIYN_IN_TENGE = 100


def language() -> str:
    """The reader's language: ``kk``, ``ru`` or ``en``."""
    return (get_language() or "kk")[:2]


def separators() -> tuple[str, str]:
    """Marks of thousands and of decimals in the reader's language."""
    return (",", ".") if language() == "en" else (THIN, ",")


def _grouped(whole: int) -> str:
    return f"{whole:,}".replace(",", separators()[0])


def number(value: float | None, places: int = 0) -> str:
    """A figure with thousands set apart, rounded half even to ``places``; a dash for nothing."""
    if value is None:
        return NOTHING
    text = f"{abs(value):,.{places}f}"
    whole, _dot, rest = text.partition(".")
    thousands, decimal = separators()
    sign = MINUS if value < 0 and text.strip("0.,") else ""
    return sign + whole.replace(",", thousands) + (decimal + rest if rest else "")


def money(tiyn: int | None) -> str:
    """An amount of tenge without its sign of currency, always with two decimals. Exact: integers only."""
    if tiyn is None:
        return NOTHING
    whole, rest = divmod(abs(tiyn), TIYN_IN_TENGE)
    return (MINUS if tiyn < 0 else "") + _grouped(whole) + separators()[1] + f"{rest:02d}"


def currency() -> str:
    """The sign of tenge as the reader's language writes it."""
    return "KZT" if language() == "en" else "₸"


def amount(tiyn: int | None) -> str:
    """An amount of tenge with its sign of currency."""
    return NOTHING if tiyn is None else money(tiyn) + NO_BREAK + currency()


def signed(tiyn: int | None) -> str:
    """An amount that always shows its direction: ``+`` to be received, ``−`` to be paid."""
    return ("+" if tiyn and tiyn > 0 else "") + money(tiyn)


def short_amount(tiyn: int) -> tuple[str, str]:
    """A large amount in words of scale: the figure, and "bn ₸" or its like. Rounded; for headlines only."""
    tenge = tiyn / TIYN_IN_TENGE
    for bound, unit in ((1e12, _("tn")), (1e9, _("bn")), (1e6, _("m"))):
        if abs(tenge) >= bound:
            return number(tenge / bound, 2), unit + NO_BREAK + currency()
    return number(tenge, 0), currency()


def percent(part: float, whole: float, places: int = 1) -> str:
    """``part`` of ``whole`` in per cent; a dash when there is no whole."""
    if not whole:
        return NOTHING
    mark = "%" if language() == "en" else NO_BREAK + "%"
    return number(100 * part / whole, places) + mark


def day(value: date | None) -> str:
    """A day for tables: ``20.11.2026``, in English ``20 Nov 2026``."""
    if value is None:
        return NOTHING
    return str(format_date(value, "d MMM y", locale="en_GB")) if language() == "en" else f"{value:%d.%m.%Y}"


def day_long(value: date) -> str:
    """A day for headings, in words."""
    pattern = {"kk": "y 'жылғы' d MMMM", "ru": "d MMMM y 'года'"}.get(language(), "d MMMM y")
    return str(format_date(value, pattern, locale=language()))


def local(value: datetime) -> datetime:
    """The moment on the clock of Almaty."""
    return value.astimezone(ALMATY)


def clock(value: datetime | None) -> str:
    """The time of day in Almaty to the second."""
    return NOTHING if value is None else f"{local(value):%H:%M:%S}"


def moment(value: datetime | None) -> str:
    """Day and time in Almaty to the second."""
    return NOTHING if value is None else f"{day(local(value).date())}{NO_BREAK}{local(value):%H:%M:%S}"


def precise(value: datetime | None) -> str:
    """Day and time in Almaty to the millisecond."""
    return NOTHING if value is None else f"{moment(value)}{separators()[1]}{value.microsecond // 1000:03d}"


def today() -> date:
    """The calendar day in Almaty."""
    return datetime.now(UTC).astimezone(ALMATY).date()


def span(seconds: float) -> str:
    """A stretch of time in the two largest units that matter."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours >= 48:
        return _("%(days)s d %(hours)s h") % {"days": hours // 24, "hours": hours % 24}
    if hours:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    if minutes:
        return _("%(minutes)s min") % {"minutes": minutes}
    return _("%(seconds)s s") % {"seconds": whole}


def size(value_bytes: int | None) -> str:
    """A size of a file in the unit that reads best (1,024 steps)."""
    if value_bytes is None:
        return NOTHING
    amount_left = float(value_bytes)
    for unit in (_("B"), _("KB"), _("MB")):
        if amount_left < 1024:
            return number(amount_left, 0 if unit == _("B") else 1) + NO_BREAK + unit
        amount_left /= 1024
    return number(amount_left, 1) + NO_BREAK + _("GB")


def iban(value: str) -> str:
    """An IBAN in groups of four, as people read it."""
    return NO_BREAK.join(value[index : index + 4] for index in range(0, len(value), 4)) if value else NOTHING
