"""The demo company to the kopeck, by the ordinary import: ../shared/mission/demo.md, A, C, D."""

from pathlib import Path
from typing import Any

import pytest

from kvit.web.examples import DEMO, example
from tests.scenarios.company import Company

EXPECTED = {
    "romashka": ("18155.81", "3994.28", "22150.09"),  # A
    "ivanova": ("6463.63", "0.00", "6463.63"),  # C
    "vektor": ("23544.00", "5179.68", "28723.68"),  # D, graduated
    "merkury": ("21384.00", "4704.48", "26088.48"),  # D, volume
}
LINES_OF_A = ["4838.71", "4387.10", "4000.00", "4930.00"]
LINES_OF_C = ["395.78", "3374.57", "1759.32", "933.96"]


@pytest.fixture
def demo(db: Any, file_store: Path) -> Company:
    return Company(example(DEMO), files={})


def test_the_demo_bills_october_to_the_kopeck(demo: Company) -> None:
    said = demo.bill()
    figures = {
        one["customer"]: (one["net"], one["vat"], one["total"]) for one in said.document["invoices"]
    }
    assert figures == EXPECTED
    assert (said.status, said.faults, said.waiting) == (0, [], 0)
    by_customer = {one["customer"]: one for one in said.document["invoices"]}
    assert [line["net"] for line in by_customer["romashka"]["lines"]] == LINES_OF_A
    assert [line["net"] for line in by_customer["ivanova"]["lines"]] == LINES_OF_C


def test_the_demo_run_again_changes_nothing(demo: Company) -> None:
    first, second = demo.bill(), demo.bill()
    assert second.new == set()
    assert first.new == set(EXPECTED)
    assert [{**one, "new": True} for one in second.document["invoices"]] == first.document[
        "invoices"
    ]


def test_each_invoice_has_a_pdf_and_an_act_under_its_number(
    demo: Company, file_store: Path
) -> None:
    said = demo.bill()
    folder = file_store.parent / "invoices" / "severny-kontur" / "2026-10"
    for one in said.document["invoices"]:
        assert one["pdf"] == str(folder / f"{one['number']}.pdf")
        assert Path(one["pdf"]).read_bytes().startswith(b"%PDF-")
        assert Path(one["act"]).read_bytes().startswith(b"%PDF-")
    assert len(list(folder.iterdir())) == 2 * len(EXPECTED)


def test_a_paper_that_somebody_removed_is_laid_out_again(demo: Company) -> None:
    paper = Path(demo.bill().document["invoices"][0]["pdf"])
    before = paper.read_bytes()
    paper.unlink()
    demo.bill()
    assert paper.read_bytes() == before
