"""Every text that people read has a Kazakh and a Russian translation.

python tools/check_translations.py           list what is missing, fuzzy or broken; exit code 1 if anything is
python tools/check_translations.py update    write new msgids, still empty, into the catalogues
"""

import io
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from django.conf import settings

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "senim"
LANGUAGES = ("kk", "ru")
CATALOGUE = SOURCE / "locale"
PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?[sd]|\{(\w+)\}")
KEYWORDS: dict[str, tuple[object, ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
Key = tuple[str | None, str]


def used() -> dict[Key, tuple[str | tuple[str, str], list[str]]]:
    """Each text that the code and the templates mark, with the places where it stands."""
    found: dict[Key, tuple[str | tuple[str, str], list[str]]] = {}
    places: dict[Key, list[str]] = defaultdict(list)
    for path in sorted(
        [*SOURCE.rglob("*.py"), *SOURCE.rglob("templates/**/*.html"), *SOURCE.rglob("templates/**/*.txt")]
    ):
        for line, message, context in messages_in(path):
            singular = message if isinstance(message, str) else message[0]
            if not singular:
                continue
            key = (context, singular)
            places[key].append(f"{path.relative_to(ROOT)}:{line}")
            plural_known = key in found and isinstance(found[key][0], tuple)
            found[key] = (found[key][0] if plural_known else message, places[key])
    return found


def messages_in(path: Path) -> Iterator[tuple[int, str | tuple[str, str], str | None]]:
    """The marked texts of one file: line, text (or singular and plural), context."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        from django.utils.translation.template import templatize

        text = templatize(text, origin=str(path))
    for line, message, _comments, context in extract("python", io.BytesIO(text.encode()), keywords=KEYWORDS):
        yield line, message if isinstance(message, str) else (message[0], message[1]), context


def known(language: str) -> Catalog:
    """All catalogues of the product in one language, as one."""
    merged = Catalog(locale=language)
    for path in sorted(SOURCE.glob(f"**/locale/{language}/LC_MESSAGES/*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id and (merged.get(message.id, message.context) is None):
                    merged[message.id] = message
    return merged


def problems(language: str) -> Iterator[str]:
    """What is wrong with one language: missing, fuzzy, plural forms not complete, placeholders not the same."""
    catalogue = known(language)
    for (context, singular), (message, places) in used().items():
        entry = catalogue.get(singular, context)
        texts = [entry.string] if entry and isinstance(entry.string, str) else list(entry.string if entry else [])
        if not texts or not all(texts):
            yield f"{language}: not translated: {singular!r} ({places[0]})"
            continue
        if entry.fuzzy:
            yield f"{language}: fuzzy: {singular!r} ({places[0]})"
        wanted = _placeholders(message if isinstance(message, str) else message[1])
        for text in texts:
            if _placeholders(text) - wanted or (isinstance(message, str) and _placeholders(text) != wanted):
                yield f"{language}: other placeholders than {singular!r} ({places[0]}): {text!r}"


def update() -> None:
    """Add what is missing to the catalogues, empty, for a translator; drop nothing."""
    for language in LANGUAGES:
        path = CATALOGUE / language / "LC_MESSAGES" / "django.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue = Catalog(locale=language)
        if path.exists():
            with path.open("rb") as file:
                catalogue = read_po(file, locale=language)
        everywhere = known(language)
        for (context, singular), (message, places) in used().items():
            if everywhere.get(singular, context) is None:
                where = [(place.rpartition(":")[0], int(place.rpartition(":")[2])) for place in places[:1]]
                catalogue.add(message, locations=where, context=context)
        with path.open("wb") as file:
            write_po(file, catalogue, sort_output=False, width=120, include_lineno=False)


def _placeholders(text: str) -> set[str]:
    return {match.group(0) for match in PLACEHOLDER.finditer(text)}


def main() -> int:
    """Check, or with the word ``update`` write."""
    settings.configure(USE_I18N=True)
    if sys.argv[1:] == ["update"]:
        update()
        return 0
    found = [problem for language in LANGUAGES for problem in problems(language)]
    print("\n".join(found) if found else f"translations: good ({len(used())} texts in {', '.join(LANGUAGES)})")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
