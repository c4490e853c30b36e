"""A price in a few words, for lists: «990 ₽», «0,50 ₽ за ГБ», «до 100 — 0,10 ₽, далее 0,05 ₽»,
«base × 1,08, где base: до 10 — 1 850 ₽, далее 1 650 ₽».

What has no short form is called by its model; the composer and the explanation say the rest.
"""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from kvit.core.pricing.allowance import Allowance
from kvit.core.pricing.composed import Composed
from kvit.core.pricing.flat import Flat
from kvit.core.pricing.graduated import Graduated
from kvit.core.pricing.labels import model_label
from kvit.core.pricing.package import Package
from kvit.core.pricing.per_unit import PerUnit
from kvit.core.pricing.percentage import Percentage
from kvit.core.pricing.price import Price
from kvit.core.pricing.stairstep import Stairstep
from kvit.core.pricing.tiers import Tier
from kvit.core.pricing.volume import Volume
from kvit.core.units import of_units, per_unit, unit_after
from kvit.core.wording import MINUS, Words, number_text, rate_text, say

SHOWN_TIERS = 3
SHOWN_FORMULA = 60
"""A longer formula is called by its model."""

_NUMBER_OR_NAME = re.compile(r"\d+(?:\.\d+)?|\b(?:units|quantity)\b|[*-]|\"[^\"]*\"|'[^']*'")
WORDS: Words = {
    "per_unit": ("{rate} за {unit}", "{rate} per {unit}"),
    "piece": ("единицу", "unit"),
    "to": ("до {bound} — {rate}", "{rate} up to {bound}"),
    "further": ("далее {rate}", "then {rate}"),
    "more": ("ещё {n}", "{n} more"),
    "all_at": ("всё по одной: {tiers}", "all at one: {tiers}"),
    "package": ("{rate} за {size} {unit}", "{rate} for {size} {unit}"),
    "percent": ("{percent} %", "{percent}%"),
    "percent.fee": ("{percent} % + {fee}", "{percent}% + {fee}"),
    "allowance": (
        "{included} {unit} включено, сверх: {price}", "{included} {unit} included, then {price}",
    ),
    "quantity": ("количество", "quantity"),
    "where": ("{formula}, где {parts}", "{formula}, where {parts}"),
    "minimum": ("не меньше {sum}", "at least {sum}"),
    "maximum": ("не больше {sum}", "at most {sum}"),
    "discount": ("−{percent} %", "−{percent}%"),
}  # fmt: skip


def in_words(price: Price, *, unit: str, currency: str, lang: str) -> str:
    """Say a price in a few words; `unit` is what one unit is called, "" for no name."""
    parts = [_own(price, unit, currency, lang)]
    if price.discount_percent:
        parts.append(say(WORDS, "discount", lang, percent=price.discount_percent))
    for name, bound in (("minimum", price.minimum), ("maximum", price.maximum)):
        if bound is not None:
            parts.append(say(WORDS, name, lang, sum=rate_text(bound, currency, lang)))
    return ", ".join(parts)


def _own(price: Price, unit: str, currency: str, lang: str) -> str:
    def money(rate: Fraction) -> str:
        return rate_text(rate, currency, lang)

    match price:
        case Flat():
            return money(price.amount)
        case PerUnit():
            named = per_unit(unit) or say(WORDS, "piece", lang)
            return say(WORDS, "per_unit", lang, rate=money(price.unit), unit=named)
        case Graduated():
            return _tiers([(one.up_to, _rate(one, money)) for one in price.tiers], lang)
        case Volume():
            told = _tiers([(one.up_to, _rate(one, money)) for one in price.tiers], lang)
            return say(WORDS, "all_at", lang, tiers=told)
        case Stairstep():
            return _tiers([(one.up_to, money(one.amount)) for one in price.tiers], lang)
        case Package():
            rate = money(price.amount)
            named = of_units(price.size, unit)
            return say(WORDS, "package", lang, rate=rate, size=price.size, unit=named).strip()
        case Percentage():
            key = "percent.fee" if price.fixed else "percent"
            return say(WORDS, key, lang, percent=price.rate, fee=money(price.fixed))
        case Allowance():
            inner = _own(price.price, unit, currency, lang)
            named = unit_after(price.included, unit)
            return say(
                WORDS, "allowance", lang, included=price.included, unit=named, price=inner
            ).replace("  ", " ")
        case Composed() if len(price.expression) <= SHOWN_FORMULA:
            formula = _formula(price.expression, lang)
            parts = "; ".join(
                f"{name}: {in_words(part, unit=unit, currency=currency, lang=lang)}"
                for name, part in price.parts
            )
            return say(WORDS, "where", lang, formula=formula, parts=parts) if parts else formula
    return model_label(price.model, lang)


def _formula(expression: str, lang: str) -> str:
    """Write an expression as people write formulas; what is quoted stands as it is."""

    def shown(found: re.Match[str]) -> str:
        text = found.group()
        if text[0].isdigit():
            return number_text(Fraction(text), lang)
        if text in ("units", "quantity"):
            return say(WORDS, "quantity", lang)
        return {"*": "×", "-": MINUS}.get(text, text)

    return _NUMBER_OR_NAME.sub(shown, expression)


def _rate(tier: Tier, money: Callable[[Fraction], str]) -> str:
    return f"{money(tier.unit)} + {money(tier.flat)}" if tier.flat else money(tier.unit)


def _tiers(tiers: Sequence[tuple[Fraction | None, str]], lang: str) -> str:
    shown = [
        say(WORDS, "further", lang, rate=rate)
        if bound is None and place
        else rate
        if bound is None
        else say(WORDS, "to", lang, bound=number_text(bound, lang), rate=rate)
        for place, (bound, rate) in enumerate(tiers[:SHOWN_TIERS])
    ]
    if len(tiers) > SHOWN_TIERS:
        shown.append(say(WORDS, "more", lang, n=len(tiers) - SHOWN_TIERS))
    return ", ".join(shown)
