"""company.toml: the tenant, its policies, its sellers."""

import re
from collections.abc import Iterable, Mapping

from kvit.adapters.folder.fields import Fields
from kvit.adapters.folder.requisites import check_bank, check_inn, check_kpp, check_ogrn
from kvit.adapters.folder.suggest import hints, shown
from kvit.adapters.folder.toml import Toml
from kvit.core.money import UnknownCurrency, exponent
from kvit.core.periods import UnknownZone, zone_of
from kvit.integrations.port import CompanyRow, Fault, Place, SellerRow

VAT = ("auto", "10", "0", "none", "usn5", "usn7")
_TOP = ("company", "policy", "seller", "trigger")
_COMPANY = ("code", "name", "currency", "zone", "language")
_POLICY = ("vat_rounding", "late_events")
_SELLER = (
    "code", "name", "inn", "kpp", "ogrn", "vat", "price_basis", "account", "bank", "bik",
    "correspondent", "address", "signer", "series", "split", "approval",
    "four_eyes",
)  # fmt: skip
_SERIES_FIELD = re.compile(r"\{(year|branch|number(?::0\d)?)\}")


def read_company(toml: Toml, faults: list[Fault]) -> CompanyRow | None:
    """Return the company, None where anything about it or its policies is faulty."""
    before = len(faults)
    check_top_level(toml, _TOP, faults)
    company = _section(toml, "company", _COMPANY, faults)
    policy = _section(toml, "policy", _POLICY, faults)
    company.require("code", "name", "currency", "zone")
    row = CompanyRow(
        place=company.place(),
        code=company.code("code"),
        name=company.text("name"),
        currency=currency_of(company),
        zone=zone_name_of(company),
        language=company.word("language", ("ru", "en"), "ru"),
        vat_rounding=policy.word("vat_rounding", ("document", "line"), "document"),
        late_events=policy.word("late_events", ("open_period", "correction"), "open_period"),
    )
    if not toml.content.get("seller"):
        faults.append(Fault("missing_value", Place(toml.file, None, "seller")))
    return row if len(faults) == before else None


def read_sellers(toml: Toml, faults: list[Fault]) -> tuple[list[SellerRow], set[str]]:
    """Return the sound sellers, and the codes of the others."""
    rows: list[SellerRow] = []
    bad: set[str] = set()
    seen: dict[str, Place] = {}
    for index, values in enumerate(tables_at(toml, "seller", faults)):
        fields = fields_of(toml, ("seller", index), "seller", values, _SELLER, faults)
        row = _seller(fields)
        first_of_its_code(fields, row.code, seen)
        if fields.sound:
            rows.append(row)
        else:
            bad.add(row.code)
    return [row for row in rows if row.code not in bad], bad


def _seller(fields: Fields) -> SellerRow:
    fields.require("code", "name")
    bik, account, correspondent = check_bank(fields)
    row = SellerRow(
        place=fields.place(),
        code=fields.code("code"),
        name=fields.text("name"),
        vat=fields.word("vat", VAT, "auto"),
        price_basis=fields.word("price_basis", ("net", "gross"), "net"),
        inn=check_inn(fields),
        kpp=check_kpp(fields),
        ogrn=check_ogrn(fields),
        account=account,
        bank=fields.text("bank"),
        bik=bik,
        correspondent=correspondent,
        address=fields.text("address"),
        signer=fields.text("signer"),
        series=fields.text("series", "{year}-{number:05}", limit=80),
        split=fields.word("split", ("service",)),
        approval=fields.flag("approval"),
        four_eyes=fields.flag("four_eyes"),
    )
    rest = _SERIES_FIELD.sub("", row.series)
    if "{" in rest or "}" in rest or "{number" not in row.series:
        fields.fault("bad_series", "series", value=shown(row.series))
    return row


def fields_of(
    toml: Toml,
    path: tuple[str | int, ...],
    shown_path: str,
    values: Mapping[str, object],
    known: Iterable[str],
    faults: list[Fault],
) -> Fields:
    """Read a table whose fields are shown as `shown_path`.field at their own lines."""

    def at(name: str) -> Place:
        key = re.split(r"[.\[]", name)[0]
        line = toml.line(*path, key) if key else toml.line(*path)
        return Place(toml.file, line, ".".join(part for part in (shown_path, name) if part))

    return Fields(values, known=known, at=at, faults=faults)


def tables_at(toml: Toml, name: str, faults: list[Fault]) -> list[Mapping[str, object]]:
    """Return the top-level array of tables `name`."""
    place = Place(toml.file, toml.line(name), name)
    return Fields(
        {name: toml.content.get(name, [])}, known=(name,), at=lambda _: place, faults=faults
    ).tables(name)


def check_top_level(toml: Toml, known: tuple[str, ...], faults: list[Fault]) -> None:
    """Report top-level tables that nobody reads."""
    for name in toml.content:
        if name not in known:
            line = toml.line(name) or toml.line(name, 0)
            params = {"name": shown(name), **hints(name, known)}
            faults.append(Fault("unknown_key", Place(toml.file, line, name), params))


def first_of_its_code(fields: Fields, code: str, seen: dict[str, Place]) -> None:
    """Report a code that an earlier row has, with the place of that row."""
    if not code:
        return
    first = seen.setdefault(code, fields.place("code"))
    if first != fields.place("code"):
        fields.fault(
            "duplicate_code", "code",
            value=code, first_file=first.file, first_row=str(first.row or "–"),
        )  # fmt: skip


def currency_of(fields: Fields) -> str:
    """Return a currency of ISO 4217; absent is an empty text."""
    code = fields.text("currency")
    try:
        exponent(code or "RUB")
    except UnknownCurrency:
        fields.fault("bad_currency", "currency", value=shown(code))
    return code


def zone_name_of(fields: Fields) -> str:
    """Return the name of a time zone; absent is an empty text."""
    name = fields.text("zone")
    try:
        zone_of(name or "UTC")
    except UnknownZone:
        fields.fault("bad_zone", "zone", value=shown(name))
    return name


def _section(toml: Toml, name: str, known: tuple[str, ...], faults: list[Fault]) -> Fields:
    values = toml.content.get(name, {})
    if not isinstance(values, Mapping):
        place = Place(toml.file, toml.line(name), name)
        params = {"expected_ru": f"раздел [{name}]", "expected_en": f"a section [{name}]"}
        faults.append(Fault("wrong_type", place, params))
        values = {}
    return fields_of(toml, (name,), name, values, known, faults)
