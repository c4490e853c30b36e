"""Answers `price`, `prices` with `quantities`, and `plan`."""

from collections.abc import Mapping
from fractions import Fraction

from kvit.core.money import exact_text
from kvit.core.pricing import Price, PriceError, Quantity, Step, evaluate, parse_price
from kvit.core.pricing.fields import read_days_of, read_list, read_number, read_object
from kvit.core.quote.context import Context, only
from kvit.core.quote.quantities import QUANTITY_FIELDS, read_calendar, read_quantity

Document = Mapping[str, object]
Answer = dict[str, object]


def answer_price(document: Document, context: Context) -> Answer:
    """Price one quantity."""
    price = parse_price(document["price"])
    only(document, ("price", "calendar", *QUANTITY_FIELDS))
    sums = _priced(price, document, document.get("calendar"), context, "")
    return {"currency": context.currency, **sums.document}


def answer_prices(document: Document, context: Context) -> Answer:
    """Price several quantities, each with its own price."""
    only(document, ("prices", "quantities", "calendar"))
    prices = [
        parse_price(row, path=f"prices[{i}]")
        for i, row in enumerate(read_list(document["prices"], "prices"))
    ]
    given = document.get("quantities")
    rows = [{}] * len(prices) if given is None else list(read_list(given, "quantities"))
    if len(rows) != len(prices):
        field = f"quantities[{min(len(rows), len(prices))}]"
        if len(rows) < len(prices):
            raise PriceError("missing_field", field, name=field)
        raise PriceError("out_of_range", field, reason="size", limit=len(prices))
    answers = []
    for i, (price, row) in enumerate(zip(prices, rows, strict=True)):
        path = f"quantities[{i}]"
        quantity = read_object({} if row is None else row, path)
        only(quantity, QUANTITY_FIELDS, path)
        answers.append(_priced(price, quantity, document.get("calendar"), context, f"{path}."))
    return _together(answers, context, [{} for _ in answers])


def answer_plan(document: Document, context: Context) -> Answer:
    """Price a whole plan; `quantities` by the code of a price or of its meter, or in order."""
    only(document, ("plan", "quantities", "calendar", "date"))
    plan, path = _plan(document["plan"], context)
    rows = _in_force(plan, path, document)
    given = document.get("quantities")
    quantities: object = {} if given is None else given
    if isinstance(quantities, list):
        if len(quantities) > len(rows):
            raise PriceError(
                "out_of_range", f"quantities[{len(rows)}]", reason="size", limit=len(rows)
            )
        named = {rows[i][0]: (f"quantities[{i}]", q) for i, q in enumerate(quantities)}
    else:
        named = _by_code(read_object(quantities, "quantities"), rows)
    answers = []
    labels: list[Answer] = []
    for code, row, where in rows:
        price = parse_price(row.get("price"), path=f"{where}.price")
        at, quantity = named.get(code, (f"quantities.{code}", None))
        body = _quantity_document(quantity, at, price)
        named_days = row.get("calendar", plan.get("calendar"))
        days = document.get("calendar", named_days)
        answers.append(_priced(price, body, days, context, f"{at}."))
        labels.append({"code": code, **({"name": row["name"]} if "name" in row else {})})
    return _together(answers, context, labels)


class _Sums:
    """An answer with the figures that add up."""

    def __init__(self, exact: Fraction, minor: int, document: Answer) -> None:
        self.exact = exact
        self.minor = minor
        self.document = document


def _priced(
    price: Price, quantity: Document, calendar: object, context: Context, path: str
) -> _Sums:
    days = read_calendar(calendar, "calendar")
    increment = read_quantity(price, quantity, path)
    already, billed = _already(price, quantity, context, path)
    try:
        priced = evaluate(price, increment, already=already, calendar=days)
        minor = context.round(priced.exact)
        if already is not None and billed is not None:
            whole = evaluate(price, already + increment, calendar=days)
            minor = context.round(whole.exact) - billed
    except PriceError as error:
        field = error.field if error.field.startswith("price") else f"{path}{error.field}"
        raise PriceError(error.code, field, reason=error.reason, **error.params) from None
    charges = [step for step in priced.steps if step.kind not in ("discount", "maximum")]
    discounts = [step for step in priced.steps if step.kind in ("discount", "maximum")]
    return _Sums(
        priced.exact,
        minor,
        {
            "exact": exact_text(priced.exact),
            "amount": context.text(minor),
            "charges": [charge_document(step, context.lang) for step in charges],
            "discounts": [
                {"exact": exact_text(step.exact), "why": step.why(context.lang)}
                for step in discounts
            ],
            "tax": None,
        },
    )


