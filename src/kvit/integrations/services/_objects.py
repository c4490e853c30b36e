"""Bring a company to what its folder states: sellers, catalogue, customers, subscriptions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from kvit.catalog import queries as catalog
from kvit.catalog import services as catalog_services
from kvit.catalog.rows import CatalogueIn, CouponTerms, PriceIn
from kvit.core import catalogue as core
from kvit.core.pricing import parse_price
from kvit.integrations.port import (
    CompanyFolder,
    CustomerRow,
    Fault,
    MeterRow,
    Notice,
    PlanRow,
    PriceRow,
    SellerRow,
)
from kvit.integrations.services._merge import Merged, Wanted, commitment, merge, plain, remember
from kvit.ledger import services as ledger
from kvit.parties import queries as parties
from kvit.parties import services as parties_services
from kvit.parties.rows import BranchRow, Customer
from kvit.parties.rows import CustomerRow as PartyCustomer
from kvit.parties.rows import SellerRow as PartySeller

Stated = TypeVar("Stated")
REASON = "import of the company folder"


@dataclass(slots=True)
class Outcome:
    """What an import did, by kind: counts, and the faults it met."""

    created: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    faults: list[Fault] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    # Subscription codes, and (plan, price code), that must wait for a person's decision.
    held_subscriptions: set[str] = field(default_factory=set)
    held_prices: set[tuple[str, str]] = field(default_factory=set)

    def count(self, kind: str, merged: Merged[Any]) -> None:
        self.created[kind] = self.created.get(kind, 0) + len(merged.create)
        self.changed[kind] = self.changed.get(kind, 0) + len(merged.change)
        self.unchanged += len(merged.keep)
        self.faults += merged.faults


def apply_sellers(
    folder: CompanyFolder, outcome: Outcome, *, take_folder: bool, actor: str, now: datetime
) -> None:
    """State the sellers, in their order, and open the books of new ones."""
    rows = [row for row in folder.sellers if not folder.holds("seller", row.code)]
    wanted = [_wanted(row.code, _seller(row), row.place) for row in rows]
    present = {code: plain(asdict(one.row)) for code, one in parties.sellers().items()}
    merged = merge("seller", wanted, present, take_folder=take_folder)
    parties_services.apply_sellers(
        [one.row for one in merged.write], actor=actor, now=now, reason=REASON
    )
    for one in parties.sellers().values():
        ledger.ensure_chart(one.id, actor=actor, now=now)
    remember("seller", merged.write)
    outcome.count("seller", merged)
    _branches(folder, actor=actor, now=now)


def apply_catalogue(
    folder: CompanyFolder, outcome: Outcome, *, take_folder: bool, actor: str, now: datetime
) -> None:
    """Publish what of the catalogue is new or stated otherwise, in one revision."""
    present = _present_catalogue()
    merged = {
        kind: merge(kind, wanted, present[kind], take_folder=take_folder)
        for kind, wanted in _wanted_catalogue(folder).items()
    }
    write = {kind: [one.row for one in found.write] for kind, found in merged.items()}
    stated = CatalogueIn(
        meters=tuple(write["meter"]),
        calendars={one.code: one.row for one in merged["calendar"].write},
        plans=tuple(write["plan"]),
        prices=tuple(write["price"]),
        discounts=tuple(write["discount"]),
        coupons=tuple(write["coupon"]),
    )
    if stated != CatalogueIn():
        catalog_services.publish(stated, actor=actor, now=now, reason=REASON)
    for kind, found in merged.items():
        remember(kind, found.write)
        outcome.count(kind, found)
    outcome.held_prices |= {
        (one.row.terms.plan, one.row.terms.code) for one in merged["price"].conflict
    }


def _wanted_catalogue(folder: CompanyFolder) -> dict[str, list[Wanted[Any]]]:
    """Return, by kind, what the folder states and no fault holds."""

    def sound(kind: str, rows: Iterable[Any], read: Callable[[Any], Any]) -> list[Wanted[Any]]:
        return [
            _wanted(row.code, read(row), row.place)
            for row in rows
            if not folder.holds(kind, row.code)
        ]

    return {
        "meter": sound("meter", folder.meters, _meter),
        "plan": sound("plan", folder.plans, _plan),
        "price": [
            _priced(row) for row in folder.prices if not folder.holds_price(row.plan, row.code)
        ],
        "calendar": [
            _wanted(row.code, row.days, row.place, plain(row.days))
            for row in folder.calendars
            if not folder.holds("calendar", row.code)
        ],
        "discount": [
            _wanted(row.code, one, row.place, _discount_image(one))
            for row in folder.discounts
            if not folder.holds("discount", row.code)
            for one in [_same_fields(core.StandingDiscount, row)]
        ],
        "coupon": sound("coupon", folder.coupons, lambda row: _same_fields(CouponTerms, row)),
    }


def _present_catalogue() -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return, by kind and code, what stands."""
    known = catalog.catalogue()
    return {
        "meter": {code: plain(asdict(one)) for code, one in known.meters.items()},
        "plan": {code: _image(versions[0]) for code, versions in known.plans.items()},
        "price": {_key(one): _image(one) for many in known.prices.values() for one in many},
        "calendar": dict(catalog.calendar_days()),
        # A folder states what holds from the beginning: the first version of each.
        "discount": {one.code: _discount_image(one) for one in reversed(known.discounts)},
        "coupon": {code: plain(asdict(one)) for code, one in catalog.coupons().items()},
    }


