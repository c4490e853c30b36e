"""A change that leaves changes.csv holds on, in sight, until `--take folder` withdraws it.

alfa's fee of 1 000.00, −50 % from 1 October: 500.00. The row is removed again.
"""

import pytest

from tests.scenarios.company import Company

HEAD = "subscription,at,change,value,reason\n"
HALF = 'a-1,2026-10-01,discount,"{""percent"": ""50""}",\n'


@pytest.fixture
def halved(company: Company) -> Company:
    company.write("changes.csv", HEAD + HALF)
    assert company.bill(dry_run=False).lines("alfa")["Плата"] == ("1", "500.00")
    company.write("changes.csv", HEAD)
    return company


def test_a_removed_change_holds_on_and_is_told(halved: Company) -> None:
    said = halved.bill("2026-11")
    assert said.status == 0
    assert [one["code"] for one in said.document["notices"]] == ["changes_gone"]
    assert said.lines("alfa")["Плата"] == ("1", "500.00")


def test_the_folder_withdraws_it_when_asked(halved: Company) -> None:
    said = halved.bill("2026-11", take_folder=True)
    assert said.document["notices"] == []
    assert said.lines("alfa")["Плата"] == ("1", "1000.00")
    assert said.lines("alfa")["Перерасчёт за октябрь 2026 г.: Плата"] == ("0", "500.00")
    again = halved.bill("2026-11")
    assert (again.new, again.document["notices"]) == (set(), [])


def test_a_withdrawn_change_may_come_back(halved: Company) -> None:
    halved.bill("2026-11", take_folder=True)
    halved.write("changes.csv", HEAD + HALF)
    said = halved.bill("2026-12")
    assert said.lines("alfa")["Плата"] == ("1", "500.00")
