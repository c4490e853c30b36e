"""An invoice with all that corrects it: what is left of it, line by line and in total.

A worked example: a line of 100.00 net and 22.00 VAT, a credit of 30.00 + 6.60, a debit of 10.00 +
2.20. It stands at 110.00 + 24.20, 30.00 + 6.60 of that is taken, 80.00 + 17.60 is left.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from kvit.core.tax import NOTHING, TaxedLine
from kvit.invoicing._family_rows import family_rows, line_rows
from kvit.invoicing.models import Invoice, InvoiceLine


@dataclass(frozen=True, slots=True)
class StandingLine:
    """A line of the original: `added` is it with what was debited since, `taken` what was credited,
    both with the line's own sign."""

    line: InvoiceLine
    added: TaxedLine
    taken: TaxedLine

    @property
    def left(self) -> TaxedLine:
        return self.added + -self.taken


@dataclass(frozen=True, slots=True)
class Family:
    """`original` and its corrections, drafts among them: what waits is not given out twice."""

    original: Invoice
    lines: tuple[StandingLine, ...]
    left: TaxedLine
    void: bool
    waiting: bool  # a correction waits for approval
    elsewhere: bool  # something was corrected that is on none of its lines


def families(ids: Iterable[UUID], *, lock: bool = False) -> dict[UUID, Family]:
    """Return the families of these originals.

    Args:
        lock: hold the originals' rows, in order of id, until the transaction ends.
    """
    wanted = set(ids)
    if lock:
        rows = Invoice.objects.filter(pk__in=wanted).order_by("pk").select_for_update(of=("self",))
        wanted = {one.pk for one in rows}
    # After the lock was waited for: what corrects them may have been issued meanwhile.
    family = Invoice.objects.filter(Q(pk__in=wanted) | Q(corrects_id__in=wanted)).order_by("pk")
    keys = [one.pk for one in family if one.pk in wanted]
    lines = InvoiceLine.objects.filter(invoice_id__in=keys).order_by("position")
    return _gathered(keys, family, lines)


def family_seen(invoice_id: UUID) -> Family | None:
    """Return the family of an original as a page shows it, by what the page has read already."""
    family = [one for one in family_rows(invoice_id) if invoice_id in (one.pk, one.corrects_id)]
    keys = [one.pk for one in family if one.pk == invoice_id]
    return _gathered(keys, family, line_rows(invoice_id)).get(invoice_id)


def _gathered(
    keys: Sequence[UUID], family: Iterable[Invoice], of_keys: Iterable[InvoiceLine]
) -> dict[UUID, Family]:
    corrections: dict[UUID, list[Invoice]] = defaultdict(list)
    originals = []
    for one in family:
        corrections[one.corrects_id].append(one)
        if one.pk in keys:
            originals.append(one)
    lines: dict[UUID, list[InvoiceLine]] = defaultdict(list)
    for line in of_keys:
        lines[line.invoice_id].append(line)
    parts, elsewhere = _parts([key for key in keys if corrections[key]])
    return {
        one.pk: Family(
            original=one,
            lines=tuple(_standing(line, parts[line.pk]) for line in lines[one.pk]),
            left=sum((_sums(each) for each in corrections[one.pk]), _sums(one)),
            void=any(each.kind == Invoice.Kind.VOID for each in corrections[one.pk]),
            waiting=any(each.status == "draft" for each in corrections[one.pk]),
            elsewhere=one.pk in elsewhere,
        )
        for one in originals
    }


def has_room(family: Family, parts: Iterable[tuple[UUID | None, TaxedLine]]) -> bool:
    """Whether a document of these (line corrected, sums) leaves the family within its bounds.

    The bounds are those that the database holds (migration 0003).
    """
    if family.void:
        return False
    by_line: Mapping[UUID, StandingLine] = {one.line.pk: one for one in family.lines}
    change: dict[UUID, int] = defaultdict(int)
    whole = 0
    for key, sums in parts:
        whole += sums.total
        if key is not None:
            if key not in by_line:
                return False
            change[key] += sums.total
    within = [
        _within(by_line[key].line.total_minor, by_line[key].left.total + part)
        for key, part in change.items()
    ]
    return all(within) and _within(family.original.total_minor, family.left.total + whole)


def _within(original: int, rest: int) -> bool:
    return rest >= 0 if original >= 0 else rest <= 0


def _parts(keys: Sequence[UUID]) -> tuple[Mapping[UUID, list[TaxedLine]], set[UUID]]:
    """Return what corrects each line, and the originals with corrections of no line of theirs."""
    parts: dict[UUID, list[TaxedLine]] = defaultdict(list)
    elsewhere: set[UUID] = set()
    if not keys:
        return parts, elsewhere
    rows = InvoiceLine.objects.filter(invoice__corrects_id__in=keys)
    for original, line, *sums in rows.values_list(
        "invoice__corrects_id", "corrects_line_id", "net_minor", "vat_minor", "total_minor"
    ):
        if line is None:
            elsewhere.add(original)
        else:
            parts[line].append(TaxedLine(*sums))
    return parts, elsewhere


def _standing(line: InvoiceLine, parts: Iterable[TaxedLine]) -> StandingLine:
    added, taken = _sums(line), NOTHING
    for part in parts:
        if (part.total < 0) == (line.total_minor < 0):
            added += part
        else:
            taken += -part
    return StandingLine(line, added, taken)


def _sums(row: Invoice | InvoiceLine) -> TaxedLine:
    return TaxedLine(row.net_minor, row.vat_minor, row.total_minor)
