"""Small company folders for tests of the contract: one customer, and what a test is about."""

from pathlib import Path

from tests.scenarios.company import Company, Said

COMPANY = """\
[company]
code = "folder"
name = "ООО «Папка»"
currency = "RUB"
zone = "Europe/Moscow"
[policy]
vat_rounding = "{rounding}"
late_events = "{late}"
[[seller]]
code = "main"
name = "ООО «Папка»"
{seller}
"""
USAGE = "id,time,subscription,meter,value\n"
PER_UNIT = '{ model = "per_unit", unit = "1" }'


def meter(code: str = "m", aggregation: str = "sum", more: str = "") -> str:
    return f'[[meter]]\ncode = "{code}"\nname = "{code}"\naggregation = "{aggregation}"\n{more}\n'


def plan(code: str, more: str = "") -> str:
    return f'[[plan]]\ncode = "{code}"\nname = "{code}"\n{more}\n'


def price(code: str, document: str, meter: str = "", more: str = "") -> str:
    measured = f'meter = "{meter}"\n' if meter else ""
    return f'[[plan.price]]\ncode = "{code}"\n{measured}price = {document}\n{more}\n'


def fee(amount: str, code: str = "fee", more: str = "") -> str:
    return price(code, f'{{ model = "flat", amount = "{amount}" }}', more=more)


def folder(
    path: Path,
    catalogue: str,
    subscriptions: str = "s,c,p,2026-10-01\n",
    *,
    customers: str = "code,name,kind\nc,ООО «К»,company\n",
    changes: str = "",
    usage: str = "",
    rounding: str = "document",
    late: str = "open_period",
    seller: str = "",
) -> Company:
    """Write a folder; lists may leave their first line out where it is the usual one."""
    head = "" if subscriptions.startswith("code") else "code,customer,plan,start\n"
    files = {
        "company.toml": COMPANY.format(rounding=rounding, late=late, seller=seller),
        "catalogue.toml": catalogue,
        "customers.csv": customers,
        "subscriptions.csv": head + subscriptions,
    }
    if changes:
        files["changes.csv"] = "subscription,at,change,value,reason\n" + changes
    if usage:
        files["usage/u.csv"] = usage if usage.startswith("id") else USAGE + usage
    return Company(path / "folder", files)


def sums(said: Said) -> list[tuple[str, str, str, str]]:
    """Customer, net, VAT and total of each document."""
    return [
        (one["customer"], one["net"], one["vat"], one["total"]) for one in said.document["invoices"]
    ]


def nets(said: Said) -> list[tuple[str, str]]:
    """Price and net of each line, sorted."""
    return sorted(
        (line["price"], line["net"]) for one in said.document["invoices"] for line in one["lines"]
    )
