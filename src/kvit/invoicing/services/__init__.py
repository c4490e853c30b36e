"""Writes of invoicing: bill runs, issue, corrections, previews."""

from kvit.invoicing.services._issue import InvoiceNotDraft, issue_many
from kvit.invoicing.services._runs import NoSeller, run

__all__ = ["InvoiceNotDraft", "NoSeller", "issue_many", "run"]
