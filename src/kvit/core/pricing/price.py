"""What every price has: bounds and a discount; and how it becomes the normal form."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal

from kvit.core.pricing.compiled import Adjustment, Compiled, ratio
from kvit.core.pricing.errors import PriceError
from kvit.core.pricing.fields import Amount, Percent, Reader, read_object, read_row, write_row

Needs = Literal["nothing", "units", "events", "peaks", "usage", "sessions", "readings", "dynamic"]
MODELS: dict[str, type["Price"]] = {}
MAX_DEPTH = 24  # of a path: prices inside prices
_HUNDRED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price, immutable and checked. A model is a subclass: fields, `check`, `compile`."""

    model: ClassVar[str] = ""
    part: ClassVar[Needs] = "units"

    minimum: Amount | None = None
    maximum: Amount | None = None
    discount_percent: Percent = Fraction(0)
    # Compiled once, on first use; no part of the value.
    _compiled: Compiled | None = field(init=False, repr=False, compare=False, default=None)

    @classmethod
    def reader(cls) -> Reader:
        """Let a field of type Price read a nested price document."""
        return Reader(lambda value, path: parse_price(value, path=path), Price.document)

    def compile(self) -> Compiled:
        """Return the normal form without the bounds and the discount of `Price` itself."""
        raise NotImplementedError

    def document(self) -> dict[str, object]:
        """Return the canonical document: parsing it gives an equal price."""
        return {"model": self.model, **write_row(self)}

    @property
    def reads(self) -> frozenset[Needs]:
        """All parts of a quantity that are read: one, but for composed prices."""
        return frozenset({self.part})

    @property
    def needs(self) -> Needs:
        """The leading part of a quantity that is read."""
        reads = self.reads
        return "units" if "units" in reads else min(reads)

    @property
    def adjustments(self) -> tuple[Adjustment, ...]:
        """Discount, maximum, minimum: in this order."""
        steps: list[Adjustment] = []
        if self.discount_percent:
            steps.append(Adjustment("discount", ratio(self.discount_percent / _HUNDRED)))
        if self.maximum is not None:
            steps.append(Adjustment("maximum", ratio(self.maximum)))
        if self.minimum is not None:
            steps.append(Adjustment("minimum", ratio(self.minimum)))
        return tuple(steps)


def compile_price(price: Price) -> Compiled:
    """Return the normal form of `price`; computed once and kept with it."""
    if price._compiled is None:
        inner = price.compile()
        whole = replace(inner, adjustments=inner.adjustments + price.adjustments)
        object.__setattr__(price, "_compiled", whole)
        return whole
    return price._compiled


def parse_price(document: object, *, path: str = "price") -> Price:
    """Read and check a price document.

    Raises:
        PriceError: what is wrong, with the path of the field.
    """
    given = read_object(document, path)
    if path.count(".") > MAX_DEPTH:
        raise PriceError("out_of_range", path, reason="size", limit=MAX_DEPTH)
    name = given.get("model")
    if name is None:
        raise PriceError("missing_field", f"{path}.model", name="model")
    kind = MODELS.get(name) if isinstance(name, str) else None
    if kind is None:
        shown = str(name)[:60] if isinstance(name, str | int) else type(name).__name__
        raise PriceError(
            "unknown_model", f"{path}.model", value=shown, known=", ".join(sorted(MODELS))
        )
    return _parse_as(kind, given, path)


def _parse_as(kind: type[Price], given: Mapping[str, object], path: str) -> Price:
    made: Any = read_row(kind, given, path, ignored=frozenset({"model"}))
    assert isinstance(made, Price)
    return made


def require_units(price: Price, path: str, outer: str) -> None:
    """Refuse a nested price that is not a table of units.

    Raises:
        PriceError: unknown_model.
    """
    if price.reads - {"units", "nothing"} or not compile_price(price).tables:
        raise PriceError(
            "unknown_model", f"{path}.model", reason="inside", value=price.model, outer=outer
        )
