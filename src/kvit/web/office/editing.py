"""A setting is changed in two steps: what would change is shown, then exactly that is done.

    return edited(request, Changing(form=CompanyForm, standing={…}, save=…, …))

Each step carries the revision that was seen: if the setting was changed meanwhile, what stands is
shown beside what was typed, and nothing is lost.
What a setting was before can be put into the form again (`?restore=<row of the journal>`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
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
from kvit.platform.revisions import Stale, refuse_stale, revision_of
from kvit.web.authorship import failure_text
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
class Meanwhile:
    """What `office/meanwhile.html` shows: somebody was faster, and what is not alike.

    Each row has a label, what stands (`before`) and what was typed (`after`).
    """

    error: Failure
    rows: Sequence[Mapping[str, Any]]

    @property
    def text(self) -> str:
        """Who it was, and what to do."""
        return failure_text(self.error, lang())


@dataclass(frozen=True, slots=True)
class Changing:
    """What is changed: the form, how it stands, who writes it, where to go then.

    `row` is a dataclass, as the service compares it. `save` is given the values, the reason and the
    revision that was seen. `object` is (type, id) in the journal.
    """

    form: type[SettingForm]
    row: Any
    save: Callable[[dict[str, Any], str, str | None], object]
    title: str
    lead: str
    back: str  # a route
    object: tuple[str, str] = ("", "")
    is_new: bool = False
    template: str = "office/settings/edit.html"
    extra: Mapping[str, Any] = field(default_factory=dict)
    fields_of: Mapping[str, str] = field(default_factory=dict)  # refusal's code → field

    @property
    def standing(self) -> dict[str, Any]:
        """What stands, by the names of the form's fields."""
        told = asdict(self.row)
        return {name: value for name, value in told.items() if self.is_new or name != "code"}


def edited(request: HttpRequest, change: Changing) -> HttpResponse:
    """Show the form, then what would change, then do it."""
    if request.method != "POST":
        form = change.form(initial={**change.standing, **_restored(request, change)})
        return _shown(request, change, form)
    form = change.form(
        request.POST, request.FILES, initial={**change.standing, **_restored(request, change)}
    )
    if not form.is_valid():
        return _shown(request, change, form, status=422)
    differences = _differences(form, change.standing)
    if not differences and not change.is_new:
        messages.info(request, _("Nothing differs from what stands."))
        return redirect(change.back)
    seen = None if change.is_new else request.POST.get("seen", "")
    try:
        refuse_stale(change.row, seen, of=change.object)
        if "confirm" not in request.POST:
            return _shown(request, change, form, differences=differences)
        change.save(form.values(), form.cleaned_data["reason"], seen)
    except Stale as error:
        standing = replace(change, row=error.stands)
        differences = _differences(form, standing.standing)
        return _shown(request, standing, form, differences=differences, meanwhile=error, status=409)
    except Failure as error:
        name = error.params.get("field") or change.fields_of.get(error.code)
        form.add_error(name if name in form.fields else None, error.text(lang()))
        return _shown(request, change, form, status=422)
    messages.success(request, _("Saved."))
    return redirect(change.back)


def _shown(
    request: HttpRequest, change: Changing, form: SettingForm, *,
    differences: list[dict[str, Any]] | None = None, meanwhile: Stale | None = None,
    status: int = 200,
) -> HttpResponse:  # fmt: skip
    past = audit_log.history(*change.object) if change.object[1] else []
    context = {
        "form": form,
        "change": change,
        "seen": revision_of(change.row),
        "differences": differences,
        "meanwhile": meanwhile and Meanwhile(meanwhile, differences or []),
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
