"""Words can be read on what they stand on, light and dark: 4.5:1 at least (WCAG 2.2, 1.4.3)."""

import re
from pathlib import Path

import pytest

from senim.kernel import console

TOKENS = Path(console.__file__).parent / "static" / "console" / "tokens.css"
PAIRS = [
    *((ink, ground) for ink in ("ink", "ink-2", "ink-3") for ground in ("paper", "card", "raised", "hover")),
    *((f"{tone}", ground) for tone in ("good", "bad", "warn", "sky-ink") for ground in ("card", "paper")),
    *((tone, f"{tone}-soft") for tone in ("good", "bad", "warn", "gold")),
    ("sky-ink", "sky-soft"), ("on-sky", "sky"), ("on-sky", "sky-strong"), ("ink-2", "line-2"),
    ("heat-ink-low", "heat-1"), ("heat-ink-low", "heat-2"), ("heat-ink-high", "heat-4"), ("heat-ink-high", "heat-5"),
]  # fmt: skip
NEEDED = 4.5


def tokens() -> dict[str, tuple[str, str]]:
    """Each colour in both schemes."""
    text = TOKENS.read_text(encoding="utf-8")
    both = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", text)
    return {name: (light, dark) for name, light, dark in both}


def luminance(colour: str) -> float:
    """Relative luminance of WCAG."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("words", "ground"), PAIRS, ids=str)
def test_words_stand_out(words: str, ground: str, scheme: int) -> None:
    known = tokens()
    lights = sorted(luminance(known[name][scheme]) for name in (words, ground))
    contrast = (lights[1] + 0.05) / (lights[0] + 0.05)
    assert contrast >= NEEDED, f"{words} on {ground}: {contrast:.2f}:1"
