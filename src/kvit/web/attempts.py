"""What the journal keeps of asking: reads of personal data, and attempts that were refused.

An attempt to change prices is kept with what was sent, so that one sees what somebody wanted to
make of them. Search words are not kept: they may be somebody's name.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from kvit.invoicing.services import AboveLimit
from kvit.parties import queries as parties
from kvit.parties.jobs import alarm
from kvit.parties.rights import RIGHTS
from kvit.platform import audit
from kvit.platform.throttle import take
from kvit.web import refusals, routes
from kvit.web.tags import lang

_LONGEST = 300  # of a value sent
_MOST = 40  # fields sent
ALARM_EVERY_S = 600
_PRICING = ("catalogue.", "subscriptions.")


def note_read(request: HttpRequest, route: routes.Route, kwargs: Mapping[str, object]) -> None:
    """Write down, before the page is made, who opens personal data of whom."""
    with transaction.atomic():
        audit.record(
            action="personal.read",
            object_type="page",
            object_id=_object(route, kwargs),
            after={"asked": sorted(request.GET)} if request.GET else None,
            actor=request.principal.actor,
            now=datetime.now(UTC),
        )


def note_refused(request: HttpRequest, route: routes.Route, kwargs: Mapping[str, object]) -> None:
    """Write down an attempt without the right; of prices, with what was sent."""
    after: dict[str, object] = {"right": route.right, "method": request.method}
    is_of_prices = route.right.startswith(_PRICING) and request.method not in ("GET", "HEAD")
    if is_of_prices:
        after["sent"] = _sent(request)
    # A flood of attempts is in the journal whole, and in the mail for its beginning.
    bucket = f"alarm:{request.principal.tenant.id}"
    is_told = is_of_prices and not take(bucket, capacity=5, every_s=ALARM_EVERY_S)
    with transaction.atomic():
        if is_told:
            alarm.defer(
                who=request.principal.actor,
                right=route.right,
                what=_object(route, kwargs),
                origin=audit.origin(),
            )
        audit.record(
            action="attempt.refused",
            object_type="api" if route.kind == "api" else "page",
            object_id=_object(route, kwargs),
            after=after,
            actor=request.principal.actor,
            now=datetime.now(UTC),
        )


def note_above_limit(request: HttpRequest, error: AboveLimit) -> None:
    """Write down an attempt to approve more than one may, once what it did is taken back."""
    with transaction.atomic():
        audit.record(
            action="attempt.above_limit",
            object_type="invoicing.invoice",
            object_id=str(error.document),
            after={name: str(error.params[name]) for name in ("total", "limit")},
            actor=request.principal.actor,
            now=request.now,
        )


def refuse_right(
    request: HttpRequest, route: routes.Route, kwargs: Mapping[str, object]
) -> HttpResponseBase:
    """Say which right lacks and who can give it; the attempt is written down."""
    note_refused(request, route, kwargs)
    right = RIGHTS.get(route.right)
    named = right.text(lang()) if right else route.right
    givers = ", ".join(parties.who_gives(route.right)) or _("the owner of the company")
    text = _("This needs the right “%(right)s”. It can be given to you by: %(givers)s.") % {
        "right": named,
        "givers": givers,
    }
    return refusals.refused(
        request, text, code="right_missing", status=403, title=_("Closed to your role")
    )


def _object(route: routes.Route, kwargs: Mapping[str, object]) -> str:
    return " ".join((route.operation or route.name, *map(str, kwargs.values())))[:300]


def _sent(request: HttpRequest) -> dict[str, str]:
    if request.content_type == "application/json":
        return {"body": request.body[: _LONGEST * 10].decode("utf-8", "replace")}
    fields = [name for name in request.POST if name != "csrfmiddlewaretoken"][:_MOST]
    return {name: request.POST[name][:_LONGEST] for name in fields}
