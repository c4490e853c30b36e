"""Forms with the house's looks: classes of the fields, and marks that a screen reader follows."""

import re
from datetime import date
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

_THOUSANDS = re.compile(r"[-\N{MINUS SIGN}]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?")
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)  # a day beyond is a slip of the keys


class OfficeForm(forms.Form):
    """A form whose fields say themselves whether they are wrong, and why."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        for name, field in self.fields.items():
            widget = field.widget
            is_choice = isinstance(widget, (forms.Select, forms.SelectMultiple))
            if isinstance(widget, (forms.CheckboxInput, forms.RadioSelect)):
                widget.attrs.setdefault("class", "form-check-input")
            elif not isinstance(widget, forms.CheckboxSelectMultiple):
                widget.attrs.setdefault("class", "form-select" if is_choice else "form-control")
            if field.help_text:
                widget.attrs["aria-describedby"] = f"id_{name}-hint"

    def full_clean(self) -> None:
        """Mark the fields that are wrong; late, so that a subclass may still add to them first."""
        super().full_clean()
        for name in set(self.errors) & set(self.fields):
            attrs = self.fields[name].widget.attrs
            attrs["aria-invalid"] = "true"
            said = [attrs.get("aria-describedby", ""), f"id_{name}-error"]
            attrs["aria-describedby"] = " ".join(filter(None, said))


class FilterForm(OfficeForm):
    """The filter of a list: always bound, nothing is required; a wrong value filters nothing out
    and is told at its field."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False
        self.use_required_attribute = False

    def asked(self) -> dict[str, Any]:
        """Return what was filled in and could be read."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}


class DateField(forms.DateField):
    """A day, picked or typed as people write it: 22.11.2026 or 2026-11-22."""

    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    input_formats = ("%Y-%m-%d", "%d.%m.%Y")
    default_error_messages: ClassVar = {
        "invalid": gettext_lazy("There is no such day. Write it like 22.11.2026."),
    }

    def validate(self, value: Any) -> None:
        """Refuse years that no calendar of ours reaches."""
        super().validate(value)
        if value is not None and not EARLIEST <= value <= LATEST:
            raise ValidationError(_("Enter a day of the years 1900 to 2199."))


class SumField(forms.DecimalField):
    """A sum as people write it: 50 000,00 with spaces of any kind between the thousands."""

    default_error_messages: ClassVar = {
        "invalid": gettext_lazy("This is no number. Write it like 1250.50."),
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(localize=True, **kwargs)
        self.widget.attrs |= {"inputmode": "decimal"}

    def to_python(self, value: Any) -> Any:
        """Return the number; what parts its thousands says nothing."""
        return super().to_python(ungrouped(value) if isinstance(value, str) else value)


def ungrouped(text: str) -> str:
    """Return a number without what parts its thousands: spaces, and commas where they do that.

    A comma is a decimal sign wherever it may be one: "13,800" is thirteen thousand to an English
    reader alone, and "0,035" to nobody.
    """
    plain = "".join(text.split())
    if get_language() == "en" and _THOUSANDS.fullmatch(plain):
        return plain.replace(",", "")
    return plain


def whole(text: str) -> int:
    """Return a whole number that a page of ours wrote into its form; 0 for whatever else came."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
