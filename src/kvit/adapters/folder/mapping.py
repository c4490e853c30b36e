"""How a usage file is read: which column is what; usage/NAME.toml says it for a foreign file.

Without a description the file has the contract's own columns. A description may name only what
differs: a key that it leaves out keeps the column of the contract.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kvit.adapters.folder.company import fields_of
from kvit.adapters.folder.fields import CODE, NUMBER, Fields
from kvit.adapters.folder.localtime import parse_time, parser_of
from kvit.adapters.folder.suggest import hints, shown
from kvit.adapters.folder.toml import Toml
from kvit.core.periods import UnknownZone, zone_of
from kvit.integrations.port import CustomerRow, Fault, MeterRow, SubscriptionRow

STANDARD = ("id", "time", "subscription", "customer", "meter", "value")
_KEYS = (
    "id", "time", "subscription", "customer", "meter", "value", "dimensions", "ignore", "encoding",
)  # fmt: skip
_TIME = ("column", "format", "zone", "marks", "step", "midnight")
_ENCODINGS = ("utf-8", "windows-1251", "koi8-r", "cp866")
_STEP = re.compile(r"(\d{1,6}) ?(s|min|m|h|d)", re.ASCII)
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_NOT_DIGITS = re.compile(r"\D")


@dataclass(frozen=True, slots=True)
class World:
    """What the lists say that a usage file refers to."""

    zone: str
    meters: Mapping[str, MeterRow] = field(default_factory=dict)
    customers: Mapping[str, CustomerRow] = field(default_factory=dict)
    subscriptions: Mapping[str, SubscriptionRow] = field(default_factory=dict)

    def zone_of(self, subject: tuple[str, str]) -> str:
        """The customer's zone; the company's where the subject is not known."""
        kind, code = subject
        if kind == "subscription" and code in self.subscriptions:
            code = self.subscriptions[code].customer
        customer = self.customers.get(code)
        return (customer.zone if customer else "") or self.zone

    @property
    def dimensions(self) -> list[str]:
        return sorted({name for meter in self.meters.values() for name in meter.dimensions})


@dataclass(frozen=True, slots=True)
class Part:
    """Where an attribute comes from: a column, or the same text for all rows."""

    column: str = ""
    always: str = ""
    lookup: str = ""
    comma: bool = False  # decimals are written with a comma


@dataclass(frozen=True, slots=True)
class Time:
    """How times are written, and what they mark."""

    column: str = "time"
    parse: Callable[[str], datetime | None] = parse_time
    zone: str = ""  # empty: the customer's
    ends: bool = False
    step: timedelta | None = None
    midnight_closes: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column of a usage file is what. `described` says that a NAME.toml stands behind it."""

    id: tuple[str, ...] = ("id",)
    time: Time = Time()
    subscription: Part = Part("subscription")
    customer: Part = Part("customer")
    meter: Part = Part("meter")
    value: Part = Part("value")
    dimensions: Mapping[str, Part] = field(default_factory=dict)
    ignore: frozenset[str] = frozenset()
    encoding: str = "utf-8"

    @property
    def parts(self) -> list[Part]:
        return [self.subscription, self.customer, self.meter, self.value, *self.dimensions.values()]

    @property
    def columns(self) -> list[str]:
        """Every column that is read, each once."""
        named = [*self.id, self.time.column, *(part.column for part in self.parts if part.column)]
        return list(dict.fromkeys(named))

    @property
    def whose(self) -> list[str]:
        """The columns of which one says whose it is; none where that is the same for all rows."""
        if self.subscription.always or self.customer.always:
            return []
        return [part.column for part in (self.subscription, self.customer) if part.column]

    @property
    def required(self) -> list[str]:
        """The columns without which nothing can be read, those of `whose` apart."""
        optional = {*self.whose, *(part.column for part in self.dimensions.values())}
        return [name for name in self.columns if name not in optional]


def standard_layout(world: World) -> Layout:
    """The contract's own columns; every dimension of a meter is a column of its name."""
    return Layout(dimensions={name: Part(name) for name in world.dimensions})


def read_mapping(toml: Toml, world: World, faults: list[Fault]) -> Layout | None:
    """Return the layout that a usage/NAME.toml describes, None where it is faulty."""
    fields = fields_of(toml, (), "", toml.content, _KEYS, faults)
    subscription, customer = (_part(fields, name) for name in ("subscription", "customer"))
    if fields.given("subscription") and fields.given("customer"):
        fields.fault("bad_subject", "customer")
    if fields.given("subscription") != fields.given("customer"):
        # One of the two is described: the other is not looked for.
        subscription = subscription if fields.given("subscription") else Part()
        customer = customer if fields.given("customer") else Part()
    layout = Layout(
        id=_id(fields),
        time=_time(fields),
        subscription=subscription,
        customer=customer,
        meter=_part(fields, "meter"),
        value=_part(fields, "value"),
        dimensions=_dimensions(fields, world),
        ignore=frozenset(_names(fields, "ignore")),
        encoding=fields.word("encoding", _ENCODINGS, "utf-8"),
    )
    if layout.meter.always and layout.meter.always not in world.meters:
        params = {"value": shown(layout.meter.always), **hints(layout.meter.always, world.meters)}
        fields.fault("unknown_meter", "meter", **params)
    return layout if fields.sound else None


