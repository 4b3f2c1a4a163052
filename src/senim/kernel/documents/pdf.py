"""PDF documents from typst templates.

The same template and data give the same bytes on every machine: only the fonts inside the typesetter are used
(Libertinus Serif has all Kazakh letters), and the moment of making is given, not read from a clock. So a document that
is made again after a crash is the same document.
"""

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typst

import senim
from senim.kernel.documents.store import DocumentError

ROOT = Path(senim.__file__).parent
"""Templates may import from anywhere below: the house style is ``/kernel/documents/house.typ``."""


class DocumentNotRendered(DocumentError):
    """The document could not be typeset."""

    code = "documents.not_rendered"


def render(template: Path, data: Mapping[str, object], *, made_at: dt.datetime) -> bytes:
    """Typeset ``template`` with ``data`` (anything JSON can say) as PDF/A-2b, fit for the archive.

    The template reads its data with ``#let data = json(bytes(sys.inputs.data))``.

    Raises:
        DocumentNotRendered: the template and the data do not fit together.
    """
    return _compile(template, data, made_at, format="pdf", pdf_standards="a-2b")


def preview(template: Path, data: Mapping[str, object], *, made_at: dt.datetime, pixels_per_inch: int = 96) -> bytes:
    """The first page as PNG, for the screen. Raises as ``render``."""
    return _compile(template, data, made_at, format="png", ppi=pixels_per_inch)


def _compile(template: Path, data: Mapping[str, object], made_at: dt.datetime, **options: Any) -> bytes:
    try:
        made = typst.compile(
            template,
            root=ROOT,
            ignore_system_fonts=True,
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            timestamp=int(made_at.timestamp()),
            **options,
        )
    except (typst.TypstError, RuntimeError) as error:
        raise DocumentNotRendered(f"{template.name}: {error}", template=template.name) from error
    first = made[0] if isinstance(made, list) else made
    assert isinstance(first, bytes), "typst gives bytes where no output file is named"
    return first
