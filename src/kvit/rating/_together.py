"""Charge subscriptions of the same shape together: columns in, two INSERT … SELECT out.

What the members of a shape have alike is one staged row a price, what differs is columns; nothing
is made in Python for a charge. The rows are those that `_write` would have written.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from kvit.core.columnar.exact import Ints
from kvit.core.differences import Due, slot_of
from kvit.metering import queries as metering
from kvit.platform import audit, settings
from kvit.platform.columns import (
    insert_staged,
    stage_columns,
    stage_rows,
    uuids_of,
)
from kvit.platform.ids import uuid7_column
from kvit.rating._columns import Sheet
from kvit.rating._plain import Group, Member, Shape
from kvit.rating._side_by_side import Priced, priced, read_from
from kvit.rating._write import COLUMNS, PERIOD_COLUMNS, REMEMBER, ChargeIn, Row, charge_rows
from kvit.rating.models import Charge, RatedPeriod
from kvit.rating.rows import RatingResult, RatingRun

Ids = NDArray[np.uint8]
JSON = frozenset({"discounts", "whens", "uncovered", "held", "given"})
# What is a member's own, and where it stands in the staged tables: c columns, m members.
OWN = {
    "id": "c.id",
    "subscription_id": "m.id",
    "subscription_code": "m.code",
    "customer_id": "m.payer_id",
    # A power of ten: multiplied, since a division would be cut at some digit.
    "units": "c.units * t.step",
    "events": "c.events",
    "exact_num": "c.num",
    "exact_den": "c.den",
    "gross_minor": "c.minor",
    "amount_minor": "c.minor",
}
OWN_PERIOD = {"id": "c.id", "subscription_id": "m.id", "events": "c.events"}
_FIGURES = ("units", "events", "num", "den", "minor")


@dataclass(slots=True)
class _Written:
    """What is to be staged, over all groups of a chunk."""

    members: list[tuple[object, ...]] = field(default_factory=list)
    charges: list[Row] = field(default_factory=list)  # (template, step, what all have alike)
    periods: list[Row] = field(default_factory=list)
    figures: list[dict[str, Ints]] = field(default_factory=list)
    events: list[dict[str, Ints]] = field(default_factory=list)


def charge_together(groups: Sequence[Group], run: RatingRun) -> tuple[RatingResult, set[UUID]]:
    """Charge the groups' members; returns what it brought, and whose charges were written."""
    written, done = _Written(), set[UUID]()
    for group in groups:
        for sheet, members in _sheets(group, run):
            kept = [one for one, left in zip(members, sheet.left, strict=True) if not left]
            if kept:
                _add(written, group.shape, sheet, kept, run)
                done |= {one.id for one in kept}
    result = RatingResult(subscriptions=len(done))
    if done:
        result.charges = _write(written, run)
    return result, done


def _sheets(group: Group, run: RatingRun) -> Iterator[Priced]:
    """Price the group's members, those who use much range by range."""
    threads = settings.load().rating_threads or os.cpu_count() or 1
    ranges = metering.usage_ranges(
        "subscription",
        [one.code for one in group.members],
        since=read_from(group.shape, run.catalogue),
        until=group.shape.service.end,
        as_of=run.usage_version,
    )
    return priced(group, ranges, run.catalogue, threads=threads)


def _add(
    written: _Written, shape: Shape, sheet: Sheet, members: Sequence[Member], run: RatingRun
) -> None:
    kept = np.flatnonzero(~sheet.left)
    places = np.arange(len(members)) + len(written.members)
    written.members += [
        (place, one.id, one.code, one.payer_id)
        for place, one in zip(places.tolist(), members, strict=True)
    ]
    # Lines lost in a join would be a silent loss: every member has every charge of its shape.
    assert len(sheet.columns) == len(shape.charges)
    for pattern, column in zip(_alike(shape, run), sheet.columns, strict=True):
        template = len(written.charges)
        step = Decimal(1) / column.unit_scale  # exact: of a power of ten
        written.charges.append((template, step, *pattern))
        written.figures.append(
            {
                "template": np.full(len(kept), template),
                "place": places,
                **{name: getattr(column, name)[kept] for name in _FIGURES},
            }
        )
    billed = "arrears" in shape.whens
    written.events.append(
        {
            "template": np.full(len(kept), len(written.periods)),
            "place": places,
            "events": sheet.events[kept] * int(billed),
        }
    )
    written.periods.append((len(written.periods), *_period_alike(shape, run)))


