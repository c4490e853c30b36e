"""What a subscription's terms are at each moment: its first state and its amendments, folded.

A worked example. A subscription of plan "pro" starts on 1 September; on 16 October two
amendments take effect at one moment, a discount of 15 % and five seats instead of three:

    [1 Sep, 16 Oct)   pro, 3 seats
    [16 Oct, …)       pro, 5 seats, −15 %

Amendments of one moment are applied together, by their kind (`CHANGES`) and not by the order of a
file; of two of one kind the one recorded later has the last word. An amendment that was recorded
later but counts from an earlier day simply stands earlier in the fold, so a backdated change needs
no code of its own.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import count, groupby
from typing import Literal

from kvit.core.money import exact_text, parse_decimal
from kvit.core.pricing import parse_price
from kvit.core.wording import Words, say

State = Literal["active", "paused", "ended"]
# The order in which changes of one moment are applied: a state change has the last word.
CHANGES = (
    "restate", "plan", "quantity", "transfer", "scheme", "terms", "discount", "coupon", "addon",
    "trial", "milestone", "resume", "pause", "cancel",
)  # fmt: skip

_WHOLE = 100  # percent


WORDS: Words = {
    "nothing_withdrawn": (
        "изменения с номером {numbers} нет, отменять нечего",
        "there is no change number {numbers} to withdraw",
    ),
    "withdraw_number": (
        "отменяемое изменение называют его номером, а не «{value}»",
        "a change to withdraw is named by its number, not by “{value}”",
    ),
    "unknown_change": (
        "такого вида изменения нет: «{change}»",
        "there is no change of the kind “{change}”",
    ),
    "ended": (
        "в этот день подписка уже завершена; сначала возобновите её или поставьте день раньше",
        "the subscription has ended by that day; resume it first, or give an earlier day",
    ),
    "discount_kind": (
        "у скидки что-то одно: percent, fixed или bonus",
        "a discount has one of percent, fixed and bonus",
    ),
    "discount_percent": (
        "скидка не бывает больше 100 %, а здесь {percent} %",
        "a discount is at most 100 %, and this one is {percent} %",
    ),
    "discount_periods": (
        "скидка действует хотя бы один период, а здесь {periods}",
        "a discount lasts one period at least, and this one {periods}",
    ),
    "add_on_plan": ("у дополнения должен быть назван тариф", "an add-on names its plan"),
    "object_wanted": (
        "ожидается объект {{ … }}, а здесь {value}",
        "an object {{ … }} is expected, not {value}",
    ),
    "below_zero": ("{value} меньше нуля", "{value} is below zero"),
    "no_zone": (
        "у момента {value} нет часового пояса: 2026-10-16T00:00:00+03:00",
        "the moment {value} has no time zone: 2026-10-16T00:00:00+03:00",
    ),
}


class BadAmendment(ValueError):
    """The amendment does not fit the subscription as it stands at that moment.

    `code` is one of: unknown_change, ended, bad_value. `said` is why, in Russian and English.
    """

    def __init__(self, code: str, reason: str, **params: object) -> None:
        self.said = say(WORDS, reason, "ru", **params), say(WORDS, reason, "en", **params)
        super().__init__(f"{code}: {self.said[1]}")
        self.code = code


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
    attributes: Mapping[str, str] = field(default_factory=dict)  # what composed prices may read


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
        Spells. What counts from before the start counts from the start; after an "ended" spell
        only a "resume" may follow.

    Raises:
        BadAmendment: an amendment stands after the end, or has a bad value.
    """
    standing = _standing(amendments)
    for amendment in sorted(standing, key=lambda one: one.number):
        if amendment.change == "restate":
            given = _mapping(amendment.value).get("end")
            end = None if given is None else _moment(given)
    if end is not None:
        standing.append(Amendment(0, end, "cancel"))
    spells = [Spell(start, None, first)]
    standing.sort(key=lambda one: _place(one, start))
    for at, changes in groupby(standing, key=lambda one: _place(one, start)[0]):
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
    return tuple((one.at, str(one.value)) for one in sorted(reached, key=_when))


def counts_from(amendments: Iterable[Amendment]) -> tuple[tuple[int, datetime], ...]:
    """Return (number, first moment whose terms it may have changed) of each amendment.

    A withdrawal reaches back to what it withdraws, a restatement to the beginning.
    """
    told = list(amendments)
    moments = {one.number: one.at for one in told}
    found = []
    for one in told:
        at = one.at
        if one.change == "withdraw":
            at = min(at, moments.get(_withdrawn(one), at))
        elif one.change == "restate":
            at = datetime.min.replace(tzinfo=UTC)
        moments[one.number] = at
        found.append((one.number, at))
    return tuple(found)


def together(amendment: Amendment) -> tuple[bool, datetime, int, bool, str]:
    """Return the sort key by which amendments recorded in one set are numbered.

    It reads their content alone, so the order of a file's rows cannot matter: withdrawals come
    first, and what takes a discount away comes before what gives one.
    """
    value = amendment.value
    gives = not (isinstance(value, Mapping) and "remove" in value)
    written = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return (amendment.change != "withdraw", amendment.at, _rank(amendment), gives, written)


