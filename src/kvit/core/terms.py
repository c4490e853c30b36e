"""What a subscription's terms are at each moment: its first state and its amendments, folded.

A worked example. A subscription of plan "pro" starts on 1 September; on 16 October two
amendments take effect at one moment, a discount of 15 % and five seats instead of three:

    [1 Sep, 16 Oct)   pro, 3 seats
    [16 Oct, …)       pro, 5 seats, −15 %

Amendments of one moment are applied together, whatever order they were written in; an amendment
that was recorded later but counts from an earlier day simply stands earlier in the fold, so a
backdated change needs no code of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Literal

from kvit.core.money import exact_text, parse_decimal

State = Literal["active", "paused", "ended"]
# The order in which changes of one moment are applied: a state change has the last word.
CHANGES = (
    "restate", "plan", "quantity", "transfer", "scheme", "terms", "discount", "coupon", "addon",
    "trial", "milestone", "resume", "pause", "cancel",
)  # fmt: skip


class BadAmendment(ValueError):
    """The amendment does not fit the subscription as it stands at that moment.

    `code` is one of: unknown_change, ended, bad_value.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Discount:
    """A discount of the subscription: percent of a line, or a fixed sum a service period.

    `fixed` is in major units of the subscription's currency. `price` narrows it to one price
    code. `periods` limits a coupon to that many service periods, counted from its first.
    """

    code: str
    percent: Fraction | None = None
    fixed: Fraction | None = None
    price: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    periods: int | None = None
    balance: bool = False  # `fixed` is a balance (bonus points) drawn down until it is spent

    def document(self) -> dict[str, str]:
        """Return the discount as decimal strings, for storage beside a charge."""
        amounts = {"percent": self.percent, "fixed": self.fixed}
        told = {name: exact_text(value) for name, value in amounts.items() if value is not None}
        return {"code": self.code, **told, **({"price": self.price} if self.price else {})}


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything that decides a price at one moment. `customer` is who pays, an opaque id."""

    plan: str
    customer: str
    quantity: Fraction = Fraction(1)
    state: State = "active"
    scheme: str | None = None
    # The original definition documents, as written: what a price of this plan is replaced by.
    overrides: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    discounts: tuple[Discount, ...] = ()
    add_ons: tuple[tuple[str, Fraction], ...] = ()
    pinned_on: str | None = None  # ISO date: prices as in force on that day
    trial_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """A change of a subscription's terms from `at` (UTC, the first moment of the new) on."""

    number: int
    at: datetime
    change: str
    value: object = None


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time [start, end) in which nothing about the terms changes."""

    start: datetime
    end: datetime | None
    terms: Terms


def timeline(
    *,
    start: datetime,
    end: datetime | None,
    first: Terms,
    amendments: Iterable[Amendment] = (),
) -> tuple[Spell, ...]:
    """Fold amendments into spells, in order of time, without gap or overlap, from `start` on.

    Args:
        start: the first moment of the subscription, UTC.
        end: an end agreed from the beginning; None is open.
        first: the terms at `start`.
        amendments: in any order; those withdrawn by a later "withdraw" are left out.

    Returns:
        Spells; a spell whose state is "ended" is the last one and has no end.

    Raises:
        BadAmendment: an amendment stands before the start, after the end, or has a bad value.
    """
    standing = _standing(amendments)
    for amendment in sorted(standing, key=lambda one: one.number):
        if amendment.change == "restate":
            given = _mapping(amendment.value).get("end")
            end = None if given is None else datetime.fromisoformat(str(given))
    if end is not None:
        standing.append(Amendment(0, end, "cancel"))
    standing.sort(key=_order)
    spells = [Spell(start, None, first)]
    for at, changes in groupby(standing, key=lambda amendment: max(amendment.at, start)):
        last = spells.pop()
        terms = last.terms
        for amendment in changes:
            terms = _changed(terms, amendment)
        if at > last.start:
            spells.append(replace(last, end=at))
        spells.append(Spell(at, None, terms))
    return _merged(spells)


def milestones(amendments: Iterable[Amendment]) -> tuple[tuple[datetime, str], ...]:
    """Return (moment, price code) of each milestone reached, in order of time."""
    reached = [one for one in _standing(amendments) if one.change == "milestone"]
    return tuple((one.at, str(one.value)) for one in sorted(reached, key=_order))


def _standing(amendments: Iterable[Amendment]) -> list[Amendment]:
    told = list(amendments)
    withdrawn = {int(str(one.value)) for one in told if one.change == "withdraw"}
    return [one for one in told if one.change != "withdraw" and one.number not in withdrawn]


def _order(amendment: Amendment) -> tuple[datetime, int, str, int]:
    if amendment.change not in CHANGES:
        raise BadAmendment("unknown_change", amendment.change)
    # Values break the tie of equal kinds, so that the order of writing cannot matter.
    return (amendment.at, CHANGES.index(amendment.change), str(amendment.value), amendment.number)


def _merged(spells: Sequence[Spell]) -> tuple[Spell, ...]:
    kept: list[Spell] = []
    for spell in spells:
        if kept and kept[-1].terms == spell.terms:
            kept[-1] = replace(kept[-1], end=spell.end)
        else:
            kept.append(spell)
    return tuple(kept)


def _changed(terms: Terms, amendment: Amendment) -> Terms:  # noqa: PLR0912
    value = amendment.value
    if terms.state == "ended" and amendment.change not in ("restate", "resume", "cancel"):
        raise BadAmendment("ended", amendment.change)
    match amendment.change:
        case "restate":
            return _restated(terms, _mapping(value))
        case "plan":
            return replace(terms, plan=str(value))
        case "quantity":
            return replace(terms, quantity=parse_decimal(value))
        case "transfer":
            return replace(terms, customer=str(value))
        case "scheme":
            return replace(terms, scheme=str(value))
        case "terms":
            return with_terms(terms, _mapping(value), since=amendment.at)
        case "discount" | "coupon":
            return _discounted(terms, _mapping(value), amendment.at)
        case "addon":
            return _with_add_on(terms, value)
        case "trial":
            return replace(terms, trial_until=datetime.fromisoformat(str(value)))
        case "pause":
            return replace(terms, state="paused")
        case "resume":
            return replace(terms, state="active")
        case "cancel":
            return replace(terms, state="ended")
        case _:
            return terms  # a milestone changes no terms


def _restated(terms: Terms, value: Mapping[str, object]) -> Terms:
    """The first statement of the subscription was wrong: plan, quantity or terms from the start.

    Its agreed end, if any, is in the value too: see `timeline`.
    """
    fresh = Terms(
        plan=str(value.get("plan", terms.plan)),
        customer=str(value.get("customer", terms.customer)),
        quantity=parse_decimal(value.get("quantity", terms.quantity)),
        scheme=terms.scheme,
    )
    return with_terms(fresh, _mapping(value.get("terms") or {}), since=None)


def with_terms(terms: Terms, value: Mapping[str, object], *, since: datetime | None) -> Terms:
    """Merge a `terms` document: price codes replace prices (null puts the plan's own back).

    `discount` adds one (or a list), `pin` fixes the day whose prices hold.
    """
    overrides = dict(terms.overrides)
    for key, given in value.items():
        if key == "discount":
            many = given if isinstance(given, list) else [given]
            for one in many:
                terms = _discounted(terms, _mapping(one), since)
        elif key == "pin":
            terms = replace(terms, pinned_on=None if given is None else str(given))
        elif given is None:
            overrides.pop(key, None)
        else:
            overrides[key] = _mapping(given)
    return replace(terms, overrides=overrides)


def _discounted(terms: Terms, value: Mapping[str, object], since: datetime | None) -> Terms:
    if "remove" in value:
        gone = str(value["remove"])
        kept = tuple(one for one in terms.discounts if gone not in ("all", one.code))
        return replace(terms, discounts=kept)
    percent, fixed, bonus = value.get("percent"), value.get("fixed"), value.get("bonus")
    if [percent, fixed, bonus].count(None) != 2:
        raise BadAmendment("bad_value", "a discount has one of percent, fixed and bonus")
    if bonus is not None:
        fixed = bonus
    code = str(value.get("code") or f"d{len(terms.discounts) + 1}")
    until = value.get("until")
    added = Discount(
        code=code,
        percent=None if percent is None else parse_decimal(percent),
        fixed=None if fixed is None else parse_decimal(fixed),
        price=None if value.get("price") is None else str(value["price"]),
        since=since,
        until=None if until is None else datetime.fromisoformat(str(until)),
        periods=None if value.get("periods") is None else int(str(value["periods"])),
        balance=bonus is not None,
    )
    kept = tuple(one for one in terms.discounts if one.code != code)
    return replace(terms, discounts=(*kept, added))


def _with_add_on(terms: Terms, value: object) -> Terms:
    given = _mapping(value) if isinstance(value, Mapping) else {"plan": value}
    plan, quantity = str(given["plan"]), parse_decimal(given.get("quantity", 1))
    kept = tuple(one for one in terms.add_ons if one[0] != plan)
    return replace(terms, add_ons=kept if not quantity else (*kept, (plan, quantity)))


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise BadAmendment("bad_value", f"expected an object, not {value!r}")
    return value
