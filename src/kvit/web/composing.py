"""What a price in the making does: the bill for a quantity, its curve, real customers, who is met.

Everything is computed by the functions that quote and bill: `core.quote.answer`, `core.pricing`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from kvit.catalog import queries as catalog
from kvit.catalog.rows import DraftInfo, SimulationInfo
from kvit.core.catalogue import Catalogue
from kvit.core.money import parse_decimal, to_minor
from kvit.core.periods import Period, instant_of, local_date
from kvit.core.pricing import Price, PriceError, Quantity, evaluate, parse_price
from kvit.core.pricing.curve import Point, curve, has_curve, points_at, reach_of, ticks
from kvit.core.pricing.price import Needs
from kvit.core.quote import answer
from kvit.invoicing import queries as invoicing
from kvit.parties import queries as parties
from kvit.rating import queries as rating
from kvit.rating import simulation
from kvit.rating.queries import Usual
from kvit.subscriptions import queries as subscriptions

Document = Mapping[str, Any]
CHUNK = 1_000
DEFAULT_UNITS = "100"
SHOWN_ROWS = 12
UNIT_FIELDS: frozenset[Needs] = frozenset({"units", "nothing"})


@dataclass(frozen=True, slots=True)
class Worked:
    """A quote of the price in the making. `told` is the quote's own answer; `error` why there is
    none."""

    told: Document | None
    error: Document | None

    @property
    def minor(self) -> int | None:
        """The sum in minor units, as a bill has it."""
        if self.told is None:
            return None
        return to_minor(parse_decimal(self.told["amount"]), str(self.told["currency"]))


@dataclass(frozen=True, slots=True)
class Beside:
    """A real subscription of last month: what it used, what that costs now and by the draft."""

    usual: Usual
    stands_minor: int | None  # None: the price is new
    draft_minor: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """The curve of a price, with some of its points for a table."""

    points: tuple[Point, ...]
    rows: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is met by a publication: how many move, and who stays on terms of their own, and why."""

    moves: int
    stays: tuple[tuple[UUID, str], ...]  # subscription, "own_price" or "pinned"
    plans: tuple[str, ...]


def work_out(price: Document, quantity: Document, *, currency: str, lang: str) -> Worked:
    """Quote a price document for a quantity document: what `kvit quote` answers."""
    asked = {"id": "composer", "currency": currency, "lang": lang, "price": price, **quantity}
    told = answer(asked)
    if "error" in told:
        error: Any = told["error"]
        return Worked(None, error)
    return Worked(told, None)


def draw(price: Price, *, currency: str, quantities: Iterable[Fraction]) -> Drawn | None:
    """Return the curve as far as it matters; None where the price is no function of a quantity."""
    if not has_curve(price):
        return None
    reach = reach_of(price, *quantities)
    try:
        points = curve(price, reach=reach, currency=currency)
        return Drawn(points, points_at(price, ticks(reach), currency=currency))
    except PriceError:  # a composed price that asks for an attribute
        return None


def real_ones(
    price: Price, *, plan: str, code: str, meter: str, currency: str, known: Catalogue, day: date
) -> list[Beside]:
    """Price a small, a middle and a large subscription of the last billed month."""
    last = invoicing.last_billed()
    if last is None or not meter or not has_curve(price):
        return []
    versions = versions_of_meter(known, meter)
    stands = next((one for one in known.prices_on(plan, day) if one.code == code), None)
    found = []
    by_code = {one.subscription: one for one in rating.usual(versions, billed_in=last.start)}
    for usual in by_code.values():  # of few subscriptions one may stand for two shares
        sums = [
            _sum_of(one, usual.units, currency)
            for one in (price, stands.price if stands and has_curve(stands.price) else None)
        ]
        if sums[0] is not None:
            found.append(Beside(usual, sums[1], sums[0]))
    return found


def versions_of_meter(known: Catalogue, meter: str) -> list[str]:
    """Return the versions of prices that read a meter."""
    return [one.version_id for many in known.prices.values() for one in many if one.meter == meter]


def _sum_of(price: Price | None, units: Fraction, currency: str) -> int | None:
    if price is None:
        return None
    try:
        return to_minor(evaluate(price, Quantity(units=units)).exact, currency)
    except PriceError:
        return None


