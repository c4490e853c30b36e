"""Subscriptions: opened, listed, amended as previewed."""

from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from kvit.catalog import queries as catalog
from kvit.core.money import exact_text
from kvit.integrations.port import Place
from kvit.parties import queries as parties
from kvit.platform.failures import Failure
from kvit.subscriptions import queries, services
from kvit.subscriptions.rows import AmendmentInfo, NewSubscription, SubscriptionInfo
from kvit.web import amending, previewed
from kvit.web.api.core import Router, operation
from kvit.web.api.problems import ApiRefused, language
from kvit.web.api.schemas import (
    Code,
    Day,
    Input,
    Listed,
    Moment,
    Money,
    Number,
    Paging,
    Schema,
    Text,
    listed,
)

TAG = ("Подписки", "Subscriptions")
router = Router()
WORDS = {
    "subscription_exists": (
        "Подписка с кодом {code} уже есть: измените её.",
        "There is a subscription with the code {code}: amend it.",
    ),
    "subscription_refused": (
        "Условия подписки не читаются: {russian}",
        "The terms of the subscription cannot be read: {english}",
    ),
    "subscription_plan_unknown": ("Тарифа {plan} нет.", "There is no plan {plan}."),
    "subscription_customer_unknown": (
        "Клиента {customer} нет.",
        "There is no customer {customer}.",
    ),
}


class SubscriptionRefused(Failure):
    """It cannot be opened so; nothing was changed."""

    words = WORDS


class SubscriptionIn(Input):
    """Who takes which plan from which local day on."""

    code: Code = Field(examples=["S-1"])
    customer: Code = Field(examples=["romashka"])
    plan: Code = Field(examples=["pro"])
    start: Day
    end: Day | None = Field(None, description="The first day that is not included.")
    quantity: Number = "1"
    terms: dict[str, Any] = Field({}, description="As in the company folder: overrides, discounts.")


class SubscriptionStandingOut(Schema):
    """A subscription and what holds of it now."""

    id: UUID
    code: str
    customer: str
    plan: str
    quantity: str
    state: str
    starts_on: Day
    ends_on: Day | None
    changes_at: Moment | None


class AmendmentOut(Schema):
    """A change that was recorded. It can be withdrawn by its number, never edited."""

    number: int
    at: Moment
    change: str
    value: Any = None
    reason: str
    author: str
    recorded_at: Moment


class SubscriptionOut(SubscriptionStandingOut):
    """A subscription with its first terms and every amendment."""

    zone: str
    first: dict[str, Any]
    amendments: list[AmendmentOut]


class SubscriptionQuery(Paging):
    """What the list is narrowed to, and its order."""

    code: Text = ""
    plan: Text = ""
    customer: Text = ""
    state: Literal["", "future", "active", "ending", "paused", "ended"] = ""
    order: Literal["code", "-code", "starts", "-starts", "change"] = "code"


class AmendmentIn(Input):
    """A change as a row of changes.csv: what, from when, to what."""

    subscription: Code = Field(examples=["S-1"])
    change: Text = Field(min_length=1, max_length=20, examples=["quantity"])
    at: Text = Field(min_length=1, max_length=40, examples=["2026-11-16"])
    value: Text = Field("", max_length=4000, examples=["5"])


class AmendmentsIn(Input):
    """Changes that are recorded all or none, and why."""

    rows: list[AmendmentIn] = Field(min_length=1, max_length=1000)
    reason: Text = Field(min_length=1, max_length=500, examples=["доп. соглашение № 2"])


class AmendmentsDoneIn(AmendmentsIn):
    """The changes that were previewed, and the preview's token."""

    token: Text = Field(min_length=1, max_length=20000)


class ChangeDoneIn(Input):
    """A change of one subscription that was previewed, and the preview's token."""

    change: Text = Field(min_length=1, max_length=20, examples=["quantity"])
    at: Text = Field(min_length=1, max_length=40, examples=["2026-11-16"])
    value: Text = Field("", max_length=4000, examples=["5"])
    reason: Text = Field(min_length=1, max_length=500, examples=["доп. соглашение № 2"])
    token: Text = Field(min_length=1, max_length=20000)


class WithdrawIn(Input):
    """Why the change is taken back."""

    reason: Text = Field(min_length=1, max_length=500, examples=["ошибка менеджера"])