def lookup_table(lookup: str, world: World) -> dict[str, str | None]:
    """Map the values of "customers.phone" to codes; None where several rows have a value."""
    table, _, column = lookup.partition(".")
    rows = (world.customers if table == "customers" else world.subscriptions).values()
    found: dict[str, str | None] = {}
    for row in rows:
        value = lookup_key(lookup, str(getattr(row, column)))
        if value:
            found[value] = row.code if found.get(value, row.code) == row.code else None
    return found


def lookup_key(lookup: str, value: str) -> str:
    """Phones are compared by their digits, 8 900 … as +7 900 …; everything else as it stands."""
    if not lookup.endswith(".phone"):
        return value.strip()
    digits = _NOT_DIGITS.sub("", value)
    return "7" + digits[1:] if len(digits) == 11 and digits[0] == "8" else digits


def _part(fields: Fields, name: str) -> Part:
    """A text is the same for all rows; { column = … } is looked up row by row."""
    value = fields.raw(name)
    if value is None:
        return Part(column=name)
    if isinstance(value, str):
        pattern = NUMBER if name in ("subscription", "customer") else CODE
        return Part(always=value if name == "value" else fields.code(name, pattern))
    keys = ("column", "lookup", "decimal")
    inner = fields.inside(fields.table(name), keys, name)
    inner.require("column")
    lookup = inner.word("lookup", _LOOKUPS) if name in ("subscription", "customer") else ""
    if inner.given("lookup") and name not in ("subscription", "customer"):
        inner.fault("unknown_key", "lookup", name="lookup", **hints("lookup", ("column",)))
    comma = inner.word("decimal", (".", ","), ".") == ","
    return Part(column=_column(inner), lookup=lookup, comma=comma)


_LOOKUPS = (
    "customers.code", "customers.name", "customers.inn", "customers.email", "customers.phone",
    "subscriptions.code",
)  # fmt: skip


def _column(fields: Fields) -> str:
    """A column's name as it stands, spaces included."""
    value = fields.raw("column")
    if value is not None and not isinstance(value, str):
        fields.fault("wrong_type", "column", expected_ru="текст", expected_en="a text")
        return ""
    return value or ""


def _id(fields: Fields) -> tuple[str, ...]:
    value = fields.raw("id")
    if isinstance(value, Mapping):
        return (_column(fields.inside(value, ("column",), "id")),)
    return tuple(_names(fields, "id")) or ("id",)


def _names(fields: Fields, name: str) -> list[str]:
    """A list of column names as they stand; one text is a list of one."""
    value = fields.raw(name)
    items = [value] if isinstance(value, str) else value if value is not None else []
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        fields.fault("wrong_type", name, expected_ru="список колонок", expected_en="column names")
        return []
    return list(dict.fromkeys(items))


def _time(fields: Fields) -> Time:
    value = fields.raw("time")
    if value is None:
        return Time()
    if isinstance(value, str):
        return Time(column=value)
    inner = fields.inside(fields.table("time"), _TIME, "time")
    inner.require("column")
    zone = inner.text("zone")
    if zone:
        try:
            zone_of(zone)
        except UnknownZone:
            inner.fault("bad_zone", "zone", value=shown(zone))
    pattern = inner.text("format", limit=80)
    ends = inner.word("marks", ("start", "end"), "start") == "end"
    step = _step(inner)
    if ends and step is None and not inner.given("step"):
        inner.fault("missing_value", "step")
    return Time(
        column=_column(inner),
        parse=parser_of(pattern) if pattern else parse_time,
        zone=zone,
        ends=ends,
        step=step,
        midnight_closes=inner.word("midnight", ("closes", "opens"), "opens") == "closes",
    )


def _step(fields: Fields) -> timedelta | None:
    text = fields.text("step", limit=20)
    if not text:
        return None
    match = _STEP.fullmatch(text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= 366 * 86400:
        known = "15m, 30 min, 1h, 1d"
        fields.fault("bad_word", "step", value=shown(text), known=known, hint_ru="", hint_en="")
        return None
    return timedelta(seconds=seconds)


def _dimensions(fields: Fields, world: World) -> Mapping[str, Part]:
    given = fields.table("dimensions")
    inner = fields.inside(given, tuple(given), "dimensions")
    known = world.dimensions
    for name in given:
        if name not in known:
            inner.fault("unknown_dimension", name, value=shown(name), **hints(name, known))
    return {name: _part(inner, name) for name in given}