def apply_customers(
    folder: CompanyFolder, outcome: Outcome, *, take_folder: bool, actor: str, now: datetime
) -> None:
    """State the customers; those who pay for others come first."""
    rows = [row for row in folder.customers if not folder.holds("customer", row.code)]
    rows.sort(key=lambda row: bool(row.payer))
    with parties.in_clear():
        known = parties.customers_by_code([row.code for row in rows])
    stated = [(_customer(row, known.get(row.code)), row.place) for row in rows]
    wanted = [
        _wanted(row.code, row, place, commitment(_said_by_a_folder(row))) for row, place in stated
    ]
    shown = {code: _said_by_a_folder(one.row) for code, one in known.items()}
    present = {code: commitment(content) for code, content in shown.items()}
    merged = merge("customer", wanted, present, take_folder=take_folder, shown=shown)
    parties_services.apply_customers(
        [one.row for one in merged.write], actor=actor, now=now, reason=REASON
    )
    remember("customer", merged.write)
    outcome.count("customer", merged)


def customer_ids(folder: CompanyFolder) -> dict[str, UUID]:
    """Return the ids of the customers that the folder names."""
    codes = {row.code for row in folder.customers} | {row.customer for row in folder.subscriptions}
    codes |= {str(row.value) for row in folder.changes if row.change == "transfer"}
    return {code: one.id for code, one in parties.customers_by_code(codes).items()}


def _branches(folder: CompanyFolder, *, actor: str, now: datetime) -> None:
    """A branch is known by being named; it belongs to the first seller."""
    named = {row.branch for row in folder.customers if row.branch} - set(parties.branches())
    if named and folder.sellers:
        seller = folder.sellers[0].code
        parties_services.apply_branches(
            [BranchRow(code, code, seller) for code in sorted(named)],
            actor=actor,
            now=now,
            reason=REASON,
        )


def _wanted(code: str, row: Any, place: Any, content: Any = None) -> Wanted[Any]:
    return Wanted(code, plain(asdict(row)) if content is None else content, row, place)


def _priced(row: PriceRow) -> Wanted[PriceIn]:
    price = PriceIn(_price(row), row.examples)
    return Wanted(_key(price.terms), _image(price.terms), price, row.place)


def _key(terms: core.PriceTerms) -> str:
    return f"{terms.plan}/{terms.code}/{terms.effective_from}"


def _image(terms: core.PriceTerms | core.PlanTerms) -> Mapping[str, Any]:
    """Return what a version says, without which version it is."""
    if isinstance(terms, core.PlanTerms):
        return plain(asdict(replace(terms, version_id="")))
    fields = {name: getattr(terms, name) for name in _PRICE_FIELDS}
    return plain({**fields, "price": terms.price.document()})


def _discount_image(terms: core.StandingDiscount) -> dict[str, Any]:
    """Return what a discount says; its day only if it has one, as folders were remembered."""
    said: dict[str, Any] = plain(asdict(terms))
    if terms.effective_from == core.ALWAYS:
        del said["effective_from"]
    return said


_PRICE_FIELDS = (
    "plan", "code", "name", "when", "prorate", "meter", "continues", "counts_quantity",
    "ends",
    "price_basis", "calendar", "filters", "group_by", "phase", "effective_from",
)  # fmt: skip


def _seller(row: SellerRow) -> PartySeller:
    return _same_fields(PartySeller, row)


def _customer(row: CustomerRow, known: Customer | None) -> PartyCustomer:
    """Return the customer as the folder states it; what no folder can say stays as it stands."""
    stated: PartyCustomer = _same_fields(PartyCustomer, row)
    if known is None:
        return stated
    return replace(stated, **{name: getattr(known.row, name) for name in _OFFICE_ALONE})


def _said_by_a_folder(row: PartyCustomer) -> dict[str, Any]:
    content: dict[str, Any] = plain(asdict(row))
    return {name: value for name, value in content.items() if name not in _OFFICE_ALONE}


_OFFICE_ALONE = tuple(
    field.name
    for field in fields(PartyCustomer)
    if field.name not in CustomerRow.__dataclass_fields__
)


def _same_fields(kind: type[Stated], row: Any) -> Stated:
    """Make a `kind` of the fields that it shares with the folder's row by name."""
    names = [field.name for field in fields(kind) if hasattr(row, field.name)]  # type: ignore[arg-type]
    return kind(**{name: getattr(row, name) for name in names})


def _meter(row: MeterRow) -> core.Meter:
    return core.Meter(
        row.code, row.name, row.unit, row.aggregation, row.expression or None, row.dimensions
    )


def _plan(row: PlanRow) -> core.PlanTerms:
    return _same_fields(core.PlanTerms, row)


def _price(row: PriceRow) -> core.PriceTerms:
    return core.PriceTerms(
        plan=row.plan,
        code=row.code,
        name=row.name,
        price=parse_price(row.document),
        when=row.when,
        prorate=row.prorate,
        meter=row.meter,
        continues=row.continues,
        counts_quantity=row.quantity,
        ends=row.ends,
        price_basis=row.price_basis,
        calendar=row.calendar,
        filters=tuple(sorted((key, tuple(values)) for key, values in row.filters.items())),
        group_by=row.group_by,
        phase=row.phase,
        effective_from=row.effective or core.ALWAYS,
    )
