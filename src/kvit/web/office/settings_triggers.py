"""Bills that start themselves: what is standing, when each fired last, and a form for one."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.catalog import queries as catalog
from kvit.invoicing import queries, services
from kvit.invoicing.rows import TriggerInfo, TriggerRow
from kvit.web.office.editing import Changing, SettingForm, edited
from kvit.web.office.links import people
from kvit.web.principal import by
from kvit.web.routes import action, page

KINDS = {
    "schedule": gettext_lazy("By schedule"),
    "threshold": gettext_lazy("By a threshold of usage"),
    "event": gettext_lazy("By an event of a subscription"),
}
PERIODS = {
    "": gettext_lazy("The month before"),
    "begun": gettext_lazy("What is due of the month that has begun"),
}
EVENTS = {
    "": gettext_lazy("none"),
    "open": gettext_lazy("It is opened"),
    "milestone": gettext_lazy("A milestone is reached"),
    "cancel": gettext_lazy("It is cancelled"),
}
# Which fields a kind has; others are left empty, whatever was typed.
FIELDS = {
    "schedule": ("day", "time", "period"),
    "threshold": ("meter", "units"),
    "event": ("event",),
}
FAULTY = {
    "trigger_kind": "kind", "trigger_day": "day", "trigger_time": "time", "trigger_event": "event",
    "trigger_period": "period", "trigger_units": "units",
}  # fmt: skip


class TriggerForm(SettingForm):
    """A standing order to bill. Fields of other kinds are left empty."""

    kind = forms.ChoiceField(label=gettext_lazy("When"), choices=list(KINDS.items()))
    day = forms.IntegerField(
        label=gettext_lazy("Schedule: day"), required=False, min_value=0, max_value=28,
        help_text=gettext_lazy("Counted from the first day after the period, 1 to 28."),
    )  # fmt: skip
    time = forms.TimeField(
        label=gettext_lazy("Schedule: time"), required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        help_text=gettext_lazy("By the company's time zone. Empty: midnight."),
    )  # fmt: skip
    period = forms.ChoiceField(
        label=gettext_lazy("Schedule: what is billed"), required=False,
        choices=list(PERIODS.items()),
    )  # fmt: skip
    meter = forms.ChoiceField(label=gettext_lazy("Threshold: meter"), required=False)
    units = forms.CharField(
        label=gettext_lazy("Threshold: units"), required=False, max_length=40,
        help_text=gettext_lazy("Without a meter: the threshold in money that a plan names."),
    )  # fmt: skip
    event = forms.ChoiceField(
        label=gettext_lazy("Event of a subscription"), required=False, choices=list(EVENTS.items())
    )
    is_on = forms.BooleanField(label=gettext_lazy("Is on"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["meter"]
        assert isinstance(field, forms.ChoiceField)
        meters = sorted(catalog.catalogue().meters)
        field.choices = [("", _("none")), *((code, code) for code in meters)]

    def values(self) -> dict[str, Any]:
        """Return the trigger: what its kind has no use for is empty."""
        asked = super().values()
        used = FIELDS[asked["kind"]]
        said = {
            "day": asked["day"] or 0,
            "time": asked["time"].strftime("%H:%M") if asked["time"] else "",
            **{name: asked[name] for name in ("period", "meter", "event")},
            "units": "".join(asked["units"].split()).replace(",", "."),
        }
        empty: dict[str, Any] = {"day": 0}
        kept = {
            name: value if name in used else empty.get(name, "") for name, value in said.items()
        }
        more = {"code": asked["code"]} if "code" in asked else {}
        return {**more, "kind": asked["kind"], **kept, "is_on": asked["is_on"]}


class NewTriggerForm(TriggerForm):
    """A trigger that is not there yet."""

    code = forms.CharField(
        label=gettext_lazy("Code"), max_length=80,
        validators=[RegexValidator(r"^[^\s/?#%\\]+$", gettext_lazy("A code has no spaces."))],
    )  # fmt: skip
    field_order = ("code",)


@page("settings/triggers/", name="settings-triggers", right="settings.read")
def triggers(request: HttpRequest) -> HttpResponse:
    rows = [
        {"info": one, "kind": KINDS[one.row.kind], "said": said(one.row)}
        for one in queries.triggers()
    ]
    names = people(one["info"].author for one in rows)
    return render(request, "office/settings/triggers.html", {"rows": rows, "people": names})


@action(
    "settings/triggers/new/", name="settings-trigger-new", right="settings.write",
    operation="save_trigger", form=True,
)  # fmt: skip
def new_trigger(request: HttpRequest) -> HttpResponse:
    return _trigger(request, TriggerRow("", "schedule", day=1, time="06:00"), is_new=True)


@action(
    "settings/triggers/<str:code>/", name="settings-trigger", right="settings.write",
    operation="save_trigger", form=True,
)  # fmt: skip
def trigger(request: HttpRequest, code: str) -> HttpResponse:
    found = _found(code)
    return _trigger(request, found.row, key=str(found.id))


def said(row: TriggerRow) -> str:
    """What a trigger waits for, in a sentence."""
    if row.kind == "schedule":
        text = _("Day %(day)s at %(time)s. %(what)s.")
        return text % {"day": row.day, "time": row.time or "00:00", "what": PERIODS[row.period]}
    if row.kind == "event":
        return str(EVENTS[row.event])
    if row.meter:
        return _("%(units)s of meter %(meter)s") % {"units": row.units, "meter": row.meter}
    return _("The sum that the plan names as its threshold")


def _found(code: str) -> TriggerInfo:
    found = next((one for one in queries.triggers() if one.row.code == code), None)
    if found is None:
        raise Http404
    return found


def _trigger(
    request: HttpRequest, row: TriggerRow, *, key: str = "", is_new: bool = False
) -> HttpResponse:
    def save(values: dict[str, Any], reason: str, seen: str | None) -> object:
        wanted = TriggerRow(**({"code": row.code} | values))
        return services.save_trigger(
            wanted, is_new=is_new, seen=seen, reason=reason, **by(request)
        )  # fmt: skip

    change = Changing(
        form=NewTriggerForm if is_new else TriggerForm,
        row=row,
        save=save,
        title=_("New trigger") if is_new else _("Trigger %(code)s") % {"code": row.code},
        lead=_("What was due before it was set up, or on again, is not made up for."),
        back="office:settings-triggers",
        object=("invoicing.trigger", key),
        is_new=is_new,
        fields_of=FAULTY,
    )
    return edited(request, change)
