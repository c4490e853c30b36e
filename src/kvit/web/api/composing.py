"""What the composer asks: schemas of what is stated, curves, whom a draft meets, the next bills."""

from datetime import date
from fractions import Fraction
from typing import Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest
from pydantic import Field

from kvit.catalog import queries
from kvit.core import statements
from kvit.core.pricing import PriceError, parse_price
from kvit.core.pricing.errors import WORDS as PRICE_WORDS
from kvit.core.pricing.shape import json_schema
from kvit.core.wording import Words
from kvit.invoicing import services as invoicing
from kvit.parties import queries as parties
from kvit.platform.failures import Failure
from kvit.subscriptions import queries as subscriptions
from kvit.web import composing
from kvit.web.api.core import Router, operation
from kvit.web.api.schemas import Input, Money, Schema, number_text

TAG = ("Конструктор цен", "Price composer")
router = Router()
Kind = Literal["meter", "plan", "price", "discount", "coupon", "calendar"]
PRICE = {"model": "graduated", "tiers": [{"up_to": "100", "unit": "0.10"}, {"unit": "0.05"}]}
DECIMALS = 6


class UnreadablePrice(Failure):
    """A price document cannot be read; `field` is the path of what is wrong."""

    words: Words = PRICE_WORDS  # type: ignore[misc]

    def __init__(self, error: PriceError) -> None:
        super().__init__(error.code)
        self.error, self.field = error, error.field

    def text(self, lang: str) -> str:
        return self.error.message(lang)


class StatedSchemaOut(Schema):
    """The JSON Schema of what is stated, made of the dataclass that reads it."""

    kind: Kind
    document: dict[str, Any]


class CurveIn(Input):
    """A price document; the curve goes beyond its last tier, and beyond `quantity`."""

    price: dict[str, Any] = Field(examples=[PRICE])
    quantity: str = Field("", max_length=60, pattern=r"^([0-9]{1,15}(\.[0-9]{1,6})?)?$")


class CurvePointOut(Schema):
    """What so many units cost, and the average of a unit, rounded to six decimals."""

    units: str
    amount: Money
    per_unit: str | None


class CurveOut(Schema):
    """Points of the curve; empty where the price is no function of one quantity."""

    points: list[CurvePointOut]


class StayingOut(Schema):
    """A subscription that keeps its own terms: "own_price" or "pinned"."""

    subscription: str
    why: str


class AudienceOut(Schema):
    """Whom the publication of a draft meets: how many move, who stays and why."""

    moves: int
    stays: list[StayingOut]
    plans: list[str]


class NextLineOut(Schema):
    """A line of a bill to come."""

    price: str
    name: str
    starts_on: date
    ends_on: date
    units: str
    net: Money
    vat: Money
    total: Money


class NextBillOut(Schema):
    """The lines of a subscription on a bill to come."""

    period_start: date
    period_end: date
    lines: list[NextLineOut]


class NextBillsOut(Schema):
    """This and the next bill."""

    bills: list[NextBillOut]


@operation(router, "GET", "/catalogue/schemas/{kind}", right="catalogue.read",
           response=StatedSchemaOut)  # fmt: skip
def read_catalogue_schema(request: HttpRequest, kind: Kind) -> StatedSchemaOut:
    """The JSON Schema of a document that a draft takes: every pricing model is in it."""
    return StatedSchemaOut(kind=kind, document=json_schema(statements.ROWS[kind]))


@operation(router, "POST", "/catalogue/curve", right="catalogue.read", response=CurveOut)
def quote_curve(request: HttpRequest, body: CurveIn) -> CurveOut:
    """What a price costs from nought to beyond its last tier: the points that a chart draws."""
    currency = parties.tenant().row.currency
    try:
        price = parse_price(body.price)
    except PriceError as error:
        raise UnreadablePrice(error) from error
    drawn = composing.draw(price, currency=currency, quantities=[Fraction(body.quantity or 0)])
    return CurveOut(
        points=[
            CurvePointOut(
                units=number_text(round(one.units, DECIMALS)),
                amount=Money.of(one.amount_minor, currency),
                per_unit=None
                if one.per_unit is None
                else number_text(round(one.per_unit, DECIMALS)),
            )
            for one in (drawn.points if drawn else ())
        ]
    )


@operation(router, "GET", "/catalogue/drafts/{draft}/audience", right="catalogue.read",
           response=AudienceOut)  # fmt: skip
def read_draft_audience(request: HttpRequest, draft: UUID) -> AudienceOut:
    """Whom the publication would meet: how many move, and who stays on terms of their own."""
    info = queries.draft(draft)
    if info is None:
        raise Http404
    met = composing.audience_of(info)
    codes = {key: one.code for key, one in subscriptions.by_ids(dict(met.stays)).items()}
    return AudienceOut(
        moves=met.moves,
        plans=list(met.plans),
        stays=[StayingOut(subscription=codes[key], why=why) for key, why in met.stays],
    )


@operation(router, "GET", "/subscriptions/{code}/next", right="subscriptions.read",
           response=NextBillsOut)  # fmt: skip
def read_next_bills(request: HttpRequest, code: str) -> NextBillsOut:
    """The subscription's lines of this and the next bill, as far as usage is known."""
    info = subscriptions.by_codes([code]).get(code)
    if info is None:
        raise Http404
    payer = parties.customers_by_id([info.customer_id])[info.customer_id].payer_id
    return NextBillsOut(
        bills=[
            NextBillOut(
                period_start=bill.window.start,
                period_end=bill.window.end,
                lines=[
                    _line(line, document.currency)
                    for document in bill.documents
                    for line in document.lines
                    if line.subscription == code
                ],
            )
            for bill in invoicing.preview_payer(payer, now=request.now)
        ]
    )


def _line(line: Any, currency: str) -> NextLineOut:
    return NextLineOut(
        price=line.price,
        name=line.name,
        starts_on=line.starts_on,
        ends_on=line.ends_on,
        units=number_text(line.units),
        net=Money.of(line.net_minor, currency),
        vat=Money.of(line.vat_minor, currency),
        total=Money.of(line.total_minor, currency),
    )
