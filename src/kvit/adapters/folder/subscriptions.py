"""subscriptions.csv: who takes which plan, from which day, on which terms."""

import json
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

from kvit.adapters.folder.company import first_of_its_code
from kvit.adapters.folder.fields import CODE, NUMBER, TEXT_LIMIT, Fields
from kvit.adapters.folder.prices import price_faults
from kvit.adapters.folder.suggest import shown
from kvit.adapters.folder.tables import Table
from kvit.core.money import exact_text
from kvit.core.periods import instant_of
from kvit.integrations.port import Place, SubscriptionRow

SUBSCRIPTION_COLUMNS = ("code", "customer", "plan", "start", "end", "quantity", "terms")
SUBSCRIPTION_REQUIRED = ("code", "customer", "plan", "start")
_DISCOUNT = ("code", "percent", "fixed", "bonus", "price", "until", "periods", "remove")
_RESERVED = ("discount", "pin", "attributes")


def read_subscriptions(
    table: Table, zone_of_customer: Callable[[str], str]
) -> tuple[list[SubscriptionRow], set[str]]:
    """Return the sound subscriptions, and the codes of the others. References are not checked."""
    rows: list[SubscriptionRow] = []
    bad: set[str] = set()
    seen: dict[str, Place] = {}
    for fields in table.rows():
        row = _subscription(fields, zone_of_customer)
        if row is not None:
            first_of_its_code(fields, row.code, seen)
        if row is not None and fields.sound:
            rows.append(row)
        else:
            bad.add(str(fields.raw("code") or ""))
    bad |= table.broken
    return [row for row in rows if row.code not in bad], bad


def _subscription(fields: Fields, zone_of_customer: Callable[[str], str]) -> SubscriptionRow | None:
    fields.require("code", "customer", "plan", "start")
    start, end = fields.day("start"), fields.day("end")
    if start and end and end <= start:
        fields.fault("bad_period", "end", start=str(start), end=str(end))
    code = fields.code("code", NUMBER)
    customer = fields.code("customer", NUMBER)
    plan = fields.code("plan")
    quantity = fields.number("quantity")
    given = json_object(fields, "terms")
    terms = read_terms(fields, given, "terms", zone=zone_of_customer(customer))
    if start is None:
        return None
    return SubscriptionRow(
        place=fields.place(),
        code=code,
        customer=customer,
        plan=plan,
        start=start,
        end=end,
        quantity=Fraction(1) if quantity is None else quantity,
        terms=terms,
    )


def json_object(fields: Fields, name: str) -> Mapping[str, Any]:
    """Return the JSON object in a text field; empty when absent or faulty."""
    value = fields.raw(name)
    if value is None:
        return {}
    try:
        # Numbers are taken as they are written: "15.0" never passes through a binary float.
        found = json.loads(value, parse_float=str, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        fields.fault("bad_json", name, detail=shown(error))
        return {}
    if not isinstance(found, dict):
        fields.fault("wrong_type", name, expected_ru="объект { … }", expected_en="an object { … }")
        return {}
    return found


def read_terms(
    fields: Fields, given: Mapping[str, Any], name: str, *, zone: str
) -> dict[str, object]:
    """Check a document of special terms: prices by their codes, `discount`, `pin`.

    Numbers are returned as decimal texts; null puts the plan's own price back.
    """
    terms: dict[str, object] = {}
    for key, value in given.items():
        path = f"{name}.{key}"
        if key == "discount":
            many = value if isinstance(value, list) else [value]
            read = [
                read_discount(
                    fields, item, f"{path}[{i}]" if isinstance(value, list) else path, zone=zone
                )
                for i, item in enumerate(many)
            ]
            terms[key] = read if isinstance(value, list) else read[0]
        elif key == "pin":
            day = fields.inside({"pin": value}, ("pin",), name).day("pin")
            terms[key] = day.isoformat() if day else None
        elif key == "attributes":
            terms[key] = _attributes(fields, value, path)
        elif not CODE.fullmatch(key):
            fields.fault("bad_code", path, value=shown(key))
        elif value is None:
            terms[key] = None
        else:
            for fault in price_faults(value, fields.place(path)):
                fields.add(fault)
            terms[key] = value
    return terms


def _attributes(fields: Fields, value: object, path: str) -> dict[str, str | None]:
    """What composed prices read of the subscription: texts or whole numbers; null takes away."""
    if not isinstance(value, Mapping):
        fields.fault("wrong_type", path, expected_ru="объект { … }", expected_en="an object { … }")
        return {}
    found: dict[str, str | None] = {}
    for name, one in value.items():
        if not CODE.fullmatch(name):
            fields.fault("bad_code", f"{path}.{name}", value=shown(name))
        elif one is None or (isinstance(one, str | int) and not isinstance(one, bool)):
            found[name] = None if one is None else str(one)[:TEXT_LIMIT]
        else:
            fields.fault("wrong_type", f"{path}.{name}", expected_ru="текст или целое число",
                         expected_en="a text or a whole number")  # fmt: skip
    return found


def read_discount(fields: Fields, value: object, path: str, *, zone: str) -> dict[str, object]:
    """Check a discount: `{"percent": "15"}`, `{"fixed": "100.00"}` or `{"remove": code}`.

    `{"bonus": "500.00"}` is a balance of bonus points, worth money, drawn down until it is spent.

    `until` is a local day, the first without the discount; it is returned as a moment in UTC.
    """
    if not isinstance(value, Mapping):
        fields.fault("wrong_type", path, expected_ru="объект { … }", expected_en="an object { … }")
        return {}
    inner = fields.inside(value, _DISCOUNT, path)
    if inner.given("remove"):
        return {"remove": inner.code("remove")}
    percent = inner.number("percent", high=Fraction(100))
    fixed, bonus = inner.number("fixed"), inner.number("bonus")
    if [inner.given(kind) for kind in ("percent", "fixed", "bonus")].count(True) != 1:
        inner.fault("percent_or_fixed", "percent")
    found: dict[str, object] = {}
    if percent is not None:
        found["percent"] = exact_text(percent)
    if fixed is not None:
        found["fixed"] = exact_text(fixed)
    if bonus is not None:
        found["bonus"] = exact_text(bonus)
    for key in ("code", "price"):
        if inner.given(key):
            found[key] = inner.code(key)
    if inner.given("periods"):
        found["periods"] = inner.whole("periods", low=1)
    if inner.given("until"):
        day = inner.day("until")
        found["until"] = instant_of(day, zone).isoformat() if day else None
    return found


def prices_named(terms: Mapping[str, object]) -> Iterable[str]:
    """Yield the price codes that a document of special terms speaks of."""
    for key, value in terms.items():
        if key == "discount":
            many: list[Any] = value if isinstance(value, list) else [value]
            yield from (str(one["price"]) for one in many if one.get("price"))
        elif key not in _RESERVED:
            yield key


def _refuse(word: str) -> None:
    raise ValueError(word)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found
