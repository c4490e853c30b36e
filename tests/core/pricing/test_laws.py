"""Laws that hold for every price: no unit lost, zero is zero, monotone, splits telescope."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from kvit.core.pricing import Price, Quantity, evaluate, parse_price

F = Fraction

units = st.fractions(min_value=0, max_value=10_000, max_denominator=1000)


def decimal(low: int, high: int, places: int = 2) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda n: f"{n // 10**places}.{n % 10**places:0{places}}")


@st.composite
def tiered(draw: st.DrawFn, models: tuple[str, ...] = ("graduated", "volume")) -> Price:
    bounds = sorted(draw(st.sets(st.integers(1, 5000), max_size=5)))
    tiers = []
    for bound in [*bounds, None]:
        tier: dict[str, object] = {"unit": draw(decimal(0, 999)), "up_to": bound}
        if draw(st.booleans()):
            tier["flat"] = draw(decimal(0, 9999))
        if draw(st.booleans()):
            tier["cap"] = draw(decimal(0, 99999))
        tiers.append(tier)
    return parse_price({"model": draw(st.sampled_from(models)), "tiers": tiers})


@st.composite
def blocks(draw: st.DrawFn) -> Price:
    tiers: list[dict[str, object]] = [
        {
            "size": draw(decimal(1, 9999)),
            "unit": draw(decimal(0, 999)),
            "max_blocks": draw(st.integers(1, 9)),
        }
        for _ in range(draw(st.integers(1, 4)))
    ]
    return parse_price(
        {"model": "blocks", "tiers": tiers, "mode": draw(st.sampled_from(["all", "top"]))}
    )


@st.composite
def packages(draw: st.DrawFn) -> Price:
    return parse_price(
        {
            "model": "package",
            "size": draw(decimal(1, 9999)),
            "amount": draw(decimal(0, 9999)),
            "free_units": draw(decimal(0, 9999)),
        }
    )


@st.composite
def bounded(draw: st.DrawFn) -> Price:
    inner = draw(st.one_of(tiered(), blocks(), packages()))
    document = inner.document()
    for name in ("minimum", "maximum"):
        if draw(st.booleans()):
            document[name] = draw(decimal(0, 999999))
    if draw(st.booleans()):
        document["discount_percent"] = draw(decimal(0, 10000))
    if draw(st.booleans()):
        return parse_price(
            {"model": "allowance", "included": draw(decimal(0, 99999)), "price": document}
        )
    return parse_price(document)


def cost(price: Price, used: F) -> F:
    return evaluate(price, Quantity(used)).exact


@given(bounded(), units)
def test_no_unit_is_lost_and_steps_add_up(price: Price, used: F) -> None:
    priced = evaluate(price, Quantity(used))
    assert sum((step.units for step in priced.steps), F(0)) == used == priced.units
    assert sum((step.exact for step in priced.steps), F(0)) == priced.exact


@given(st.one_of(tiered(), blocks(), packages()))
def test_zero_is_zero(price: Price) -> None:
    assert cost(price, F(0)) == 0


@given(st.one_of(tiered(models=("graduated",)), packages()), units, units)
def test_using_more_never_costs_less(price: Price, one: F, other: F) -> None:
    assert cost(price, min(one, other)) <= cost(price, max(one, other))


@given(bounded(), st.lists(units, min_size=1, max_size=4))
def test_splitting_a_period_never_changes_its_sum(price: Price, parts: list[F]) -> None:
    # Zero units before count as nothing before: the first increment carries what zero costs.
    parts = [part for part in parts if part] or [F(1)]
    before = Quantity()
    charged = F(0)
    for part in parts:
        priced = evaluate(price, Quantity(part), already=before)
        assert sum((step.exact for step in priced.steps), F(0)) == priced.exact
        assert priced.units == part
        charged += priced.exact
        before += Quantity(part)
    assert charged == cost(price, sum(parts, F(0)))


@given(bounded())
def test_a_document_is_read_back_as_the_same_price(price: Price) -> None:
    again = parse_price(price.document())
    assert again == price
    assert hash(again) == hash(price)
    assert again.document() == price.document()


@given(tiered(models=("graduated",)), st.integers(0, 300))
def test_agrees_with_pricing_unit_by_unit_where_nothing_is_flat(price: Price, used: int) -> None:
    tiers = [{**t, "flat": "0", "cap": None} for t in price.document()["tiers"]]

    def unit_price(unit: int) -> F:
        return next(F(t["unit"]) for t in tiers if t.get("up_to") is None or unit <= F(t["up_to"]))

    plain = parse_price({"model": "graduated", "tiers": tiers})
    assert cost(plain, F(used)) == sum((unit_price(u) for u in range(1, used + 1)), F(0))


@given(st.lists(st.integers(0, 100_000), max_size=8), st.integers(0, 8))
def test_percentages_telescope_over_events(cents: list[int], cut: int) -> None:
    price = parse_price(
        {
            "model": "percentage",
            "rate": "2.9",
            "fixed": "0.3",
            "free_events": "3",
            "free_amount": "500",
            "event_max": "20",
        }
    )
    events = tuple(F(c, 100) for c in cents)
    first, rest = Quantity(events=events[:cut]), Quantity(events=events[cut:])
    whole = evaluate(price, Quantity(events=events)).exact
    earlier = evaluate(price, first).exact
    assert earlier + evaluate(price, rest, already=first).exact == whole