class WithdrawDoneIn(WithdrawIn):
    """With the preview's token."""

    token: Text = Field(min_length=1, max_length=20000)


class AmendmentFault(Schema):
    """What is wrong with a row; `row` is its place, the first being 0."""

    row: int | None
    field: str
    code: str
    detail: str
    remedy: str


class BillFigureOut(Schema):
    """What a customer's bill of a period comes to, without and with the change."""

    customer: str
    start: Day
    end: Day
    before: Money
    after: Money
    difference: Money


class PricedOut(Schema):
    """This and the next bill of everybody whom the change touches; without faults, a token."""

    faults: list[AmendmentFault]
    figures: list[BillFigureOut]
    token: str


class AmendedOut(Schema):
    """The numbers of the amendments, in the order of the rows; none where a row has a fault."""

    numbers: list[int]
    faults: list[AmendmentFault]


@operation(
    router,
    "GET",
    "/subscriptions",
    right="subscriptions.read",
    response=Listed[SubscriptionStandingOut],
)
def list_subscriptions(request: HttpRequest, query: Query[SubscriptionQuery]) -> Any:
    """By what holds of them now."""
    customers = None
    if query.customer:
        known = parties.customers_by_code([query.customer])
        customers = [one.id for one in known.values()]
    asked = queries.Asked(code=query.code, plan=query.plan, state=query.state, customers=customers)
    page = queries.listed(
        asked, now=request.now, sort=query.order, after=query.after, limit=query.limit
    )
    codes = parties.customers_by_id({one.customer_id for one in page.rows})
    return listed(page, lambda one: _standing(one, codes))


@operation(
    router, "POST", "/subscriptions", right="subscriptions.write", status=201,
    response=SubscriptionOut,
)  # fmt: skip
def open_subscription(request: HttpRequest, body: SubscriptionIn) -> SubscriptionOut:
    """From then on it is only amended."""
    customer = parties.customers_by_code([body.customer]).get(body.customer)
    if customer is None:
        raise SubscriptionRefused("subscription_customer_unknown", customer=body.customer)
    if body.plan not in catalog.catalogue().plans:
        raise SubscriptionRefused("subscription_plan_unknown", plan=body.plan)
    row = NewSubscription(
        code=body.code,
        customer_id=customer.id,
        plan=body.plan,
        zone=customer.zone,
        start=body.start,
        end=body.end,
        quantity=Fraction(body.quantity),
        terms=body.terms,
    )
    try:
        services.open_many([row], actor=request.principal.actor, now=request.now)
    except services.SubscriptionExists:
        raise SubscriptionRefused("subscription_exists", code=body.code) from None
    except services.TermsRefused as error:
        raise SubscriptionRefused(
            "subscription_refused", russian=error.said[0], english=error.said[1]
        ) from None
    return read_subscription(request, body.code)


@operation(
    router, "GET", "/subscriptions/{code}", right="subscriptions.read", response=SubscriptionOut
)
def read_subscription(request: HttpRequest, code: str) -> SubscriptionOut:
    """Its terms now, its first terms and all amendments."""
    return _whole(_known(code), request)


@operation(
    router, "POST", "/subscription-changes/preview", right="subscriptions.read",
    response=PricedOut,
)  # fmt: skip
def preview_changes(request: HttpRequest, body: AmendmentsIn) -> PricedOut:
    """Price changes: nothing is recorded. The token makes exactly these."""
    return _priced(request, _given(body.rows), body.reason)


@operation(
    router, "POST", "/subscription-changes", right="subscriptions.write", status=201,
    response=AmendedOut,
)  # fmt: skip
def change_subscriptions(request: HttpRequest, body: AmendmentsDoneIn) -> AmendedOut:
    """Record what was previewed, if the bills are still those that were shown: all or none."""
    return _made(request, _given(body.rows), body.reason, body.token)


@operation(
    router, "POST", "/subscriptions/{code}/changes", right="subscriptions.write", status=201,
    response=AmendedOut,
)  # fmt: skip
def change_subscription(request: HttpRequest, code: str, body: ChangeDoneIn) -> AmendedOut:
    """Record one change as it was previewed."""
    _known(code)
    row = AmendmentIn(subscription=code, change=body.change, at=body.at, value=body.value)
    return _made(request, _given([row]), body.reason, body.token)


