"""What the generated company must be billed, in plain fractions: knows nothing of Kvit."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction

from generate import Event

FEE = 99_000  # kopecks
VAT = Fraction(22, 100)


def totals(subscriptions: int, rows: Iterable[Event]) -> dict[str, int]:
    """Return the total of each customer's invoice in kopecks, VAT included."""
    sums: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for one in rows:
        used, value = sums[one.subscription], Fraction(one.value)
        if one.meter == "storage":
            used["storage"] = max(used["storage"], value)
        else:
            used[one.meter] += value if one.meter != "logins" else 1
    return {f"c{n}": _total(sums[f"s{n}"]) for n in range(subscriptions)}


def _total(used: Mapping[str, Fraction]) -> int:
    roubles = (
        _calls(used["calls"]),
        used["messages"] * Fraction("0.0375"),
        used["storage"] * (Fraction("0.5") if used["storage"] <= 100 else Fraction("0.333")),
        math.ceil(used["logins"] / 10) * Fraction("3.10"),
    )
    net = FEE + sum(half_up(one * 100) for one in roubles)
    return net + half_up(net * VAT)


def _calls(units: Fraction) -> Fraction:
    cheap = min(max(units - 1000, Fraction(0)), Fraction(4000)) * Fraction("0.02")
    return cheap + max(units - 5000, Fraction(0)) * Fraction("0.015")


def half_up(number: Fraction) -> int:
    return math.floor(number + Fraction(1, 2))
