"""A price that is no more from a day on: its line ends there, what was billed stays billed."""

from tests.scenarios.company import CATALOGUE, Company

END = """\
[[plan.price]]
code = "calls"
effective = "2026-10-16"
ends = true
"""


LITE = '[[plan]]\ncode = "lite"'


def ended(end: str) -> str:
    """The usual catalogue, in which the calls of plan pro end."""
    assert CATALOGUE.count(LITE) == 1
    return CATALOGUE.replace(LITE, end + LITE)


def _lines(company: Company, month: str) -> list[tuple[str, str, str]]:
    said = company.bill(month)
    return [
        (line["subscription"], line["price"], line["net"])
        for one in said.document["invoices"]
        for line in one["lines"]
    ]


def test_a_price_ends_on_its_day_and_usage_after_it_waits_in_sight(company: Company) -> None:
    """a-1 used 1 000 calls by the 16th and 500 after it, at 0.10; the fee goes on."""
    company.write(
        "usage/calls.csv",
        """\
id,time,subscription,meter,value
1,2026-10-05T10:00:00,a-1,calls,1000
2,2026-10-20T10:00:00,a-1,calls,500
""",
    )
    company.write("catalogue.toml", ended(END))
    said = company.bill("2026-10")
    (fault,) = said.document["faults"]
    assert (fault["code"], said.waiting) == ("unpriced_usage", 1)
    (alfa,) = [one for one in said.document["invoices"] if one["customer"] == "alfa"]
    calls = [line["net"] for line in alfa["lines"] if line["price"] == "calls"]
    assert calls == ["100.00"]
    assert "calls" not in {price for _, price, _ in _lines(company, "2026-11")}


def test_an_end_needs_its_day(company: Company) -> None:
    company.write("catalogue.toml", ended(END.replace('effective = "2026-10-16"\n', "")))
    (fault,) = company.bill("2026-10").document["faults"]
    assert (fault["code"], fault["field"]) == ("missing_value", "plan[pro].price[calls].effective")