@operation(
    router, "POST", "/subscriptions/{code}/changes/{number}/withdraw-preview",
    right="subscriptions.read", response=PricedOut,
)  # fmt: skip
def preview_withdrawal(request: HttpRequest, code: str, number: int, body: WithdrawIn) -> PricedOut:
    """Price the taking back of a change."""
    return _priced(request, _withdrawal(request, code, number, body.reason), body.reason)


@operation(
    router, "POST", "/subscriptions/{code}/changes/{number}/withdraw",
    right="subscriptions.write", status=201, response=AmendedOut,
)  # fmt: skip
def withdraw_change(
    request: HttpRequest, code: str, number: int, body: WithdrawDoneIn
) -> AmendedOut:
    """Take a change back as it was previewed; both stay in the history."""
    given = _withdrawal(request, code, number, body.reason)
    return _made(request, given, body.reason, body.token)


def _withdrawal(request: HttpRequest, code: str, number: int, reason: str) -> amending.Given:
    _known(code)
    numbers = {one.number for one in queries.amendments_of_codes([code]).get(code, [])}
    if number not in numbers:
        raise ApiRefused("not_found", status=404, field="number")
    return previewed.withdrawal(code, number, reason=reason, now=request.now)


def _priced(request: HttpRequest, given: amending.Given, reason: str) -> PricedOut:
    priced = previewed.price(given, reason=reason, **_by(request))
    codes = parties.customers_by_id({one.customer_id for one in priced.figures})
    return PricedOut(
        faults=_faults(priced.answer.faults, request),
        figures=[
            BillFigureOut(
                customer=codes[one.customer_id].row.code,
                start=one.window.start,
                end=one.window.end,
                before=Money.of(one.before_minor, one.currency),
                after=Money.of(one.after_minor, one.currency),
                difference=Money.of(one.difference_minor, one.currency),
            )
            for one in priced.figures
        ],
        token=priced.token,
    )


def _made(request: HttpRequest, given: amending.Given, reason: str, token: str) -> AmendedOut:
    answer = previewed.make(given, reason=reason, token=token, **_by(request))
    return AmendedOut(numbers=answer.numbers, faults=_faults(answer.faults, request))


def _known(code: str) -> SubscriptionInfo:
    found = queries.by_codes([code]).get(code)
    if found is None:
        raise ApiRefused("not_found", status=404, field="code")
    return found


def _given(rows: list[AmendmentIn]) -> amending.Given:
    """Read the rows as those of changes.csv; a fault names its row."""
    given = amending.read_many([(one.subscription, one.change, one.at, one.value) for one in rows])
    sound = [replace(row, place=_counted(row.place)) for row in given.rows]
    faults = [replace(one, place=_counted(one.place)) for one in given.faults]
    return amending.Given(sound, faults)


def _counted(place: Place) -> Place:
    """Count rows as a program does."""
    return replace(place, row=(place.row or 1) - 1)


def _faults(faults: list[Any], request: HttpRequest) -> list[AmendmentFault]:
    lang = language(request)
    return [
        AmendmentFault(
            row=one.place.row,
            field=one.place.field,
            code=one.code,
            detail=one.message(lang),
            remedy=one.remedy(lang),
        )
        for one in faults
    ]


def _by(request: HttpRequest) -> dict[str, Any]:
    return {"actor": request.principal.actor, "now": request.now}


def _standing(one: Any, codes: Any) -> SubscriptionStandingOut:
    return SubscriptionStandingOut(
        id=one.id,
        code=one.code,
        customer=codes[one.customer_id].row.code,
        plan=one.plan,
        quantity=exact_text(one.quantity),
        state=one.state,
        starts_on=one.starts_on,
        ends_on=one.ends_on,
        changes_at=one.changes_at,
    )


def _whole(found: SubscriptionInfo, request: HttpRequest) -> SubscriptionOut:
    now = queries.standing([found.id], now=request.now)[found.id]
    shown = _standing(now, parties.customers_by_id([now.customer_id]))
    amendments = queries.amendments_of_codes([found.code]).get(found.code, [])
    return SubscriptionOut(
        **shown.model_dump(),
        zone=found.zone,
        first=dict(found.first),
        amendments=[_amendment(one) for one in amendments],
    )


def _amendment(one: AmendmentInfo) -> AmendmentOut:
    return AmendmentOut(
        number=one.number,
        at=one.at,
        change=one.change,
        value=one.value,
        reason=one.reason,
        author=one.author,
        recorded_at=one.recorded_at,
    )
