"""Rating as a service: one transaction a chunk, and the same sums however it is cut or killed."""

import pytest

from kvit.core.catalogue import Meter, PlanTerms
from kvit.parties.rows import Tenant
from kvit.rating import services
from kvit.rating.models import Charge, RatedPeriod
from tests.scenarios.story import Story, price


@pytest.fixture
def story(tenant: Tenant) -> Story:
    made = Story().sell(
        Meter("calls", "Вызовы", "вызов", "sum"),
        PlanTerms("pro", "Профи"),
        price("pro", "fee", {"model": "flat", "amount": "3100.00"}),
        price("pro", "calls", {"model": "per_unit", "unit": "0.10"}, meter="calls"),
    )
    made.customers("alfa", "beta").at("2026-10-01")
    for place, code in enumerate(["s-1", "s-2", "s-3"], 1):
        made.subscribe(code, "alfa" if place < 3 else "beta", "pro").use(code, "calls", place * 10)
    return made


def charged() -> list[tuple[str, str, int]]:
    rows = Charge.objects.order_by("subscription_code", "price_key", "starts_at", "revision")
    return list(rows.values_list("subscription_code", "price_key", "amount_minor"))


WHOLE = [
    (f"s-{place}", key, minor)
    for place in (1, 2, 3)
    for key, minor in (("calls", place * 100), ("fee", 310_000))
]


@pytest.mark.parametrize("chunk", [1, 2, 500])
def test_chunks_of_any_size_charge_the_same(story: Story, chunk: int) -> None:
    story.at("2026-11-01").bill("2026-10", chunk=chunk)
    assert charged() == WHOLE


def test_a_run_that_dies_in_a_chunk_leaves_whole_chunks_and_goes_on(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = services.write, []

    def failing(*args: object) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise OSError("disk full")
        real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(services, "write", failing)
    with pytest.raises(OSError, match="disk full"):
        story.at("2026-11-01").run("2026-10", chunk=1)
    assert charged() == WHOLE[:2]
    assert RatedPeriod.objects.count() == 1
    monkeypatch.setattr(services, "write", real)
    assert len(story.bill("2026-10", chunk=1)) == 6
    assert charged() == WHOLE


def test_the_memory_of_a_period_counts_its_events(story: Story) -> None:
    story.at("2026-11-01").bill("2026-10")
    told = RatedPeriod.objects.values_list("events", "uncovered", "period_start", "period_end")
    assert {(events, str(start), str(end)) for events, _, start, end in told} == {
        (1, "2026-10-01", "2026-11-01")
    }
    assert not any(uncovered for _, uncovered, _, _ in told)


def test_what_is_charged_keeps_its_pins(story: Story) -> None:
    story.at("2026-11-01").bill("2026-10")
    story.at("2026-11-05").change("s-1", "quantity", "2", since="2026-10-05")
    story.use("s-1", "calls", 5, on="2026-10-06")
    story.at("2026-12-01").bill("2026-11")
    first, late = Charge.objects.filter(
        subscription_code="s-1", price_key="calls", period_start="2026-10-01"
    ).order_by("revision")
    assert (first.revision, first.terms_number, first.units, first.amount_minor) == (0, 0, 10, 100)
    assert (late.revision, late.terms_number, late.units, late.amount_minor) == (1, 1, 5, 50)
    assert late.usage_version > first.usage_version
    assert late.exact_num / late.exact_den == 15 / 10
