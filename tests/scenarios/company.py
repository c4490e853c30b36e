"""A company folder on disk that a scenario writes, bills, changes and bills again.

pro    fee 1 000.00 a month by days, calls at 0.10 each, users (the most at once) at 50.00
north  ООО «Север» (alfa), subscription a-1;  south  Борис (beta, a person), subscription b-1
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from kvit.core.periods import parse_billing_period
from kvit.parties import queries as parties
from kvit.web import invariants
from kvit.web.bill_json import document
from kvit.web.billing import BillAnswer, BillOptions, bill_folder

COMPANY = """\
[company]
code = "acme"
name = "ООО «Акме»"
currency = "RUB"
zone = "Europe/Moscow"
language = "ru"
[policy]
vat_rounding = "document"
late_events = "open_period"
[[seller]]
code = "main"
name = "ООО «Акме»"
inn = "7701234560"
kpp = "770101001"
"""
CATALOGUE = """\
[[meter]]
code = "calls"
name = "Вызовы"
[[meter]]
code = "users"
name = "Люди"
aggregation = "max"
[[meter]]
code = "spare"
name = "Ничей счётчик"
[[plan]]
code = "pro"
name = "Профи"
[[plan.price]]
code = "fee"
name = "Плата"
price = { model = "flat", amount = "1000.00" }
[[plan.price]]
code = "calls"
name = "Вызовы"
meter = "calls"
price = { model = "per_unit", unit = "0.10" }
[[plan.price]]
code = "users"
name = "Люди"
meter = "users"
price = { model = "per_unit", unit = "50" }
[[plan]]
code = "lite"
name = "Лёгкий"
[[plan.price]]
code = "fee"
name = "Плата"
price = { model = "flat", amount = "300.00" }
"""
CUSTOMERS = """\
code,name,kind,zone
alfa,ООО «Альфа»,company,
beta,Борис,person,Asia/Vladivostok
"""
SUBSCRIPTIONS = """\
code,customer,plan,start
a-1,alfa,pro,2026-10-01
b-1,beta,pro,2026-10-01
"""
USAGE = """\
id,time,subscription,meter,value
u1,2026-10-05T12:00:00,a-1,calls,1000
u2,2026-10-06T12:00:00,a-1,calls,500
u3,2026-10-07T12:00:00,b-1,calls,70
u4,2026-10-07T12:00:00,a-1,users,3
"""
FILES = {
    "company.toml": COMPANY,
    "catalogue.toml": CATALOGUE,
    "customers.csv": CUSTOMERS,
    "subscriptions.csv": SUBSCRIPTIONS,
    "usage/calls.csv": USAGE,
}


class Company:
    """The folder, and what billing it says."""

    def __init__(self, path: Path, files: dict[str, str] | None = None) -> None:
        self.path = path
        for file, text in (FILES if files is None else files).items():
            self.write(file, text)

    def write(self, file: str, text: str) -> None:
        path = self.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a text that stands in the file exactly once."""
        text = (self.path / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, (file, old)
        self.write(file, text.replace(old, new))

    def append(self, file: str, text: str) -> None:
        path = self.path / file
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        self.write(file, before + text)

    def answer(self, month: str = "2026-10", **options: Any) -> BillAnswer:
        """Bill the folder."""
        if isinstance(options.get("now"), str):
            options["now"] = datetime.fromisoformat(options["now"])
        window = parse_billing_period(month)
        return bill_folder(BillOptions(self.path, window, "cli:test", **options))

    def bill(self, month: str = "2026-10", **options: Any) -> "Said":
        """Bill the folder and return what `--json` would say."""
        answer = self.answer(month, **options)
        return Said(document(answer, month, options.get("lang", "ru")), answer)


def broken() -> list[str]:
    """Say what `kvit verify` would find: nothing, hopefully."""
    found = invariants.verify_database()
    for tenant in parties.tenants():
        report = invariants.verify_tenant(tenant, sample=30, seed="s", progress=lambda a, b: None)
        found += report.broken
    return [f"{one.code} {one.row}: {one.detail}" for one in found]


class Said:
    """The contract's answer, with short ways to what tests ask about."""

    def __init__(self, document: dict[str, Any], answer: BillAnswer) -> None:
        self.document, self.answer = document, answer
        self.status = answer.status
        self.waiting: int = document["waiting"]

    @property
    def totals(self) -> dict[str, str]:
        """The totals of a customer's documents of this period, corrections with their kind."""
        return {
            one["customer"] + ("" if one["kind"] == "invoice" else f" {one['kind']}"): one["total"]
            for one in self.document["invoices"]
        }

    @property
    def new(self) -> set[str]:
        return {one["customer"] for one in self.document["invoices"] if one["new"]}

    @property
    def faults(self) -> list[tuple[str, str, int | None]]:
        return [(one["code"], one["file"], one["row"]) for one in self.document["faults"]]

    def lines(self, customer: str) -> dict[str, tuple[str, str]]:
        """The lines of a customer's invoice: name → (units, net)."""
        return {
            line["name"]: (line["units"], line["net"])
            for one in self.document["invoices"]
            if one["customer"] == customer
            for line in one["lines"]
        }