def _alike(shape: Shape, run: RatingRun) -> list[Row]:
    """Return, price by price, the columns of a charge that all members share."""
    whens = sorted(shape.whens)
    rows = charge_rows(
        [
            ChargeIn(
                shape.contract,
                shape.service,
                run,
                Due(slot_of(one, shape.contract.id), one, 0, 0, 0, one.units, 0),
                "period",
                whens,
                {},
            )
            for one in shape.charges
        ]
    )
    return [_without(row, COLUMNS, OWN) for row in rows]


def _period_alike(shape: Shape, run: RatingRun) -> Row:
    service = shape.service
    row: Row = (
        None, None, service.key, service.period.end, service.start, service.end,
        run.window.start, sorted(shape.whens), 0, {}, [], run.usage_version, 0,
        run.catalogue.revision, "",
    )  # fmt: skip
    return _without(row, PERIOD_COLUMNS, OWN_PERIOD)


def _without(row: Row, columns: Sequence[str], own: dict[str, str]) -> Row:
    return tuple(
        Jsonb(value) if name in JSON else value
        for name, value in zip(columns, row, strict=True)
        if name not in own
    )


def _write(written: _Written, run: RatingRun) -> int:
    _stage_alike("rated_alike", Charge, COLUMNS, OWN, written.charges, step="numeric")
    _stage_alike("rated_period", RatedPeriod, PERIOD_COLUMNS, OWN_PERIOD, written.periods)
    stage_rows(
        "rated_member",
        {"place": "integer", "id": "uuid", "code": "text", "payer_id": "uuid"},
        written.members,
    )
    # Figures too long for 64 bits have a table of another form.
    is_wide = any(one[name].dtype == object for one in written.figures for name in _FIGURES)
    figures = "rated_figures_wide" if is_wide else "rated_figures"
    ids = _stage_figures(figures, written.figures, [*_FIGURES], "numeric" if is_wide else "bigint")
    _stage_figures("rated_events", written.events, ["events"], "bigint")
    count = insert_staged(
        Charge,
        {name: OWN.get(name, f"t.{name}") for name in COLUMNS},
        f"pg_temp.{figures} c JOIN pg_temp.rated_alike t ON t.template = c.template"
        " JOIN pg_temp.rated_member m ON m.place = c.place",
    )
    periods = insert_staged(
        RatedPeriod,
        {name: OWN_PERIOD.get(name, f"t.{name}") for name in PERIOD_COLUMNS},
        "pg_temp.rated_events c JOIN pg_temp.rated_period t ON t.template = c.template"
        " JOIN pg_temp.rated_member m ON m.place = c.place",
        on_conflict=REMEMBER,
    )
    assert (count, periods) == (len(ids), len(written.members)), "lines and groups differ"
    [first] = uuids_of(ids[:1])
    audit.record(
        action="rating.charges.rated",
        object_type="rating.chunk",
        object_id=str(first),
        after={"charges": count, "period": str(run.window)},
        actor=run.actor,
        now=run.now,
    )
    return count


def _stage_alike(
    name: str,
    model: type[Charge] | type[RatedPeriod],
    columns: Sequence[str],
    own: dict[str, str],
    rows: Sequence[Row],
    **more: str,
) -> None:
    types = {
        column: model._meta.get_field(column).db_type(connection)
        for column in columns
        if column not in own
    }
    stage_rows(name, {"template": "integer", **more, **types}, rows)


def _stage_figures(
    name: str, parts: Sequence[dict[str, Ints]], figures: Sequence[str], kind: str
) -> Ids:
    """Stage columns under new ids, the charges of one member side by side; return the ids."""
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    order = np.lexsort((joined["template"], joined["place"]))
    ids = uuid7_column(len(order))
    stage_columns(
        name,
        {
            "id": ("uuid", ids),
            "template": ("integer", joined["template"][order]),
            "place": ("integer", joined["place"][order]),
            **{key: (kind, joined[key][order]) for key in figures},
        },
    )
    return ids
