"""The register of worked cases: what another system publishes, and what our core makes of it.

    @case("flexprice-credit_note-002", "flexprice", credit=150)
    def a_credit_is_capped(policy): return {"credit": …}

A case's expected figures are restated here under the names that the collection of cases gives
them (../shared/data/golden/cases.json names repository, commit, file and test of each).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from kvit.core.vendor_policies import VendorPolicy, vendor_policy

Figures = Mapping[str, object]
Compute = Callable[[VendorPolicy], Figures]


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    preset: str
    shows: str
    expected: Figures
    compute: Compute
    differs: str  # why, where we give another figure on purpose
    composed: str  # how parts of ours give the figure, where no single price or line does
    note: str  # how it is said in our words, where that is not plain
    test: str

    @property
    def verdict(self) -> str:
        if self.differs:
            return "differs on purpose"
        return "agrees, composed" if self.composed else "agrees"

    def found(self) -> Figures:
        return self.compute(vendor_policy(self.preset))


CASES: dict[str, Case] = {}


def register(
    id: str,
    preset: str,
    shows: str,
    compute: Compute,
    expected: Figures,
    *,
    differs: str = "",
    composed: str = "",
    note: str = "",
    test: str,
) -> None:
    if id in CASES:
        raise ValueError(f"{id} stands twice")
    CASES[id] = Case(
        id, preset, shows, expected, compute, differs, composed, note, test
    )  # fmt: skip


def case(
    id: str,
    preset: str,
    *,
    differs: str = "",
    composed: str = "",
    note: str = "",
    **expected: object,
) -> Callable[[Compute], Compute]:
    """Register a function as the computation of one case; its docstring says what it shows."""

    def add(compute: Compute) -> Compute:
        shows = " ".join((compute.__doc__ or "").split()).removesuffix(".")
        register(
            id, preset, shows, compute, expected,
            differs=differs, composed=composed, note=note,
            test=f"{compute.__module__.rpartition('.')[2]}.py",
        )  # fmt: skip
        return compute

    return add


def plain(value: object) -> object:
    """Figures as fractions, so that "15", 15 and 15.0 (as text) are one figure."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    return Fraction(str(value))
