"""Keys of machines: made and shown once, rotated with an overlap, revoked."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.parties import queries as parties
from kvit.parties import services
from kvit.parties.api_keys import standing_of
from kvit.parties.rights import RIGHTS
from kvit.parties.rows import ApiKeyRow
from kvit.platform.paging import Page, keyset
from kvit.platform.revisions import revision_of
from kvit.web import lists
from kvit.web.authorship import actor_text
from kvit.web.columns import Column, Listing, Part
from kvit.web.forms import OfficeForm
from kvit.web.office.links import people
from kvit.web.routes import action, page
from kvit.web.states import word as state_word
from kvit.web.tags import lang

LISTING = Listing(
    "keys",
    (
        Column("name", gettext_lazy("Name"), of=lambda one: one["key"].name,
               parts=(Part(gettext_lazy("Key"), lambda one: one["key"].shown),)),
        Column("rights", gettext_lazy("Rights"), of=lambda one: ", ".join(one["rights"])),
        Column("made", gettext_lazy("Made"), of=lambda one: one["key"].made_at,
               parts=(Part(gettext_lazy("Who"), lambda one: one["author"]),)),
        Column("used", gettext_lazy("Used last"), of=lambda one: one["key"].used_at,
               parts=(Part(gettext_lazy("From where"), lambda one: one["key"].used_from),)),
        Column("state", gettext_lazy("State"), of=lambda one: state_word(one["state"])),
        Column("do", gettext_lazy("Actions")),
        Column("expires", gettext_lazy("Expires"), of=lambda one: one["key"].expires_at,
               is_usual=False),
        Column("certificate", gettext_lazy("Certificate"), is_usual=False,
               of=lambda one: one["key"].certificate),
    ),
)  # fmt: skip
OVERLAPS = (
    ("0", gettext_lazy("close the old one now")),
    ("1", gettext_lazy("an hour")),
    ("24", gettext_lazy("a day")),
    ("168", gettext_lazy("a week")),
)


class KeyForm(OfficeForm):
    """What the key is for and what it may do; no more than oneself."""

    name = forms.CharField(
        label=gettext_lazy("What the key is for"), max_length=120,
        help_text=gettext_lazy("The name of the program: CRM, the billing of the site."),
    )  # fmt: skip
    rights = forms.MultipleChoiceField(
        label=gettext_lazy("Rights"), widget=forms.CheckboxSelectMultiple
    )
    certificate = forms.CharField(
        label=gettext_lazy("SHA-256 of the client's certificate"), required=False, max_length=100
    )

    def __init__(self, *args: Any, own: frozenset[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["rights"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [
            (code, right.text(lang())) for code, right in RIGHTS.items() if code in own
        ]


@page("settings/keys/", name="settings-keys", right="keys.write")
def keys(request: HttpRequest) -> HttpResponse:
    return _keys(request, KeyForm(own=request.principal.rights))


@action(
    "settings/keys/new/", name="key-create", right="keys.write", operation="create_key",
    recent=True,
)  # fmt: skip
def create(request: HttpRequest) -> HttpResponse:
    form = KeyForm(request.POST, own=request.principal.rights)
    if not form.is_valid():
        return _keys(request, form, status=422)
    try:
        made = services.create_key(
            **form.cleaned_data, granter=request.principal.rights, **_asker(request)
        )
    except services.KeyRefused as error:
        form.add_error("certificate" if "certificate" in error.code else None, error.text(lang()))
        return _keys(request, form, status=422)
    return render(request, "office/settings/key_made.html", {"made": made})


@page("settings/keys/<uuid:key>/", name="settings-key", right="keys.write")
def one_key(request: HttpRequest, key: UUID) -> HttpResponse:
    """What a key may do, and the ways to change, replace and close it."""
    found = _found(key)
    return _card(request, found, _form_of(found, request))


@action(
    "settings/keys/<uuid:key>/change/", name="key-change", right="keys.write",
    operation="change_key", recent=True,
)  # fmt: skip
def change(request: HttpRequest, key: UUID) -> HttpResponse:
    found = _found(key)
    form = _form_of(found, request, request.POST)
    if not form.is_valid():
        return _card(request, found, form, status=422)
    services.change_key(
        key, name=form.cleaned_data["name"], rights=form.cleaned_data["rights"],
        granter=request.principal.rights, seen=request.POST.get("seen"),
        reason=request.POST.get("reason", "")[:500], **_asker(request),
    )  # fmt: skip
    messages.success(request, _("Saved."))
    return redirect("office:settings-key", key=key)


@action(
    "settings/keys/<uuid:key>/rotate/", name="key-rotate", right="keys.write",
    operation="rotate_key", recent=True,
)  # fmt: skip
def rotate(request: HttpRequest, key: UUID) -> HttpResponse:
    asked = request.POST.get("overlap", "168")
    hours = int(asked) if asked in dict(OVERLAPS) else 168
    made = services.rotate_key(
        key, overlap=timedelta(hours=hours), granter=request.principal.rights,
        seen=request.POST.get("seen"), **_asker(request),
    )  # fmt: skip
    return render(request, "office/settings/key_made.html", {"made": made})


@action(
    "settings/keys/<uuid:key>/revoke/", name="key-revoke", right="keys.write",
    operation="revoke_key", recent=True,
)  # fmt: skip
def revoke(request: HttpRequest, key: UUID) -> HttpResponse:
    services.revoke_key(
        key, seen=request.POST.get("seen"), reason=request.POST.get("reason", "")[:500],
        **_asker(request),
    )  # fmt: skip
    messages.success(request, _("The key is revoked: it opens nothing from now on."))
    return redirect("office:settings-keys")


@action(
    "settings/keys/factors/", name="key-factors", right="keys.write",
    operation="change_machine_factors", recent=True,
)  # fmt: skip
def factors(request: HttpRequest) -> HttpResponse:
    wanted = 2 if request.POST.get("factors") == "2" else 1
    services.set_machine_factors(
        wanted, seen=request.POST.get("seen"), reason=request.POST.get("reason", "")[:500],
        **_asker(request),
    )  # fmt: skip
    messages.success(request, _("Saved."))
    return redirect("office:settings-keys")


def _keys(request: HttpRequest, form: KeyForm, *, status: int = 200) -> HttpResponse:
    factors = parties.machine_factors()
    answer = lists.listed(
        request,
        "office/settings/keys.html",
        listing=LISTING,
        page=_fetch(request.GET.get("after", ""), lists.SHOWN),
        export=reverse("office:settings-keys-export"),
        key_form=form,
        factors=factors,
        factors_seen=revision_of(factors),
    )
    answer.status_code = status
    return answer


@page("settings/keys/export/", name="settings-keys-export", right="keys.write")
def export(request: HttpRequest) -> HttpResponseBase:
    """All keys, as far as they may be shown."""
    return lists.exported_all(request, LISTING, _fetch, name="keys")


def _fetch(after: str, limit: int) -> Page[dict[str, Any]]:
    now = datetime.now(UTC)
    order = ("-made_at", "-id")
    found = keyset(parties.keys(), order=order, after=after, limit=limit).of(parties.key_row)
    names = people(one.made_by for one in found.rows)
    return found.of(lambda one: _row(one, now) | {"author": actor_text(one.made_by, names, lang())})


def _row(key: Any, now: datetime) -> dict[str, Any]:
    is_over = key.expires_at is not None and key.expires_at <= now
    state = "revoked" if key.revoked_at else "expired" if is_over else "opens"
    return {
        "key": key,
        "rights": [parties.right_words(code, lang()) for code in key.rights],
        "state": state,
        "is_open": state == "opens",
        "seen": revision_of(standing_of(key)),
    }


def _found(key: UUID) -> ApiKeyRow:
    try:
        return parties.key_by_id(key)
    except services.KeyNotFound:
        raise Http404 from None


def _form_of(found: ApiKeyRow, request: HttpRequest, data: QueryDict | None = None) -> KeyForm:
    """The form of a key: what it has stands, what its reader has may be added."""
    initial = {"name": found.name, "rights": list(found.rights)}
    form = KeyForm(data, own=request.principal.rights.union(found.rights), initial=initial)
    del form.fields["certificate"]
    return form


def _card(
    request: HttpRequest, found: ApiKeyRow, form: KeyForm, *, status: int = 200
) -> HttpResponse:
    row = _row(found, datetime.now(UTC))
    author = actor_text(found.made_by, people([found.made_by]), lang())
    context = {"item": row, "author": author, "key_form": form, "overlaps": OVERLAPS}
    return render(request, "office/settings/key.html", context, status=status)


def _asker(request: HttpRequest) -> dict[str, Any]:
    return {"actor": request.principal.actor, "now": datetime.now(UTC)}