def quantity_of(price: Document, typed: str) -> Document:
    """Return the quantity document of what was typed: a number, or a document of the quote."""
    text = typed.strip()
    if text.startswith("{"):
        try:
            found: Any = json.loads(text, parse_float=str)
        except (ValueError, RecursionError):
            raise PriceError("bad_json", "quantity", detail=text[:40]) from None
        return found if isinstance(found, dict) else {}
    try:
        reads = parse_price(price).reads
    except PriceError:
        reads = UNIT_FIELDS
    if reads == frozenset({"usage"}) and price.get("model") == "matrix":
        return {"usage": _in_each_row(price, text or DEFAULT_UNITS)}
    if reads <= UNIT_FIELDS or not text:
        return {"units": text or DEFAULT_UNITS} if reads <= UNIT_FIELDS else {}
    if reads == frozenset({"events"}):
        return {"events": text.split()}
    return {"units": text}


def _in_each_row(price: Document, units: str) -> list[Document]:
    """The same units in each of the first rows of a matrix: what every row costs side by side."""
    rows = [one for one in price.get("prices", ()) if isinstance(one, Mapping)]
    return [
        {"dimensions": dict(one.get("match") or {}), "units": units} for one in rows[:SHOWN_ROWS]
    ]


def audience(
    plans: Sequence[str], prices: Sequence[tuple[str, str]], *, day: date, known: Catalogue
) -> Audience:
    """Say who has the plans, or one that includes them, on the day of a publication or later.

    Args:
        prices: (plan, code) that are published; an own price of the code stays, and so does who
            has fixed the day of his prices.
    """
    touched = {*plans, *(plan for plan, _ in prices)}
    having = {
        code for code in known.plans if touched & set(known.plans_within(code, day))
    } | touched
    zone = parties.tenant().row.zone
    since = instant_of(day, zone)
    whole = subscriptions.count_on_plans(having, since=since)
    stays = []
    codes = {code for _, code in prices}
    for ids in subscriptions.on_plans(having, since=since, size=CHUNK, special=True):
        stays += list(_staying(ids, since, day, codes))
    return Audience(whole - len(stays), tuple(stays), tuple(sorted(having)))


def _staying(
    ids: Sequence[UUID], since: datetime, day: date, codes: set[str]
) -> Iterable[tuple[UUID, str]]:
    infos = subscriptions.by_ids(ids)
    takers = {UUID(str(one.first["customer"])) for one in infos.values()}
    currencies = {key: one.currency for key, one in parties.customers_by_id(takers).items()}
    for contract in subscriptions.contracts(ids, currencies):
        later = [one.terms for one in contract.spells if one.end is None or one.end > since]
        serving = [one for one in later if one.state != "ended"]
        if serving and all(one.pinned_on and one.pinned_on < day.isoformat() for one in serving):
            yield UUID(contract.id), "pinned"
        elif serving and codes and all(codes <= set(one.overrides) for one in serving):
            yield UUID(contract.id), "own_price"


def last_month(now: datetime) -> Period:
    """Return the month to rate again: the last billed one, or the one before now."""
    last = invoicing.last_billed()
    if last is not None:
        return last
    end = local_date(now, parties.tenant().row.zone).replace(day=1)
    return Period((end - timedelta(days=1)).replace(day=1), end)


def units_shown(quantity: Document) -> str:
    """Return a quantity as it is typed again: a number, or a document."""
    if set(quantity) == {"units"}:
        return str(quantity["units"])
    return json.dumps(quantity, ensure_ascii=False)


AT_ONCE = 500  # subscriptions: what is rated while somebody waits for it


def start_simulation(info: SimulationInfo, now: datetime) -> SimulationInfo:
    """Rate at once what is small; leave the rest to a worker."""
    if info.whole <= AT_ONCE:
        return simulation.simulate(info.id, now=now)
    simulation.simulate_later.defer(simulation=str(info.id), key=str(info.id))
    return info


def audience_of(info: DraftInfo) -> Audience:
    """Say whom the publication of a draft meets."""
    stated = catalog.stated_in(info.content, info.effective_from)
    return audience(
        [one.code for one in stated.plans],
        [(one.terms.plan, one.terms.code) for one in stated.prices],
        day=info.effective_from,
        known=catalog.catalogue(),
    )
