"""A document with its whole family and their lines, read once a page for all who ask about them."""

from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, Expression, F, Func, Q
from django.db.models.functions import Coalesce

from kvit.invoicing.models import Invoice, InvoiceLine
from kvit.platform.reading import asked_once


@asked_once
def family_rows(invoice_id: UUID) -> tuple[Invoice, ...]:
    """Return the original and everything that corrects it, in order of making, from any of them."""
    asked = Invoice.objects.filter(pk=invoice_id)
    original = ArraySubquery(asked.values(original=Coalesce("corrects_id", "pk")))
    family = Q(is_one_of("pk", original)) | Q(is_one_of("corrects_id", original))
    order = (F("corrects_id").asc(nulls_first=True), "created_at", "pk")
    return tuple(Invoice.objects.filter(family).select_related("corrected").order_by(*order))


@asked_once
def line_rows(invoice_id: UUID) -> tuple[InvoiceLine, ...]:
    """Return the lines of a document by position."""
    return tuple(InvoiceLine.objects.filter(invoice_id=invoice_id).order_by("position"))


def is_one_of(column: str, ids: Expression) -> Func:
    """Look each of a few ids up by its key: a join would be planned as a walk over all rows."""
    found = Func(ids, function="ANY")
    return Func(
        F(column), found, arg_joiner=" = ", template="%(expressions)s", output_field=BooleanField()
    )
