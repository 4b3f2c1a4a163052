"""Compiles the translations: ``.po`` files are kept, ``.mo`` files are made from them where the code runs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from senim.errors import SenimError

SOURCE: Final = Path(__file__).resolve().parents[1]


class TranslationError(SenimError):
    """A file of translations cannot be compiled."""

    code = "senim.translations"


def catalogues(source: Path = SOURCE) -> Iterator[Path]:
    """Every ``.po`` file of the product."""
    yield from sorted(source.glob("**/locale/*/LC_MESSAGES/*.po"))


def compile_all(source: Path = SOURCE) -> list[Path]:
    """Compile what is out of date; the list of what was compiled.

    Raises:
        TranslationError: a file is not a catalogue, or the folder cannot be written.
    """
    return [catalogue for catalogue in catalogues(source) if _is_stale(catalogue) and _compile(catalogue)]


def _is_stale(catalogue: Path) -> bool:
    compiled = catalogue.with_suffix(".mo")
    return not compiled.exists() or compiled.stat().st_mtime < catalogue.stat().st_mtime


def _compile(catalogue: Path) -> bool:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import PoFileError, read_po

    draft = catalogue.with_suffix(f".{os.getpid()}.mo")
    try:
        with catalogue.open("rb") as text:
            messages = read_po(text, locale=catalogue.parents[1].name, abort_invalid=True)
        with draft.open("wb") as binary:
            write_mo(binary, messages)
        draft.replace(catalogue.with_suffix(".mo"))
    except (OSError, PoFileError, ValueError) as error:
        raise TranslationError(f"{catalogue}: {error}", file=str(catalogue)) from error
    return True
