"""A usage file from a person's hands: taken in, and its faulty rows mended one by one.

A row that could not be read stands open with its cells. Typed anew it is read and taken in by the
same path as the file; it may also be left out, for a reason. Nothing of a file is ever dropped in
silence: accepted + repeated + conflicting + rejected = offered, and rejected rows are in sight.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from kvit.core.wording import Words
from kvit.integrations.models import UploadRow, UsageUpload
from kvit.integrations.port import CompanyFolder, Fault, UsageRow, UsageSource
from kvit.integrations.services._usage import UsageOutcome, ingest_usage
from kvit.metering.rows import LATEST, MAX_KEY, clean
from kvit.platform import audit
from kvit.platform.failures import Failure

KEPT = 1_000  # faulty rows of one upload that are kept to be mended
LONGEST_CELL = 2_000
WAITS = frozenset({"unknown_meter", "unknown_subscription", "unknown_customer"})
CONFLICT = "usage_conflict"  # stands in metering, and is decided there
WORDS: Words = {
    "upload_row_unknown": ("Такой строки загрузки нет.", "There is no such row of an upload."),
    "upload_row_decided": (
        "О строке {row} уже решено.",
        "The row {row} is decided already.",
    ),
    "upload_row_lost": (
        "Строка {row} не читается по частям: исправьте её в файле и загрузите файл снова.",
        "The row {row} cannot be read in parts: mend it in the file and upload that again.",
    ),
    "upload_reason_missing": (
        "Укажите причину: строка останется в истории загрузки.",
        "Give a reason: the row stays in the upload's history.",
    ),
}
CellsOf = Callable[[Collection[int]], Mapping[int, Mapping[str, str]]]
Made = Callable[[Mapping[str, str]], UsageSource]


class UploadRowRefused(Failure):
    """The row cannot be mended or left out as things stand; nothing was changed."""

    words = WORDS


@transaction.atomic
def take_upload(source: UsageSource, cells_of: CellsOf, *, actor: str, now: datetime) -> UUID:
    """Take a file in and keep its faulty rows; return the upload's id.

    Args:
        cells_of: gives rows of the file as they stand, for those that could not be read.
    """
    outcome = _taken(source, actor=actor, now=now)
    rejected = [one for one in outcome.faults if one.code not in WAITS and one.code != CONFLICT]
    upload = UsageUpload.objects.create(
        source=source.name,
        file_name=clean(source.file, MAX_KEY),
        uploaded_at=now,
        author=actor,
        offered=outcome.offered,
        accepted=outcome.accepted,
        repeated=outcome.repeated,
        conflicting=outcome.conflicting,
        rejected=outcome.rejected,
        waiting=sum(one.code in WAITS for one in outcome.faults),
        unlisted=max(0, len(rejected) - KEPT),
    )
    kept = rejected[:KEPT]
    cells = cells_of({one.place.row for one in kept if one.place.row is not None})
    UploadRow.objects.bulk_create(
        [
            UploadRow(
                upload=upload,
                row=one.place.row or 0,
                cells=_clean(cells.get(one.place.row or 0, {})),
                **_fault(one),
            )
            for one in kept
        ]
    )
    return upload.pk


@transaction.atomic
def mend_upload_row(
    row_id: UUID, cells: Mapping[str, str], made: Made, *, actor: str, now: datetime
) -> bool:
    """Read a row anew as it was typed; return whether it was taken in.

    A row that is still faulty stays open, with what was typed and what is wrong with it now.

    Args:
        made: makes a source of one row of cells.

    Raises:
        UploadRowRefused: it is decided already, lost, or never was.
    """
    row = _open(row_id)
    if not row.cells:
        raise UploadRowRefused("upload_row_lost", row=row.row)
    row.cells = _clean({name: cells.get(name, "") for name, _ in row.cells})
    source = made(dict(row.cells))
    faults = [one for one in source.rows() if isinstance(one, Fault)]
    events = any(isinstance(one, UsageRow) for one in source.rows())
    outcome = UsageOutcome()
    if events and not faults:
        outcome = _taken(source, actor=actor, now=now)
        faults = [one for one in outcome.faults if one.code not in WAITS and one.code != CONFLICT]
    if faults or not events:
        for name, value in (_fault(faults[0]) if faults else {}).items():
            setattr(row, name, value)
        row.save()
        return False
    row.state, row.decided_by, row.decided_at = "taken", actor, now
    row.outcome = (
        "accepted" if outcome.accepted else "repeated" if outcome.repeated else "conflicting"
    )
    row.save()
    return True


@transaction.atomic
def leave_upload_row(row_id: UUID, *, reason: str, actor: str, now: datetime) -> None:
    """Leave a faulty row out, for a reason.

    Raises:
        UploadRowRefused: no reason is given, or it is decided already.
    """
    if not reason.strip():
        raise UploadRowRefused("upload_reason_missing")
    row = _open(row_id)
    row.state, row.reason, row.decided_by, row.decided_at = "left", reason, actor, now
    row.save()
    audit.record(
        action="integrations.upload_row.left",
        object_type="integrations.upload",
        object_id=str(row.upload_id),
        after={"row": row.row, "code": row.code},
        reason=reason,
        actor=actor,
        now=now,
    )


def _taken(source: UsageSource, *, actor: str, now: datetime) -> UsageOutcome:
    return ingest_usage(CompanyFolder(None, usage=(source,)), until=LATEST, actor=actor, now=now)


def _open(row_id: UUID) -> UploadRow:
    row = UploadRow.objects.select_for_update().filter(pk=row_id).first()
    if row is None:
        raise UploadRowRefused("upload_row_unknown")
    if row.state != "open":
        raise UploadRowRefused("upload_row_decided", row=row.row)
    found: UploadRow = row
    return found


def _fault(one: Fault) -> dict[str, object]:
    params = {clean(name, 40): clean(value, MAX_KEY) for name, value in one.params.items()}
    return {"code": one.code, "field": clean(one.place.field, MAX_KEY), "params": params}


def _clean(cells: Mapping[str, str]) -> list[list[str]]:
    """Return pairs: a JSON object would forget the order of the columns."""
    return [[clean(name, MAX_KEY), clean(value, LONGEST_CELL)] for name, value in cells.items()]
