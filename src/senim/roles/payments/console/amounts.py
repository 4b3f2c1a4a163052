"""A form field for amounts typed in tenge and kept in tiyn."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from senim.kernel.console import formats

TIYN_IN_TENGE = 100
TIYN_MAX = 10**18 - 1


class TengeField(forms.CharField):
    """Tenge with at most two decimals, comma or point, spaces allowed; gives tiyn."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def clean(self, value: Any) -> Any:
        """Tiyn, or None where nothing was typed and nothing is required."""
        text = super().clean(value)
        if not text:
            return None
        try:
            tiyn = Decimal("".join(text.split()).replace(",", ".")) * TIYN_IN_TENGE
        except ArithmeticError:  # no number, or one beyond all bounds
            raise forms.ValidationError(_("Type an amount in tenge, for example 1500000,00.")) from None
        if not tiyn.is_finite() or tiyn != tiyn.to_integral_value():
            raise forms.ValidationError(_("An amount has at most two decimals."))
        if not 0 <= tiyn <= TIYN_MAX:
            raise forms.ValidationError(_("The amount must be zero or more, and not too large."))
        return int(tiyn)

    def prepare_value(self, value: Any) -> Any:
        """Tiyn as people read them; what was typed stays as typed."""
        return formats.money(value) if isinstance(value, int) else value
