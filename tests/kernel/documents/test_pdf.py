"""PDF documents show what they are given, in Kazakh too, and are the same wherever they are made."""

import datetime as dt
import io
from pathlib import Path

import pypdf
import pytest

from senim.kernel.documents import pdf

MADE_AT = dt.datetime(2026, 11, 20, 19, 0, tzinfo=dt.UTC)
KAZAKH = "ӘәҒғҚқҢңӨөҰұҮүҺһІі"
TEMPLATE = """#import "/kernel/documents/house.typ": house, facts, figures
#let data = json(bytes(sys.inputs.data))
#show: house.with(title: data.title, sender: "Senim", language: "kk")
#facts((("Күні", "20.11.2026"),))
#figures(("Банк", "Сома"), data.rows, total: ("Барлығы", "1 250,00"))
"""


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    style = tmp_path / "kernel" / "documents"
    style.mkdir(parents=True)
    (style / "house.typ").write_bytes((pdf.ROOT / "kernel" / "documents" / "house.typ").read_bytes())
    monkeypatch.setattr(pdf, "ROOT", tmp_path)
    path = tmp_path / "letter.typ"
    path.write_text(TEMPLATE, encoding="utf-8")
    return path


def test_the_text_is_really_in_the_document(template: Path) -> None:
    data = {"title": f"Есеп {KAZAKH}", "rows": [["«Жайлау» банкі", "1 250,00"]]}
    reader = pypdf.PdfReader(io.BytesIO(pdf.render(template, data, made_at=MADE_AT)))
    text = reader.pages[0].extract_text()
    assert KAZAKH in text
    assert "«Жайлау» банкі" in text
    assert text.count("1 250,00") == 2


def test_the_same_data_is_the_same_document(template: Path) -> None:
    data = {"title": "Есеп", "rows": [["а", "б"]]}
    assert pdf.render(template, data, made_at=MADE_AT) == pdf.render(template, data, made_at=MADE_AT)


def test_data_that_does_not_fit_the_template_is_refused_by_name(template: Path) -> None:
    with pytest.raises(pdf.DocumentNotRendered) as caught:
        pdf.render(template, {"title": "Есеп"}, made_at=MADE_AT)
    assert "letter.typ" in caught.value.message


def test_a_preview_is_a_picture(template: Path) -> None:
    assert pdf.preview(template, {"title": "Есеп", "rows": []}, made_at=MADE_AT).startswith(b"\x89PNG")
