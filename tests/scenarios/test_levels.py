"""A level goes on from month to month, whatever else the run has to look at again."""

from tests.scenarios.company import SUBSCRIPTIONS, Company

DISK = """\
[[meter]]
code = "storage"
name = "Хранилище"
aggregation = "time_weighted"
[[plan]]
code = "disk"
name = "Диск"
[[plan.price]]
code = "storage"
name = "Хранилище"
meter = "storage"
price = { model = "per_unit", unit = "10" }
"""
LEVEL = "id,time,subscription,meter,value\ns1,2026-10-20T00:00:00,b-1,storage,64\n"


def test_a_late_event_of_one_customer_loses_nobody_s_level(company: Company) -> None:
    """Found in November: usage was read from October on, and October's level fell through."""
    company.append("catalogue.toml", DISK)
    company.write("subscriptions.csv", SUBSCRIPTIONS.replace("b-1,beta,pro", "b-1,beta,disk"))
    company.write("usage/storage.csv", LEVEL)
    company.edit("usage/calls.csv", "u3,2026-10-07T12:00:00,b-1,calls,70\n", "")
    company.bill("2026-10")
    company.append("usage/calls.csv", "u9,2026-10-08T12:00:00,a-1,calls,10\n")
    assert company.bill("2026-11").lines("beta") == {"Хранилище": ("64", "640.00")}
