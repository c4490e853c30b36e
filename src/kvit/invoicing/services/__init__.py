"""Writes of invoicing: bill runs, issue, corrections, approvals, previews."""

from kvit.invoicing.services._approval import approve, refuse
from kvit.invoicing.services._corrections import CorrectionRefused, credit, debit, void
from kvit.invoicing.services._issue import InvoiceNotDraft, issue_many
from kvit.invoicing.services._preview import open_window, preview_amendments, preview_bill
from kvit.invoicing.services._runs import NoSeller, run

__all__ = [
    "CorrectionRefused",
    "InvoiceNotDraft",
    "NoSeller",
    "approve",
    "credit",
    "debit",
    "issue_many",
    "open_window",
    "preview_amendments",
    "preview_bill",
    "refuse",
    "run",
    "void",
]
