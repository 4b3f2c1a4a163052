"""Every template compiles, and holds nothing that the strict content security policy forbids."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "senim"
COMMENT = re.compile(r"\{#.*?#\}|\{% comment.*?%\}.*?\{% endcomment %\}|<!--.*?-->", re.DOTALL)
FORBIDDEN = {
    "an inline style": re.compile(r"""<[^>{]*\sstyle\s*=""", re.IGNORECASE),
    "a style element": re.compile(r"<style\b", re.IGNORECASE),
    "an inline script": re.compile(
        r"""<script\b(?![^>]*\bsrc\s*=)(?![^>]*type\s*=\s*["']application/json["'])""", re.IGNORECASE
    ),
    "a script in an attribute": re.compile(r"""<[a-z][^>]*?\s(?:on[a-z]+|hx-on[a-z:.-]*)\s*=""", re.IGNORECASE),
    "a javascript: address": re.compile(r"""["']\s*javascript:""", re.IGNORECASE),
    "another origin": re.compile(
        r"""<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)\s*=\s*["'](?:https?:)?//"""
    ),
}


def problems(path: Path) -> Iterator[str]:
    """What is wrong with one template."""
    from django.template import TemplateSyntaxError, engines

    text = path.read_text(encoding="utf-8")
    shown = path.relative_to(ROOT)
    try:
        engines["django"].from_string(text)
    except TemplateSyntaxError as error:
        yield f"{shown}: {error}"
    for line, what in forbidden(text):
        yield f"{shown}:{line}: {what}"


def forbidden(text: str) -> Iterator[tuple[int, str]]:
    """What the content security policy forbids in a template's text, with its line."""
    # a comment must not move the lines that follow it
    plain = COMMENT.sub(lambda match: "\n" * match.group(0).count("\n"), text)
    for what, pattern in FORBIDDEN.items():
        for match in pattern.finditer(plain):
            yield plain.count("\n", 0, match.start()) + 1, what


def main() -> int:
    """0 when every template is good."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "senim.settings.sandbox")
    import django

    django.setup()
    templates = sorted([*SOURCE.rglob("templates/**/*.html"), *SOURCE.rglob("templates/**/*.txt")])
    found = [problem for path in templates for problem in problems(path)]
    print("\n".join(found) if found else f"templates: good ({len(templates)})")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
