"""Three contents of one object: what is wanted, what was wanted last, what stands."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Generic, Literal, TypeVar

from kvit.core.money import exact_text
from kvit.integrations.models import ImportedObject
from kvit.integrations.port import Fault, Place
from kvit.platform.bulk import copy_in
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import current_tenant_id

Row = TypeVar("Row")
Verdict = Literal["create", "change", "keep", "conflict"]
Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted(Generic[Row]):
    """An object that the folder states: its code, its content, its row and its place."""

    code: str
    content: Content
    row: Row
    place: Place


@dataclass(slots=True)
class Merged(Generic[Row]):
    """The objects of one kind, sorted by what is to be done."""

    create: list[Wanted[Row]] = field(default_factory=list)
    change: list[Wanted[Row]] = field(default_factory=list)
    keep: list[Wanted[Row]] = field(default_factory=list)
    conflict: list[Wanted[Row]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def write(self) -> list[Wanted[Row]]:
        return [*self.create, *self.change]


def decide(wanted: Content, last: Content | None, present: Content | None) -> Verdict:
    """Say what to do with one object.

    What stands and is already as wanted is kept, whoever made it so. What stands otherwise than
    it was last applied was changed elsewhere: a conflict, unless the folder wants that too.
    """
    if present is None:
        return "create"
    if present == wanted:
        return "keep"
    return "change" if last == present else "conflict"


def merge(
    kind: str,
    wanted: list[Wanted[Row]],
    present: Mapping[str, Content],
    *,
    take_folder: bool,
    shown: Mapping[str, Content] | None = None,
) -> Merged[Row]:
    """Sort what the folder states of one kind.

    Args:
        present: what stands, by code, comparable with the wanted contents.
        take_folder: settle conflicts the folder's way.
        shown: what stands in the clear, where `present` holds commitments only: names of
            differing fields are taken from it, never values.
    """
    last = _last(kind, [one.code for one in wanted])
    merged: Merged[Row] = Merged()
    for one in wanted:
        verdict = decide(one.content, last.get(one.code), present.get(one.code))
        if verdict == "conflict" and take_folder:
            verdict = "change"
        getattr(merged, verdict).append(one)
        if verdict == "conflict":
            merged.faults.append(_conflict(kind, one, present[one.code], shown))
    return merged


def remember(kind: str, wanted: list[Wanted[Row]]) -> None:
    """Keep what was applied, for the next import to compare with."""
    copy_in(
        ImportedObject,
        ("id", "kind", "code", "content"),
        ((uuid7(), kind, one.code, one.content) for one in wanted),
        on_conflict="(tenant_id, kind, code) DO UPDATE SET content = excluded.content",
    )


def plain(value: Any) -> Any:
    """Return a value in JSON's types, the same for equal values."""
    if isinstance(value, Fraction | Decimal):
        return exact_text(Fraction(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def _last(kind: str, codes: list[str]) -> dict[str, Content]:
    found = ImportedObject.objects.filter(kind=kind, code__in=codes)
    return dict(found.values_list("code", "content"))


def _conflict(
    kind: str, one: Wanted[Any], present: Content, shown: Mapping[str, Content] | None
) -> Fault:
    if shown is None:
        differing = [name for name in one.content if one.content[name] != present.get(name)]
        fields = "; ".join(f"{name}: {present.get(name)!s:.60}" for name in differing)
    else:
        stands = shown[one.code]
        mine = plain(asdict(one.row))
        fields = ", ".join(name for name in mine if mine[name] != stands.get(name))
    return Fault("changed_elsewhere", one.place, {"kind": kind, "code": one.code, "fields": fields})


def commitment(content: Content) -> Content:
    """Return what stands for personal data outside `parties`: it says whether two are equal."""
    said = json.dumps([str(current_tenant_id()), content], sort_keys=True, ensure_ascii=False)
    return {"sha256": hashlib.sha256(said.encode()).hexdigest()}
