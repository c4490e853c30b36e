"""Reading a company folder: everything is read, everything wrong is told, nothing is changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kvit.adapters.folder.catalogue import CatalogueRead, read_catalogue
from kvit.adapters.folder.changes import CHANGE_COLUMNS, CHANGE_REQUIRED, read_changes
from kvit.adapters.folder.company import read_company, read_sellers
from kvit.adapters.folder.customers import (
    CALENDAR_COLUMNS,
    CUSTOMER_COLUMNS,
    CUSTOMER_REQUIRED,
    read_calendar,
    read_customers,
)
from kvit.adapters.folder.mapping import Layout, World, read_mapping, standard_layout
from kvit.adapters.folder.references import check_references
from kvit.adapters.folder.subscriptions import (
    SUBSCRIPTION_COLUMNS,
    SUBSCRIPTION_REQUIRED,
    read_subscriptions,
)
from kvit.adapters.folder.suggest import closest, shown
from kvit.adapters.folder.tables import Table
from kvit.adapters.folder.textfile import FileFault
from kvit.adapters.folder.toml import Toml, read_toml
from kvit.adapters.folder.triggers import read_triggers
from kvit.adapters.folder.usage import UsageFile, kind_of
from kvit.integrations.port import (
    CalendarRow,
    ChangeRow,
    CompanyFolder,
    CustomerRow,
    Fault,
    NoCompanyFolder,
    Place,
    SubscriptionRow,
)

_FILES = ("company.toml", "catalogue.toml", "customers.csv", "subscriptions.csv", "changes.csv")
_FOLDERS = ("catalogue", "usage", "calendars")
_READ = (".toml", ".csv", ".tsv", ".jsonl", ".json", ".parquet", ".gz", ".xlsx", ".xls", ".ods")
_LEFT_ALONE = (".md", ".pdf", ".png", ".jpg", ".jpeg")  # beside measurements
EVERYTHING = "*"


def read_folder(directory: Path) -> CompanyFolder:
    """Read a company folder with all its faults at once; usage is checked as it is streamed.

    Raises:
        NoCompanyFolder: the directory is missing or has no company.toml.
    """
    if not directory.is_dir():
        raise NoCompanyFolder(str(directory), reason="no_folder")
    if not (directory / "company.toml").exists():
        raise NoCompanyFolder(str(directory), reason="no_company")
    return _Reading(directory).folder()


class _Reading:
    """The folder being read: faults and the codes of faulty rows gather here."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.faults: list[Fault] = []
        self.bad: dict[str, set[str]] = {}

    def folder(self) -> CompanyFolder:
        self._strangers("", (*_FILES, *_FOLDERS))
        toml = self._toml("company.toml")
        company = read_company(toml, self.faults) if toml else None
        sellers, bad_sellers = read_sellers(toml, self.faults) if toml else ([], {EVERYTHING})
        self.bad["seller"] = bad_sellers
        self.bad["company"] = set() if company and (sellers or bad_sellers) else {EVERYTHING}
        catalogue = self._catalogue(company.currency if company else "RUB")
        first_seller = _first_code(toml)
        plans = [
            row if row.seller else replace(row, seller=first_seller) for row in catalogue.plans
        ]
        self.bad |= catalogue.bad
        calendars = self._calendars()
        customers = self._customers()
        zone = company.zone if company else "UTC"
        world = World(
            zone,
            {row.code: row for row in catalogue.meters},
            {row.code: row for row in customers},
        )
        subscriptions = self._subscriptions(world)
        world = replace(world, subscriptions={row.code: row for row in subscriptions})
        folder = CompanyFolder(
            company=company,
            sellers=tuple(sellers),
            meters=tuple(catalogue.meters),
            plans=tuple(plans),
            prices=tuple(catalogue.prices),
            discounts=tuple(catalogue.discounts),
            coupons=tuple(catalogue.coupons),
            calendars=tuple(calendars),
            customers=tuple(customers),
            subscriptions=tuple(subscriptions),
            changes=tuple(self._changes(world)),
            usage=tuple(self._usage(world)),
            triggers=tuple(read_triggers(toml, self.faults)) if toml else (),
            faults=tuple(self.faults),
        )
        return check_references(folder, self.bad, catalogue.bad_prices)

    def _toml(self, file: str) -> Toml | None:
        try:
            return read_toml(self.directory / file, file)
        except FileFault as error:
            self.faults.append(error.fault)
            return None

    def _catalogue(self, currency: str) -> CatalogueRead:
        """One file, or several in a folder, or both; an unreadable one may hide anything."""
        read = CatalogueRead()
        files = ["catalogue.toml"] if (self.directory / "catalogue.toml").exists() else []
        files += [
            f"catalogue/{name}" for name in self._names("catalogue") if name.endswith(".toml")
        ]
        self._strangers("catalogue", ())
        if not files:
            self._missing("catalogue.toml")
        whole = bool(files)
        for file in files:
            if toml := self._toml(file):
                read_catalogue(toml, read, currency=currency, faults=self.faults)
            else:
                whole = False
        if not whole:
            for codes in read.bad.values():
                codes.add(EVERYTHING)
        return read

    def _table(self, file: str, columns: Sequence[str], required: Sequence[str]) -> Table:
        path = self.directory / file
        return Table(path, file, columns=columns, required=required, faults=self.faults)

    def _customers(self) -> list[CustomerRow]:
        if not self._present("customers.csv"):
            self.bad["customer"] = {EVERYTHING}
            return []
        table = self._table("customers.csv", CUSTOMER_COLUMNS, CUSTOMER_REQUIRED)
        rows, bad = read_customers(table)
        self.bad["customer"] = bad if table.whole else bad | {EVERYTHING}
        return rows

    def _subscriptions(self, world: World) -> list[SubscriptionRow]:
        if not self._present("subscriptions.csv"):
            self.bad["subscription"] = {EVERYTHING}
            return []
        table = self._table("subscriptions.csv", SUBSCRIPTION_COLUMNS, SUBSCRIPTION_REQUIRED)
        rows, bad = read_subscriptions(table, lambda code: world.zone_of(("customer", code)))
        self.bad["subscription"] = bad if table.whole else bad | {EVERYTHING}
        return rows

    def _changes(self, world: World) -> list[ChangeRow]:
        if not (self.directory / "changes.csv").exists():
            return []
        table = self._table("changes.csv", CHANGE_COLUMNS, CHANGE_REQUIRED)
        rows, bad = read_changes(table, lambda code: world.zone_of(("subscription", code)))
        self.bad["subscription"] |= bad
        return rows

    def _calendars(self) -> list[CalendarRow]:
        rows: list[CalendarRow] = []
        self.bad["calendar"] = set()
        for name in self._names("calendars"):
            file, code = f"calendars/{name}", name.removesuffix(".csv")
            if not name.endswith(".csv"):
                continue
            table = self._table(file, CALENDAR_COLUMNS, CALENDAR_COLUMNS)
            row = read_calendar(table, code, Place(file), self.faults)
            if row is None:
                self.bad["calendar"].add(code)
            else:
                rows.append(row)
        self._strangers("calendars", ())
        return rows

    def _usage(self, world: World) -> list[UsageFile]:
        """Every file of a known kind, with its NAME.toml where there is one."""
        files: dict[str, tuple[str, UsageFile]] = {}
        names = self._names("usage")
        for name in names:
            split = kind_of(name)
            if split is None:
                continue
            source, kind = split
            file = f"usage/{name}"
            if source in files:
                params = {"name": source, "first": files[source][0]}
                self.faults.append(Fault("duplicate_source", Place(file), params))
                continue
            layout = self._layout(f"{source}.toml", names, world)
            if layout is not None:
                path = self.directory / "usage" / name
                files[source] = file, UsageFile(source, file, path, kind, layout, world)
        measured = {split[0] for name in names if (split := kind_of(name))}
        for name in names:
            source = name.removesuffix(".toml")
            if name.endswith(".toml") and source not in measured:
                place = Place(f"usage/{name}")
                self.faults.append(Fault("mapping_without_file", place, {"name": source}))
        self._strangers("usage", ())
        return [usage for _, usage in files.values()]

    def _layout(self, name: str, names: Sequence[str], world: World) -> Layout | None:
        if name not in names:
            return standard_layout(world)
        toml = self._toml(f"usage/{name}")
        return read_mapping(toml, world, self.faults) if toml else None

    def _names(self, folder: str) -> list[str]:
        """Names in a subfolder, sorted, hidden ones left out."""
        path = self.directory / folder if folder else self.directory
        if not path.is_dir():
            return []
        return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))

    def _strangers(self, folder: str, known: tuple[str, ...]) -> None:
        """Report files that look as if they ought to be read and are not."""
        is_read: Mapping[str, Callable[[str], bool]] = {
            "": lambda name: name in known,
            "usage": lambda name: kind_of(name) is not None or name.endswith(".toml"),
            "calendars": lambda name: name.endswith(".csv"),
            "catalogue": lambda name: name.endswith(".toml"),
        }
        for name in self._names(folder):
            if is_read[folder](name):
                continue
            # What lies among measurements was meant to be billed; elsewhere only its kind tells.
            among_usage = folder == "usage" and not name.lower().endswith(_LEFT_ALONE)
            if not among_usage and not name.lower().endswith(_READ):
                continue
            guess = closest(name, known)
            params = {
                "name": shown(name),
                "hint_ru": f" Возможно, имелось в виду «{guess}»." if guess else "",
                "hint_en": f" Did you mean “{guess}”?" if guess else "",
            }
            file = f"{folder}/{name}" if folder else name
            self.faults.append(Fault("unknown_file", Place(file), params))

    def _present(self, file: str) -> bool:
        if (self.directory / file).exists():
            return True
        self._missing(file)
        return False

    def _missing(self, file: str) -> None:
        self.faults.append(Fault("missing_file", Place(file), {"name": file}))


def _first_code(toml: Toml | None) -> str:
    """The code of the first seller, whether it is sound or not."""
    sellers = toml.content.get("seller") if toml else None
    first = sellers[0] if isinstance(sellers, list) and sellers else None
    code = first.get("code") if isinstance(first, Mapping) else None
    return code if isinstance(code, str) else ""
