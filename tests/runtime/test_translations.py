"""Catalogues are compiled where the code runs, and only when they changed."""

import gettext
import os
from pathlib import Path

import pytest

from senim.runtime.translations import TranslationError, compile_all

CATALOGUE = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "Trust"
msgstr "Сенім"
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """One Kazakh catalogue."""
    path = tmp_path / "part" / "locale" / "kk" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    path.write_text(CATALOGUE, encoding="utf-8")
    return path


def test_what_changed_is_compiled_once(tmp_path: Path, catalogue: Path) -> None:
    assert compile_all(tmp_path) == [catalogue]
    with catalogue.with_suffix(".mo").open("rb") as file:
        assert gettext.GNUTranslations(file).gettext("Trust") == "Сенім"
    assert compile_all(tmp_path) == []
    later = catalogue.with_suffix(".mo").stat().st_mtime + 5
    os.utime(catalogue, (later, later))
    assert compile_all(tmp_path) == [catalogue]
    assert sorted(path.name for path in catalogue.parent.iterdir()) == ["django.mo", "django.po"]


def test_a_broken_catalogue_is_named(tmp_path: Path, catalogue: Path) -> None:
    catalogue.write_text(CATALOGUE + '\nmsgid "half\n', encoding="utf-8")
    with pytest.raises(TranslationError, match=r"kk/LC_MESSAGES/django\.po"):
        compile_all(tmp_path)
