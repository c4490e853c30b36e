"""A composed price reads the customer: charges keep what they read, so that they explain
themselves when the customer is another."""

from kvit.core.catalogue import Meter, PlanTerms, PriceTerms
from kvit.core.pricing import parse_price
from kvit.parties import services as parties
from kvit.parties.rows import CustomerRow, Tenant
from kvit.rating.explain import explain
from kvit.rating.models import Charge
from kvit.rating.slowly import gross_slowly
from tests.scenarios.story import ACTOR, ZONE, Story

RULE = {
    "model": "composed",
    "expression": 'if(segment == "vip", units / 2, units)',
    "attributes": ["segment"],
}


def segment(story: Story, name: str) -> None:
    row = CustomerRow("alfa", "ООО «alfa»", zone=ZONE, segment=name)
    parties.apply_customers([row], actor=ACTOR, now=story.now, reason="story")


def test_a_billed_period_keeps_the_customer_it_was_billed_by(tenant: Tenant) -> None:
    """10 GB in October as a VIP: 5.00. No VIP from November on: 10.00 for 10 GB. 2 GB of October
    come late and cost what they would have cost then: 1.00."""
    story = Story()
    price = PriceTerms("net", "gb", "ГБ", parse_price(RULE), meter="gb", prorate="none")
    story.sell(Meter("gb", "", "ГБ", "sum"), PlanTerms("net", ""), price)
    story.customers("alfa")
    segment(story, "vip")
    story.at("2026-10-01").subscribe("s-1", "alfa", "net").use("s-1", "gb", 10)
    assert story.at("2026-11-01").bill("2026-10") == ["alfa gb 01.10…01.11 5.00"]
    segment(story, "std")
    story.use("s-1", "gb", 10).use("s-1", "gb", 2, on="2026-10-20")
    assert story.at("2026-12-01").bill("2026-11") == [
        "alfa gb 01.10…01.11 1.00",
        "alfa gb 01.11…01.12 10.00",
    ]
    found = [explain(key) for key in Charge.objects.values_list("pk", flat=True)]
    assert [one.agrees for one in found] == [True, True, True]
    assert [gross_slowly(one) == one.computed.gross for one in found if one.computed] == [True] * 3
    kept = sorted(next(iter(one.pins.given["about"].values()))["segment"] for one in found)
    assert kept == ["std", "vip", "vip"]
