"""Writes of invoicing: bill runs, issue, corrections, approvals, previews."""

from kvit.invoicing._plan_months import keep_plan_months
from kvit.invoicing.services._approval import AboveLimit, OwnDraft, approve, refuse
from kvit.invoicing.services._corrections import CorrectionRefused, credit, debit, void
from kvit.invoicing.services._issue import InvoiceNotDraft, issue_many
from kvit.invoicing.services._orders import (
    OrderRefused,
    join_run,
    order_run,
    perform,
    perform_order,
    stop,
)
from kvit.invoicing.services._preview import (
    open_window,
    preview_amendments,
    preview_bill,
    preview_payer,
)
from kvit.invoicing.services._previewed import (
    CorrectionIn,
    CorrectionPreview,
    Standing,
    correct_as_previewed,
    preview_correction,
    standing,
)
from kvit.invoicing.services._runs import NoSeller, run
from kvit.invoicing.services._tallies import merge_tallies
from kvit.invoicing.services._triggers import (
    TriggerRefused,
    heard,
    is_waited_for,
    look,
    save_trigger,
    state_triggers,
)

__all__ = [
    "AboveLimit",
    "CorrectionIn",
    "CorrectionPreview",
    "CorrectionRefused",
    "InvoiceNotDraft",
    "NoSeller",
    "OrderRefused",
    "OwnDraft",
    "Standing",
    "TriggerRefused",
    "approve",
    "correct_as_previewed",
    "credit",
    "debit",
    "heard",
    "is_waited_for",
    "issue_many",
    "join_run",
    "keep_plan_months",
    "look",
    "merge_tallies",
    "open_window",
    "order_run",
    "perform",
    "perform_order",
    "preview_amendments",
    "preview_bill",
    "preview_correction",
    "preview_payer",
    "refuse",
    "run",
    "save_trigger",
    "standing",
    "state_triggers",
    "stop",
    "void",
]
