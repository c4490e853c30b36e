"""A setting is changed in two steps: what would change is shown, then exactly that is done.

    return edited(request, Changing(form=CompanyForm, standing={…}, save=…, …))

The second step carries what was seen before: if the setting was changed meanwhile, it is refused.
What a setting was before can be put into the form again (`?restore=<row of the journal>`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.platform import audit_log
from kvit.platform.failures import Failure
from kvit.web.forms import OfficeForm
from kvit.web.office.links import people
from kvit.web.tags import lang


class SettingForm(OfficeForm):
    """A form of settings; the reason is kept in the journal."""

    reason = forms.CharField(
        label=gettext_lazy("Why"), required=False, max_length=500,
        help_text=gettext_lazy("Stays in the journal beside what was and what is."),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])

    def said(self, name: str, value: Any) -> str:
        """A value as the form shows it."""
        asked = self.fields[name]
        if isinstance(asked, forms.ChoiceField):
            return str(dict(asked.choices).get(value, value or "—"))
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        return str(value) if value not in ("", None) else "—"

    def values(self) -> dict[str, Any]:
        """Return the settings that were filled in, without the reason."""
        return {name: value for name, value in self.cleaned_data.items() if name != "reason"}


@dataclass(frozen=True, slots=True)
class Changing:
    """What is changed: the form, how it stands, who writes it, where to go then.

    `save` is given the values and the reason. `object` is (type, id) in the journal.
    """

    form: type[SettingForm]
    standing: Mapping[str, Any]
    save: Callable[[dict[str, Any], str], object]
    title: str
    lead: str
    back: str  # a route
    object: tuple[str, str] = ("", "")
    is_new: bool = False
    template: str = "office/settings/edit.html"
    extra: Mapping[str, Any] = field(default_factory=dict)
    fields_of: Mapping[str, str] = field(default_factory=dict)  # refusal's code → field


def edited(request: HttpRequest, change: Changing) -> HttpResponse:
    """Show the form, then what would change, then do it."""
    seen = _version(change.standing)
    if request.method != "POST":
        form = change.form(initial={**change.standing, **_restored(request, change)})
        return _shown(request, change, form, seen)
    form = change.form(
        request.POST, request.FILES, initial={**change.standing, **_restored(request, change)}
    )
    if not form.is_valid():
        return _shown(request, change, form, seen, status=422)
    differences = _differences(form, change.standing)
    if not differences and not change.is_new:
        messages.info(request, _("Nothing differs from what stands."))
        return redirect(change.back)
    if request.POST.get("seen") != seen:
        form.add_error(None, _("It was changed while you edited. Compare and save again."))
        return _shown(request, change, form, seen, differences=differences, status=409)
    if "confirm" not in request.POST:
        return _shown(request, change, form, seen, differences=differences)
    try:
        change.save(form.values(), form.cleaned_data["reason"])
    except Failure as error:
        name = error.params.get("field") or change.fields_of.get(error.code)
        form.add_error(name if name in form.fields else None, error.text(lang()))
        return _shown(request, change, form, seen, status=422)
    messages.success(request, _("Saved."))
    return redirect(change.back)


def _shown(
    request: HttpRequest, change: Changing, form: SettingForm, seen: str, *,
    differences: list[dict[str, Any]] | None = None, status: int = 200,
) -> HttpResponse:  # fmt: skip
    past = audit_log.history(*change.object) if change.object[1] else []
    context = {
        "form": form,
        "change": change,
        "seen": seen,
        "differences": differences,
        "past": past,
        "people": people(one.actor for one in past),
    }
    return render(request, change.template, context, status=status)


def _differences(form: SettingForm, standing: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "label": form.fields[name].label,
            "before": form.said(name, standing.get(name)),
            "after": form.said(name, value),
        }
        for name, value in form.values().items()
        if value != standing.get(name, "")
    ]


def _restored(request: HttpRequest, change: Changing) -> dict[str, Any]:
    """What the setting was before a change that the address names."""
    try:
        found = audit_log.entry(UUID(request.GET.get("restore", "")))
    except ValueError:
        return {}
    if found is None or (found.object_type, found.object_id) != change.object:
        return {}
    known = change.form.base_fields
    return {name: value for name, value in (found.before or {}).items() if name in known}


def _version(standing: Mapping[str, Any]) -> str:
    text = json.dumps(standing, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
