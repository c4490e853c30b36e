"""Prices: models → the normal form → one evaluator.

    price = parse_price({"model": "graduated", "tiers": [{"up_to": "100", "unit": "2"}, …]})
    evaluate(price, Quantity(units=Fraction(250))).exact

A new model is one file beside these and one line in `registry.py`.
"""

from kvit.core.pricing.compiled import Compiled
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.evaluator import evaluate
from kvit.core.pricing.price import Price, compile_price, parse_price
from kvit.core.pricing.quantity import PricedEvent, Quantity, Reading, Session, UsageItem
from kvit.core.pricing.registry import MODELS
from kvit.core.pricing.steps import Priced, Step

__all__ = [
    "MODELS",
    "Compiled",
    "Price",
    "PriceError",
    "Priced",
    "PricedEvent",
    "Quantity",
    "Reading",
    "Session",
    "Step",
    "UsageItem",
    "compile_price",
    "evaluate",
    "parse_price",
]
