"""Which documents were printed, and under which hash their bytes lie."""

from django.db import models
from django.db.models import Q

from kvit.platform.tenancy import AppendOnly, TenantModel


class RenderedDocument(AppendOnly, TenantModel):
    """One printed document. It is never printed anew: a reprint is the same file.

    The bytes are in `kvit.platform.files` under `sha256`.
    """

    class Kind(models.TextChoices):
        INVOICE = "invoice"
        ACT = "act"
        CREDIT_NOTE = "credit_note"
        DEBIT_NOTE = "debit_note"
        REVERSAL = "reversal"

    invoice_id = models.UUIDField()  # the invoice or the correction that it prints
    kind = models.CharField(max_length=20, choices=Kind.choices)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.IntegerField()
    template_version = models.CharField(max_length=12)
    rendered_at = models.DateTimeField()  # by the tenant's clock

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "invoice_id", "kind"], name="rendered_document_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["invoice", "act", "credit_note", "debit_note", "reversal"]),
                name="rendered_document_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(sha256__regex=r"^[0-9a-f]{64}$", size_bytes__gt=0),
                name="rendered_document_has_bytes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.invoice_id} {self.sha256[:12]}"
