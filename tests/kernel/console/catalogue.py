"""The English texts of the product, for holding translated pages against."""

from functools import cache

from babel.messages.pofile import read_po

from senim.runtime.translations import SOURCE

SAME_IN_EVERY_LANGUAGE = frozenset({"IBAN"})


@cache
def english_texts() -> frozenset[str]:
    """Message ids whose Kazakh or Russian translation differs from them."""
    path = SOURCE / "locale" / "kk" / "LC_MESSAGES" / "django.po"
    with path.open("rb") as handle:
        texts = {str(one.id) for one in read_po(handle, locale="kk") if one.id and isinstance(one.id, str)}
    return frozenset(texts) - SAME_IN_EVERY_LANGUAGE
