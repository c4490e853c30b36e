"""A small sound company folder that tests break in one place."""

from pathlib import Path

from kvit.adapters.folder import read_folder
from kvit.integrations.port import CompanyFolder, Fault

COMPANY = """\
[company]
code = "north"
name = "ООО «Север»"
currency = "RUB"
zone = "Europe/Moscow"
language = "ru"
[policy]
vat_rounding = "document"
late_events = "correction"
[[seller]]
code = "main"
name = "ООО «Север»"
inn = "7701234560"
kpp = "770101001"
bik = "044525901"
account = "40702810000000001234"
correspondent = "30101810300000000901"
[[seller]]
code = "second"
name = "ООО «Юг»"
vat = "none"
"""
CATALOGUE = """\
[[meter]]
code = "calls"
name = "Вызовы"
dimensions = ["region"]
[[meter]]
code = "users"
name = "Люди"
aggregation = "unique"
[[plan]]
code = "basic"
name = "Базовый"
[[plan.price]]
code = "fee"
price = { model = "flat", amount = "100.00" }
[[plan.price]]
code = "use"
meter = "calls"
price = { model = "per_unit", unit = "0.5" }
examples = [ { units = "3", amount = "1.50" } ]
[[plan]]
code = "big"
name = "Большой"
seller = "second"
[[plan.price]]
code = "fee"
price = { model = "flat", amount = "900.00" }
[[coupon]]
code = "SPRING"
percent = "10"
"""
CUSTOMERS = """\
code,name,kind,phone,zone
alfa,ООО «Альфа»,company,+7 900 123-45-67,
beta,Борис,person,,Asia/Vladivostok
"""
SUBSCRIPTIONS = """\
code,customer,plan,start,quantity
a-1,alfa,basic,2026-10-01,2
b-1,beta,basic,2026-10-01,
b-2,beta,big,2026-10-01,
"""
USAGE = """\
id,time,subscription,meter,value,region
u1,2026-10-05T12:00:00,a-1,calls,3,eu
u2,2026-10-05T12:00:00,b-1,calls,1.5,
"""
FILES = {
    "company.toml": COMPANY,
    "catalogue.toml": CATALOGUE,
    "customers.csv": CUSTOMERS,
    "subscriptions.csv": SUBSCRIPTIONS,
    "usage/calls.csv": USAGE,
}


class Company:
    """The folder on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for file, text in FILES.items():
            self.write(file, text)

    def write(self, file: str, content: str | bytes) -> Path:
        """Write a file of the folder."""
        path = self.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a text that stands in the file exactly once."""
        text = (self.path / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, (file, old)
        self.write(file, text.replace(old, new))

    def append(self, file: str, text: str) -> None:
        """Write at the end of a file."""
        path = self.path / file
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        self.write(file, before + text)

    def read(self) -> CompanyFolder:
        """Read the folder."""
        return read_folder(self.path)

    def usage(self) -> list[object]:
        """Everything that all usage files yield."""
        return [item for source in self.read().usage for item in source.rows()]


def where(fault: Fault) -> tuple[str, str, int | None, str]:
    """What identifies a fault in an assertion."""
    return fault.code, fault.place.file, fault.place.row, fault.place.field
