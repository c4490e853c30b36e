"""Who refers to whom: unknown codes become faults, and faults hold what hangs on them.

    a customer    → the customers it pays for, their subscriptions
    a seller      → its plans
    a calendar    → the prices and plans that name it
    a meter       → the prices that read it
    a plan        → its prices, the plans that include it, the subscriptions and changes to it
    a discount    → the prices in its scope
    a change      → its subscription, since its later terms are not known

A reference to a row that exists but is faulty is no fault of its own: the cause is told once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from kvit.adapters.folder.subscriptions import prices_named
from kvit.adapters.folder.suggest import hints, shown
from kvit.integrations.port import CompanyFolder, Fault, Place, PriceRow

BUILT_IN_CALENDARS = ("ru",)
_KINDS = (
    "company", "seller", "meter", "plan", "discount", "coupon", "calendar", "customer",
    "subscription",
)  # fmt: skip
_GUESSED_AMONG = 500
Held = dict[str, set[str]]


def check_references(
    folder: CompanyFolder, bad: Mapping[str, set[str]], bad_prices: set[tuple[str, str]]
) -> CompanyFolder:
    """Return the folder with the faults of its references, and with everything that is held."""
    check = _Check(folder, {kind: set(bad.get(kind, ())) for kind in _KINDS}, set(bad_prices))
    check.catalogue()
    check.customers()
    check.subscriptions()
    check.changes()
    check.triggers()
    check.spread()
    return replace(
        folder,
        faults=(*folder.faults, *check.faults),
        held={kind: frozenset(codes) for kind, codes in check.held.items() if codes},
        held_prices=frozenset(check.held_prices),
    )


class _Check:
    """One pass over a folder."""

    def __init__(
        self, folder: CompanyFolder, held: Held, held_prices: set[tuple[str, str]]
    ) -> None:
        self.folder = folder
        self.held = held
        self.held_prices = held_prices
        self.faults: list[Fault] = []
        # Faulty rows exist: who refers to one has nothing to correct.
        self.known: dict[str, set[str]] = {
            "seller": {row.code for row in folder.sellers},
            "meter": {row.code for row in folder.meters},
            "plan": {row.code for row in folder.plans},
            "coupon": {row.code for row in folder.coupons},
            "calendar": {row.code for row in folder.calendars} | set(BUILT_IN_CALENDARS),
            "customer": {row.code for row in folder.customers},
            "subscription": {row.code for row in folder.subscriptions},
        }
        for kind, codes in self.known.items():
            codes |= held[kind] - {"", "*"}
        self.dimensions = {row.code: set(row.dimensions) for row in folder.meters}
        self.prices: dict[str, set[str]] = {code: set() for code in self.known["plan"]}
        for price in folder.prices:
            self.prices.setdefault(price.plan, set()).add(price.code)
        for plan, code in held_prices:
            self.prices.setdefault(plan, set()).add(code)

        self.any_price = set().union(*self.prices.values())

    def catalogue(self) -> None:
        """Plans, prices and discounts."""
        for plan in self.folder.plans:
            at = plan.place
            sound = self._refers("seller", plan.seller, at, "seller")
            sound &= self._refers("calendar", plan.calendar, at, "calendar")
            for code in plan.includes:
                sound &= self._refers("plan", code, at, "includes")
            if not sound:
                self.held["plan"].add(plan.code)
        phases = {plan.code: [code for code, _ in plan.phases] for plan in self.folder.plans}
        for price in self.folder.prices:
            if not self._price(price, phases.get(price.plan, [])):
                self.held_prices.add((price.plan, price.code))
        for discount in self.folder.discounts:
            if not self._scope(discount.scope, discount.place):
                self.held["discount"].add(discount.code)
        self._circle("plan", {p.code: p.includes for p in self.folder.plans}, "bundle_cycle",
                     {p.code: p.place for p in self.folder.plans}, "includes")  # fmt: skip

    def _price(self, price: PriceRow, phases: Collection[str]) -> bool:
        at = price.place
        sound = self._refers("meter", price.meter, at, "meter")
        sound &= self._refers("calendar", price.calendar, at, "calendar")
        if price.phase and price.phase not in phases:
            sound = self._unknown("phase", price.phase, phases, at, "phase")
        for peak in peaks_of(price.document):
            sound &= self._refers("meter", peak, at, "price")
        dimensions = self.dimensions.get(price.meter)
        if price.meter and dimensions is None:
            return sound  # an unknown or faulty meter has been told
        for name in (*price.filters, *price.group_by):
            if name not in (dimensions or ()):
                sound = self._unknown("dimension", name, dimensions or (), at, "filter")
        return sound

    def _scope(self, scope: str, at: Place) -> bool:
        """ "": everything; "plan"; "plan/price"."""
        plan, _, price = scope.partition("/")
        if not self._refers("plan", plan, at, "scope"):
            return False
        if price and price not in self.prices.get(plan, ()):
            return self._unknown("price", price, self.prices.get(plan, ()), at, "scope")
        return True

    def triggers(self) -> None:
        """A threshold of usage names a meter. A trigger is waited for by nothing."""
        for row in self.folder.triggers:
            self._refers("meter", row.meter, row.place, "meter")

    def customers(self) -> None:
        """Payers exist, make no circle, and pay for themselves."""
        rows = self.folder.customers
        for row in rows:
            if not self._refers("customer", row.payer, row.place, "payer"):
                self.held["customer"].add(row.code)
        payers = {row.code: (row.payer,) if row.payer else () for row in rows}
        self._circle("customer", payers, "payer_cycle", {r.code: r.place for r in rows}, "payer")
        paid_by = {row.code: row.payer for row in rows}
        for row in rows:
            payer = paid_by.get(row.payer)
            if payer and row.payer not in self.held["customer"]:
                where = Place(row.place.file, row.place.row, "payer")
                params = {"value": row.payer, "payer": payer}
                self.faults.append(Fault("payer_has_payer", where, params))
                self.held["customer"].add(row.code)

    def subscriptions(self) -> None:
        """Customers, plans, and the prices that special terms speak of."""
        for row in self.folder.subscriptions:
            sound = self._refers("customer", row.customer, row.place, "customer")
            sound &= self._refers("plan", row.plan, row.place, "plan")
            for code in prices_named(row.terms):
                sound &= self._price_of_any_plan(code, row.place, "terms")
            if not sound:
                self.held["subscription"].add(row.code)

    def changes(self) -> None:
        """Subscriptions, and what the value of each kind names."""
        for row in self.folder.changes:
            sound = self._refers("subscription", row.subscription, row.place, "subscription")
            for kind, code in named_by(row.change, row.value):
                if kind == "price":
                    sound &= self._price_of_any_plan(code, row.place, "value")
                else:
                    sound &= self._refers(kind, code, row.place, "value")
            if not sound:
                self.held["subscription"].add(row.subscription)

    def spread(self) -> None:
        """Follow the references until nothing more is held."""
        if self.held["company"]:
            for kind in ("seller", "plan", "subscription"):
                self.held[kind].add("*")
        before = -1
        while before != (before := sum(map(len, self.held.values())) + len(self.held_prices)):
            self._spread_catalogue()
            self._spread_customers()

    def _spread_catalogue(self) -> None:
        held = self.held
        for plan in self.folder.plans:
            if self._any_held("seller", plan.seller) or self._any_held("calendar", plan.calendar):
                held["plan"].add(plan.code)
            if any(self._any_held("plan", code) for code in plan.includes):
                held["plan"].add(plan.code)
        for price in self.folder.prices:
            meters = (price.meter, *peaks_of(price.document))
            if any(self._any_held("meter", code) for code in meters):
                self.held_prices.add((price.plan, price.code))
            if self._any_held("calendar", price.calendar):
                self.held_prices.add((price.plan, price.code))
        for discount in self.folder.discounts:
            if discount.code in held["discount"]:
                self._hold_scope(discount.scope)
        if held["discount"] - {row.code for row in self.folder.discounts}:
            self._hold_scope("")  # what an unreadable discount covers is not known

    def _spread_customers(self) -> None:
        held = self.held
        for customer in self.folder.customers:
            if self._any_held("customer", customer.payer):
                held["customer"].add(customer.code)
        for row in self.folder.subscriptions:
            if self._any_held("customer", row.customer) or self._any_held("plan", row.plan):
                held["subscription"].add(row.code)
        for change in self.folder.changes:
            named = named_by(change.change, change.value)
            if any(self._any_held(kind, code) for kind, code in named if kind != "price"):
                held["subscription"].add(change.subscription)

    def _hold_scope(self, scope: str) -> None:
        plan, _, price = scope.partition("/")
        plans = [plan] if plan in self.prices else list(self.prices)
        for code in plans:
            self.held_prices.add((code, price or "*"))

    def _any_held(self, kind: str, code: str) -> bool:
        return bool(code) and (code in self.held[kind] or "*" in self.held[kind])

    def _refers(self, kind: str, code: str, place: Place, field: str) -> bool:
        """Report a code that names nothing; an empty one refers to nothing."""
        if not code or code in self.known[kind] or "*" in self.held[kind]:
            return True
        return self._unknown(kind, code, self.known[kind], place, field)

    def _price_of_any_plan(self, code: str, place: Place, field: str) -> bool:
        """A subscription may change its plan: a price of any plan can be meant."""
        return code in self.any_price or self._unknown("price", code, self.any_price, place, field)

    def _unknown(
        self, kind: str, code: str, known: Collection[str], place: Place, field: str
    ) -> bool:
        where = Place(place.file, place.row, f"{place.field}.{field}" if place.field else field)
        # Among thousands of customers a look-alike is chance, and looking for it takes minutes.
        guess = hints(code, sorted(known) if len(known) <= _GUESSED_AMONG else ())
        params = {"value": shown(code), **guess}
        self.faults.append(Fault(f"unknown_{kind}", where, params))
        return False

    def _circle(
        self,
        kind: str,
        links: Mapping[str, Iterable[str]],
        fault: str,
        places: Mapping[str, Place],
        field: str,
    ) -> None:
        """Report each row from which following the links leads back to it."""
        for start in links:
            chain, waiting = {start: ""}, [start]
            while waiting:
                code = waiting.pop()
                for following in links.get(code, ()):
                    if following == start:
                        place = places[start]
                        where = Place(place.file, place.row, field)
                        params = {"chain": " → ".join((*_path(chain, code), start))}
                        self.faults.append(Fault(fault, where, params))
                        self.held[kind].add(start)
                        waiting = []
                        break
                    if following not in chain:
                        chain[following] = code
                        waiting.append(following)


def _path(chain: Mapping[str, str], code: str) -> list[str]:
    path = [code]
    while chain.get(path[0]):
        path.insert(0, chain[path[0]])
    return path


def peaks_of(document: Mapping[str, object]) -> set[str]:
    """The meters whose peaks a price document compares."""
    found: set[str] = set()
    tiers: Any = document.get("tiers") if document.get("model") == "capacity" else None
    for tier in tiers or ():
        found |= set(tier.get("limits") or ())
    return found


def named_by(change: str, value: Any) -> list[tuple[str, str]]:
    """(kind, code) of everything that the value of a change names."""
    match change:
        case "plan":
            return [("plan", value)]
        case "addon":
            return [("plan", value["plan"])]
        case "transfer":
            return [("customer", value)]
        case "coupon":
            return [("coupon", value)]
        case "reading":
            return [("meter", value["meter"])]
        case "milestone":
            return [("price", value)]
        case "terms":
            return [("price", code) for code in prices_named(value)]
        case "discount":
            return [("price", value["price"])] if value.get("price") else []
    return []