def _standing(amendments: Iterable[Amendment]) -> list[Amendment]:
    told = list(amendments)
    known = {one.number for one in told if one.change != "withdraw"}
    withdrawn = {_withdrawn(one) for one in told if one.change == "withdraw"}
    if not withdrawn <= known:
        raise BadAmendment("bad_value", "nothing_withdrawn", numbers=_numbers(withdrawn - known))
    return [one for one in told if one.change != "withdraw" and one.number not in withdrawn]


def _withdrawn(amendment: Amendment) -> int:
    number = str(amendment.value)
    if not number.isascii() or not number.isdigit():
        raise BadAmendment("bad_value", "withdraw_number", value=number[:40])
    return int(number)


def _place(amendment: Amendment, start: datetime) -> tuple[datetime, int, int]:
    at = start if amendment.change == "restate" else max(amendment.at, start)
    return (at, _rank(amendment), amendment.number)


def _when(amendment: Amendment) -> tuple[datetime, int]:
    return (amendment.at, amendment.number)


def _rank(amendment: Amendment) -> int:
    if amendment.change == "withdraw":
        return -1
    if amendment.change not in CHANGES:
        raise BadAmendment("unknown_change", "unknown_change", change=amendment.change)
    return CHANGES.index(amendment.change)


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
        raise BadAmendment("ended", "ended")
    match amendment.change:
        case "restate":
            return _restated(terms, _mapping(value))
        case "plan":
            return replace(terms, plan=str(value))
        case "quantity":
            return replace(terms, quantity=_not_negative(value))
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
            return replace(terms, trial_until=_moment(value))
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
        quantity=_not_negative(value["quantity"]) if "quantity" in value else terms.quantity,
        scheme=terms.scheme,
    )
    return with_terms(fresh, _mapping(value.get("terms") or {}), since=None)


def with_terms(terms: Terms, value: Mapping[str, object], *, since: datetime | None) -> Terms:
    """Merge a `terms` document: price codes replace prices (null puts the plan's own back).

    `discount` adds one (or a list), `pin` fixes the day whose prices hold, `attributes` are what
    composed prices may read (null takes one away).
    """
    overrides = dict(terms.overrides)
    for key, given in value.items():
        if key == "discount":
            many = given if isinstance(given, list) else [given]
            for one in many:
                terms = _discounted(terms, _mapping(one), since)
        elif key == "pin":
            terms = replace(terms, pinned_on=None if given is None else _day(given))
        elif key == "attributes":
            merged = {**terms.attributes, **_mapping(given or {})}
            told = {name: str(one) for name, one in merged.items() if one is not None}
            terms = replace(terms, attributes=told)
        elif given is None:
            overrides.pop(key, None)
        else:
            overrides[key] = _mapping(given)
    return replace(terms, overrides=overrides)


def check_prices(terms: Terms) -> None:
    """Raise `PriceError` unless every price that replaces one of the plan can be read."""
    for code, document in terms.overrides.items():
        parse_price(document, path=code)


def _discounted(terms: Terms, value: Mapping[str, object], since: datetime | None) -> Terms:
    if "remove" in value:
        gone = str(value["remove"])
        kept = tuple(one for one in terms.discounts if gone not in ("all", one.code))
        return replace(terms, discounts=kept)
    percent, fixed, bonus = value.get("percent"), value.get("fixed"), value.get("bonus")
    if [percent, fixed, bonus].count(None) != 2:
        raise BadAmendment("bad_value", "discount_kind")
    if bonus is not None:
        fixed = bonus
    taken = {one.code for one in terms.discounts}
    free = next(code for place in count(1) if (code := f"d{place}") not in taken)
    code = str(value.get("code") or free)
    until, periods = value.get("until"), value.get("periods")
    if percent is not None and _not_negative(percent) > _WHOLE:
        raise BadAmendment("bad_value", "discount_percent", percent=percent)
    if periods is not None and _not_negative(periods) < 1:
        raise BadAmendment("bad_value", "discount_periods", periods=periods)
    added = Discount(
        code=code,
        percent=None if percent is None else parse_decimal(percent),
        fixed=None if fixed is None else _not_negative(fixed),
        price=None if value.get("price") is None else str(value["price"]),
        since=since,
        until=None if until is None else _moment(until),
        periods=None if periods is None else int(str(periods)),
        balance=bonus is not None,
    )
    kept = tuple(one for one in terms.discounts if one.code != code)
    return replace(terms, discounts=(*kept, added))


def _with_add_on(terms: Terms, value: object) -> Terms:
    given = _mapping(value) if isinstance(value, Mapping) else {"plan": value}
    if not given.get("plan"):
        raise BadAmendment("bad_value", "add_on_plan")
    plan, quantity = str(given["plan"]), _not_negative(given.get("quantity", 1))
    kept = tuple(one for one in terms.add_ons if one[0] != plan)
    return replace(terms, add_ons=kept if not quantity else (*kept, (plan, quantity)))


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise BadAmendment("bad_value", "object_wanted", value=str(value)[:40])
    return value


def _not_negative(value: object) -> Fraction:
    number = parse_decimal(value)
    if number < 0:
        raise BadAmendment("bad_value", "below_zero", value=value)
    return number


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise BadAmendment("bad_value", "no_zone", value=value)
    return moment


def _day(value: object) -> str:
    return date.fromisoformat(str(value)).isoformat()


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
