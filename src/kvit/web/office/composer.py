"""The composer: one object of a draft, its form made of its dataclass, its price worked live."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kvit.catalog import queries, services
from kvit.catalog.rows import DraftInfo
from kvit.core import statements
from kvit.core.catalogue import Catalogue
from kvit.core.money import NotANumber, exact_text, exponent, parse_decimal
from kvit.core.pricing import PriceError, parse_price
from kvit.core.pricing.labels import choice_label
from kvit.core.statements import Kind
from kvit.core.units import unit_name
from kvit.parties import queries as parties
from kvit.web import composing
from kvit.web.forms import whole
from kvit.web.office import _named, _rows, _shapes
from kvit.web.office._diffs import differences
from kvit.web.office._rows import columns_posted
from kvit.web.office._shapes import Input, Making
from kvit.web.office._told import told
from kvit.web.office.editing import Meanwhile
from kvit.web.routes import action
from kvit.web.tags import lang

TITLES = {
    "price": gettext_lazy("Price"),
    "plan": gettext_lazy("Plan"),
    "meter": gettext_lazy("Meter"),
    "discount": gettext_lazy("Discount"),
    "coupon": gettext_lazy("Coupon"),
    "calendar": gettext_lazy("Calendar"),
}
# The blocks of a price, in the order in which one thinks of it; what is not named goes to "more".
BLOCKS = (
    (gettext_lazy("What is counted"), ("plan", "code", "name", "meter", "group_by", "filters")),
    (gettext_lazy("How it is counted"), ("price",)),
    (gettext_lazy("When, and for a part of a period"), ("when", "prorate", "phase")),
    (gettext_lazy("VAT and the rest"),
     ("price_basis", "calendar", "continues", "counts_quantity", "ends")),
)  # fmt: skip
CURVE_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Block:
    """A group of inputs under one heading."""

    title: Any
    inputs: tuple[Input, ...]


@action(
    "catalogue/drafts/<uuid:draft>/put/<slug:kind>/", name="draft-object",
    right="catalogue.write", operation="put_in_draft", form=True,
)  # fmt: skip
def compose(request: HttpRequest, draft: UUID, kind: str) -> HttpResponse:
    """Show one object of a draft as a form, and keep it."""
    info = _draft(draft)
    asked = _kind(kind)
    if request.method != "POST":
        document = _beginning(request.GET, info, asked)
        return _form(request, info, asked, document, request.GET.get("quantity", ""))
    document = _posted(asked, request.POST)
    doing = request.POST.get("do", "save")
    quantity = request.POST.get("quantity", "")
    expected = whole(request.POST.get("version", "")) or info.version
    again = partial(_form, request, info, asked, document, quantity, version=expected)
    pressed = _rows.press(document, f"{asked}.", doing, request.POST)
    pressed.faults |= (twice := _named.repeated(request.POST))
    if doing == "save" and twice:
        return again(pressed=pressed, status=422)
    if doing != "save":
        if doing == "example":
            _keep_example(document, quantity)
        return again(pressed=pressed)
    try:
        services.put(
            draft, asked, document,
            expected=expected, actor=request.principal.actor, now=request.now,
        )  # fmt: skip
    except services.DraftRefused as error:
        if error.code != "draft_moved":
            raise
        return _moved(request, draft, asked, document, quantity, pressed, error)
    except PriceError as error:
        return again(pressed=pressed, error=error, status=422)
    messages.success(request, _("Kept in the draft. Nothing is sold by it yet."))
    return redirect("office:draft", draft)


@action(
    "catalogue/drafts/<uuid:draft>/example/", name="composer-example",
    right="catalogue.read", operation="quote",
)  # fmt: skip
def example(request: HttpRequest, draft: UUID) -> HttpResponse:
    """Answer the live example of what is typed; nothing is kept."""
    info = _draft(draft)
    document = _posted("price", request.POST)
    known = queries.catalogue()
    context = _worked(info, document, request.POST.get("quantity", ""), known)
    making = _making("price", info, document, known, columns_posted(request.POST))
    inputs = _shapes.all_of(making.inputs(statements.ROWS["price"], document, "price"))
    return render(request, "office/composer/example.html", context | {"live": inputs})


def _moved(
    request: HttpRequest, draft: UUID, kind: Kind, document: dict[str, Any], quantity: str,
    pressed: _rows.Asked, error: services.DraftRefused,
) -> HttpResponse:  # fmt: skip
    """Keep what was typed, beside what the draft says by now; kept again, it replaces that."""
    info = _draft(draft)
    typed = statements.read(kind, document)
    stands = _beginning(QueryDict(), info, kind, key=statements.key_of(typed))
    rows = [
        {"label": one.where, "before": one.was, "after": one.becomes}
        for one in differences(stands, statements.write(typed), kind, lang())
    ]
    return _form(
        request, info, kind, document, quantity, pressed=pressed,
        meanwhile=Meanwhile(error, rows), status=409,
    )  # fmt: skip


def _draft(draft: UUID) -> DraftInfo:
    info = queries.draft(draft)
    if info is None:
        raise Http404
    return info


def _kind(kind: str) -> Kind:
    if kind not in statements.KINDS:
        raise Http404
    return kind


def _beginning(
    asked: QueryDict, info: DraftInfo, kind: Kind, *, key: str = ""
) -> dict[str, Any]:  # fmt: skip
    """Return the document to begin with: of the draft, of what stands, or a new one."""
    key = key or asked.get("key", "")
    own = info.content.get(kind, {}).get(key)
    if own is not None:
        return dict(own)
    stands = queries.stands([(kind, key)], info.effective_from).get((kind, key)) if key else None
    if stands is not None:
        return dict(stands)
    begun: dict[str, Any] = {"plan": asked["plan"]} if "plan" in asked else {}
    return begun | ({"price": {"model": "per_unit"}} if kind == "price" else {})


def _posted(kind: Kind, posted: QueryDict) -> dict[str, Any]:
    document = _shapes.document_of(statements.ROWS[kind], posted, kind)
    if kind == "price":
        document.pop("examples", None)
        if examples := _examples_posted(posted):
            document["examples"] = examples
    return document


def _examples_posted(posted: QueryDict) -> list[dict[str, Any]]:
    found = []
    for place in range(_shapes.MOST_ROWS):
        name = f"price.examples[{place}]"
        if f"{name}.amount" not in posted:
            break
        quantity, amount = posted.get(f"{name}.quantity", ""), posted[f"{name}.amount"]
        if not quantity.strip() and not amount.strip():
            continue
        price = _shapes.price_of(posted, "price.price")
        told = composing.quantity_of(price, _shapes.number_typed(quantity))
        found.append({**told, "amount": _shapes.number_typed(amount)})
    return found


def _keep_example(document: dict[str, Any], typed: str) -> None:
    """Add the example that is worked now to those that must hold."""
    currency = parties.tenant().row.currency
    price = document.get("price", {})
    quantity = composing.quantity_of(price, _shapes.number_typed(typed))
    worked = composing.work_out(price, quantity, currency=currency, lang=lang())
    if worked.told is not None:
        one = {**quantity, "amount": worked.told["amount"]}
        document["examples"] = [*document.get("examples", ()), one]


def _form(
    request: HttpRequest,
    info: DraftInfo,
    kind: Kind,
    document: dict[str, Any],
    quantity: str,
    *,
    pressed: _rows.Asked | None = None,
    error: PriceError | None = None,
    meanwhile: Meanwhile | None = None,
    version: int = 0,
    status: int = 200,
) -> HttpResponse:
    known = queries.catalogue()
    making = _making(kind, info, document, known, pressed.columns if pressed else {})
    making = replace(making, error=error) if error else making
    if pressed:
        making = replace(making, faults=pressed.faults, typed=pressed.typed)
    inputs = making.inputs(statements.ROWS[kind], document, kind)
    context: dict[str, Any] = {
        "draft": info,
        "version": version or info.version,  # what was seen, however often the form was redrawn
        "kind": kind,
        "title": TITLES[kind],
        "blocks": _blocks(kind, inputs),
        "error": ""
        if error is None or any(one.error for one in _shapes.all_of(inputs))
        else told(error, lang()),
        "examples": _examples_shown(document),
        "back": reverse("office:draft", args=[info.id]),
        "meanwhile": meanwhile,
    }
    if kind == "price":
        context |= _worked(info, document, quantity, known)
    return render(request, "office/composer/page.html", context, status=status)


def _making(
    kind: Kind,
    info: DraftInfo,
    document: Mapping[str, Any],
    known: Catalogue,
    columns: Mapping[str, Sequence[str]],
) -> Making:
    """What the form is made with. A formula that cannot be read is marked before it is saved."""
    meter = known.meters.get(str(document.get("meter", "")))
    return Making(
        lang(), _bad_formula(kind, document), _choices(kind, info, known), columns,
        dimensions=meter.dimensions if meter else (), counters=tuple(known.meters),
    )  # fmt: skip


def _bad_formula(kind: Kind, document: Mapping[str, Any]) -> PriceError | None:
    if kind != "price":
        return None
    try:
        parse_price(document.get("price", {}), path="price.price")
    except PriceError as error:
        return error if error.code == "bad_expression" else None
    return None


def _examples_shown(document: Mapping[str, Any]) -> list[dict[str, str]]:
    found = []
    for one in document.get("examples", ()):
        quantity = {name: value for name, value in one.items() if name != "amount"}
        found.append(
            {
                "quantity": _shapes.number_shown(composing.units_shown(quantity), lang()),
                "amount": _shapes.number_shown(str(one["amount"]), lang()),
            }
        )
    return [*found, {"quantity": "", "amount": ""}]


def _choices(kind: Kind, info: DraftInfo, known: Catalogue) -> dict[str, _shapes.Choices]:
    """What can be chosen instead of typed: meters, plans, policies, sellers."""
    speech = lang()
    meters = {code: one.name for code, one in known.meters.items()}
    meters |= {code: str(doc["name"]) for code, doc in info.content.get("meter", {}).items()}
    plans = {code: many[-1].name for code, many in known.plans.items()}
    plans |= {code: str(doc["name"]) for code, doc in info.content.get("plan", {}).items()}
    if kind == "price":
        return {
            "price.plan": sorted(plans.items()),
            "price.meter": [("", _("none: a fee")), *sorted(meters.items())],
            "price.prorate": [(one, choice_label(one, speech)) for one in statements.POLICIES],
        }
    if kind == "plan":
        sellers = [(code, one.row.name) for code, one in parties.sellers().items()]
        return {
            "plan.cycle": [(one, choice_label(one, speech)) for one in statements.CYCLES],
            "plan.seller": [("", _("the first one")), *sellers],
        }
    return {}


def _blocks(kind: Kind, inputs: tuple[Input, ...]) -> list[Block]:
    if kind != "price":
        return [Block("", inputs)]
    by_name = {one.name.removeprefix("price."): one for one in inputs}
    return [
        Block(title, tuple(by_name[name] for name in names if name in by_name))
        for title, names in BLOCKS
    ]


def _worked(
    info: DraftInfo, document: Mapping[str, Any], typed: str, known: Catalogue
) -> dict[str, Any]:
    """Return the live example: steps with their formula, the curve, three real customers."""
    currency, speech = parties.tenant().row.currency, lang()
    price_document = document.get("price", {})
    context: dict[str, Any] = {"currency": currency, "draft": info}
    try:
        price = parse_price(price_document)
        real = composing.real_ones(
            price, plan=str(document.get("plan", "")), code=str(document.get("code", "")),
            meter=str(document.get("meter", "")), currency=currency, known=known,
            day=info.effective_from,
        )  # fmt: skip
        if not typed and real:  # begin with the middle one
            typed = exact_text(real[len(real) // 2].usual.units)
        quantity = composing.quantity_of(price_document, _shapes.number_typed(typed))
    except PriceError as error:
        return context | {"fault": told(error, speech), "quantity": typed}
    worked = composing.work_out(price_document, quantity, currency=currency, lang=speech)
    here = _number(quantity.get("units"))
    drawn = composing.draw(
        price, currency=currency, quantities=[here, *(one.usual.units for one in real)]
    )
    meter = known.meters.get(str(document.get("meter", "")))
    unit = unit_name(meter.unit) if meter else ""
    context |= {
        "quantity": _shapes.number_shown(_typed_again(typed, quantity), speech),
        "in_each_row": "usage" in quantity and not typed.strip().startswith("{"),
        "worked": worked,
        "fault": worked.error["message"] if worked.error else "",
        "real": real,
        "drawn": drawn,
        "unit": unit,
    }
    if drawn is not None:
        context |= {
            "reach": str(float(drawn.points[-1].units)),
            "chart": _chart(drawn, here, worked.minor, unit, currency),
            "unit_chart": _unit_chart(drawn, unit),
        }
    return context


def _typed_again(typed: str, quantity: Mapping[str, Any]) -> str:
    """A number that stands for the same units in each row of a matrix is shown as the number."""
    if "usage" in quantity and not typed.strip().startswith("{"):
        return typed.strip() or composing.DEFAULT_UNITS
    return composing.units_shown(quantity)


def _number(given: Any) -> Fraction:
    try:
        return parse_decimal(given)
    except (NotANumber, TypeError, ValueError):
        return Fraction(0)


def _chart(
    drawn: composing.Drawn, here: Fraction, minor: int | None, unit: str, currency: str
) -> dict[str, Any]:
    """What the chart draws, in major units. Floats are pixels here, and nothing else."""
    major = 10 ** exponent(currency)
    mark = (
        []
        if minor is None
        else [{"coord": [float(here), minor / major], "value": _("you are here")}]
    )
    label = {"position": "top", "formatter": "{c}", "textBorderWidth": 0}
    line = {
        "name": _("Sum for the quantity"),
        "data": [[float(one.units), one.amount_minor / major] for one in drawn.points],
        "markPoint": {"symbol": "circle", "symbolSize": 12, "data": mark, "label": label},
    }
    return _curve(drawn, unit, line)


def _unit_chart(drawn: composing.Drawn, unit: str) -> dict[str, Any]:
    points = [
        [float(one.units), round(float(one.per_unit), CURVE_DECIMALS)]
        for one in drawn.points
        if one.per_unit is not None
    ]
    return _curve(drawn, unit, {"name": _("Average cost of a unit"), "data": points})


def _curve(drawn: composing.Drawn, unit: str, line: dict[str, Any]) -> dict[str, Any]:
    """A line over the quantities that are drawn."""
    return {
        "xAxis": {
            "type": "value",
            "name": unit,
            "nameLocation": "middle",
            "nameGap": 28,
            "max": float(drawn.points[-1].units),
        },
        "yAxis": {"type": "value", "min": 0},
        "series": [{"type": "line", "showSymbol": False, **line}],
    }