def charge_document(step: Step, lang: str) -> Answer:
    """Write a step of a sum as the contract's charge."""
    document: Answer = {
        "units": exact_text(step.units),
        "unit": exact_text(step.unit),
        "flat": exact_text(step.flat),
        "exact": exact_text(step.exact),
        "why": step.why(lang),
    }
    if step.packages:
        document["packages"] = str(step.packages)
    if step.inside:
        document["parts"] = {
            name: [charge_document(inner, lang) for inner in steps] for name, steps in step.inside
        }
    return document


def _already(
    price: Price, quantity: Document, context: Context, path: str
) -> tuple[Quantity | None, int | None]:
    """Return what came before in the period, and what was billed for it where that is given."""
    given = quantity.get("already")
    if given is None:
        return None, None
    where = f"{path}already"
    document = read_object(given, where)
    only(document, (*(f for f in QUANTITY_FIELDS if f != "already"), "amount"), where)
    before = read_quantity(price, document, f"{where}.")
    if document.get("amount") is None:
        return before, None
    amount = read_number(document["amount"], f"{where}.amount", low=None)
    return before, context.minor(amount, f"{where}.amount")


def _together(answers: list[_Sums], context: Context, labels: list[Answer]) -> Answer:
    """Each price is a line of its own, rounded once; the total is the sum of its lines."""
    return {
        "currency": context.currency,
        "prices": [
            {**label, "currency": context.currency, **each.document}
            for label, each in zip(labels, answers, strict=True)
        ],
        "exact": exact_text(sum((each.exact for each in answers), Fraction(0))),
        "amount": context.text(sum(each.minor for each in answers)),
    }


def _plan(given: object, context: Context) -> tuple[Document, str]:
    """Return the plan's document, given inline or by its code, and its path in errors."""
    if not isinstance(given, str):
        return read_object(given, "plan"), "plan"
    if given not in context.catalogue:
        known = ", ".join(sorted(context.catalogue)) or "–"
        raise PriceError("out_of_range", "plan", reason="choice", value=given[:60], known=known)
    return context.catalogue[given], "plan"


def _in_force(plan: Document, path: str, document: Document) -> list[tuple[str, Document, str]]:
    """Return (code, price row, path) of the versions in force on `date`, else of the latest."""
    if plan.get("price") is None:
        raise PriceError("missing_field", f"{path}.price", name="price")
    day = document.get("date")
    on = "9999-12-31" if day is None else read_days_of(day, "date").isoformat()
    chosen: dict[str, tuple[str, Document, str]] = {}
    for i, item in enumerate(read_list(plan["price"], f"{path}.price")):
        where = f"{path}.price[{i}]"
        row = read_object(item, where)
        code = str(row.get("code", f"price {i + 1}"))[:60]
        since = str(row.get("effective", ""))
        if since <= on and (code not in chosen or since >= chosen[code][0]):
            chosen[code] = (since, row, where)
    return [(code, row, where) for code, (_, row, where) in chosen.items()]


def _by_code(
    quantities: Document, rows: list[tuple[str, Document, str]]
) -> dict[str, tuple[str, object]]:
    meters = {code: str(row.get("meter", code)) for code, row, _ in rows}
    only(quantities, [*meters, *meters.values()], "quantities")
    return {
        code: (f"quantities.{name}", quantities[name])
        for code, meter in meters.items()
        for name in ((code if code in quantities else meter),)
        if name in quantities
    }


def _quantity_document(quantity: object, path: str, price: Price) -> Document:
    """Read the quantity of one price of a plan; a bare number is units, none at all is zero."""
    if quantity is None:
        return {"units": "0"} if price.needs in ("units", "nothing") else _nothing(price)
    if not isinstance(quantity, Mapping):
        return {"units": quantity}
    only(quantity, QUANTITY_FIELDS, path)
    return quantity


def _nothing(price: Price) -> Document:
    names = {"dynamic": "events", "peaks": "peaks"}
    name = names.get(price.needs, price.needs)
    return {name: {} if name == "peaks" else []}
