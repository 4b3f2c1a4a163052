"""The checks of `make check` find what they are for."""

from pathlib import Path

import pytest

from tools import check_templates, check_translations


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('<p style="color: red">', "an inline style"),
        ('<p class="a"\n  style="{{ colour }}">', "an inline style"),
        ("<style>p {}</style>", "a style element"),
        ("<script>go()</script>", "an inline script"),
        ('<button onclick="go()">', "a script in an attribute"),
        ('<button hx-on:click="go()">', "a script in an attribute"),
        ('<a href="javascript:go()">', "a javascript: address"),
        ('<script src="https://cdn.example.com/x.js"></script>', "another origin"),
        ('<link rel="stylesheet" href="//cdn.example.com/x.css">', "another origin"),
    ],
)
def test_what_the_policy_forbids_is_found(text: str, what: str) -> None:
    assert [found for _line, found in check_templates.forbidden(f"<main>\n{text}")] == [what]


@pytest.mark.parametrize(
    "text",
    [
        '<script src="{% static "console/console.js" %}" defer></script>',
        '<script type="application/json" id="days">{}</script>',
        '<a href="https://www.nationalbank.kz/">',
        '{# <p style="x"> #}<p class="style">',
        '<!-- <p onclick="x"> --><option value="on">on = off</option>',
        '<svg><rect fill="currentColor"/></svg>',
    ],
)
def test_what_the_policy_allows_is_let_through(text: str) -> None:
    assert list(check_templates.forbidden(text)) == []


def test_lines_count_past_comments() -> None:
    assert list(check_templates.forbidden("<!--\n\n-->\n<style>")) == [(4, "a style element")]


def test_texts_of_code_and_templates_are_found(tmp_path: Path) -> None:
    template = tmp_path / "page.html"
    template.write_text(
        '{% load i18n %}{% translate "Trust" %}\n{% blocktranslate count number=n %}{{ number }} day'
        "{% plural %}{{ number }} days{% endblocktranslate %}",
        encoding="utf-8",
    )
    code = tmp_path / "code.py"
    code.write_text('_("Bank"); pgettext("of a river", "Bank"); ngettext("a", "b", 2)', encoding="utf-8")
    assert [(message, context) for _line, message, context in check_translations.messages_in(template)] == [
        ("Trust", None),
        (("%(number)s day", "%(number)s days"), None),
    ]
    assert [(message, context) for _line, message, context in check_translations.messages_in(code)] == [
        ("Bank", None),
        ("Bank", "of a river"),
        (("a", "b"), None),
    ]


def test_a_missing_a_fuzzy_and_a_broken_translation_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"Trust": "Сенім", "Bank": "", "Day %(day)s": "Күн", "Sum %(sum)s": "%(sum)s сомасы", "Old": "Ескі"}
    catalogue = check_translations.Catalog(locale="kk")
    for text, translation in texts.items():
        catalogue.add(text, translation, flags=["fuzzy"] if text == "Old" else [])
    monkeypatch.setattr(check_translations, "known", lambda _language: catalogue)
    used = {(None, text): (text, ["page.html:1"]) for text in [*texts, "Never seen"]}
    monkeypatch.setattr(check_translations, "used", lambda: used)
    assert sorted(check_translations.problems("kk")) == [
        "kk: fuzzy: 'Old' (page.html:1)",
        "kk: not translated: 'Bank' (page.html:1)",
        "kk: not translated: 'Never seen' (page.html:1)",
        "kk: other placeholders than 'Day %(day)s' (page.html:1): 'Күн'",
    ]
