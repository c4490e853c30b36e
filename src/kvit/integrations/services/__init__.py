"""Bring a company to what its folder states: read → plan → apply.

The folder was read by an adapter; here the three contents of every object meet (wanted, last
wanted, standing), and the difference is applied in one transaction. Usage follows file by file.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from kvit.integrations.port import CompanyFolder, Fault
from kvit.integrations.services._endpoints import (
    WebhookRefused,
    change_webhook,
    create_webhook,
    pause_webhook,
    remove_webhook,
    resume_webhook,
    rotate_webhook_secret,
    standing_of,
)
from kvit.integrations.services._objects import (
    REASON,
    Outcome,
    apply_catalogue,
    apply_customers,
    apply_sellers,
    customer_ids,
)
from kvit.integrations.services._retention import forget_deliveries
from kvit.integrations.services._subscriptions import apply_changes, apply_subscriptions
from kvit.integrations.services._triggers import apply_triggers
from kvit.integrations.services._uploads import (
    UploadRowRefused,
    leave_upload_row,
    mend_upload_row,
    take_upload,
)
from kvit.integrations.services._usage import UsageOutcome, ingest_usage, tenant_option
from kvit.integrations.services._webhooks import (
    any_webhook,
    hear,
    replay_webhook,
    resend,
    try_webhook,
)
from kvit.parties import queries as parties
from kvit.parties import services as parties_services
from kvit.parties.rows import Tenant, TenantRow

__all__ = [
    "Imported",
    "Outcome",
    "UploadRowRefused",
    "UsageOutcome",
    "WebhookRefused",
    "any_webhook",
    "apply_objects",
    "apply_triggers",
    "change_webhook",
    "create_webhook",
    "ensure_tenant",
    "forget_deliveries",
    "hear",
    "ingest_usage",
    "leave_upload_row",
    "mend_upload_row",
    "pause_webhook",
    "remove_webhook",
    "replay_webhook",
    "resend",
    "resume_webhook",
    "rotate_webhook_secret",
    "standing_of",
    "take_upload",
    "tenant_option",
    "try_webhook",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Imported:
    """What is held after an import, from the folder's faults and from the company as it stands."""

    outcome: Outcome
    held_subscriptions: frozenset[str]
    held_prices: frozenset[tuple[str, str]]

    @property
    def faults(self) -> list[Fault]:
        return self.outcome.faults


@transaction.atomic
def ensure_tenant(folder: CompanyFolder, *, actor: str, now: datetime) -> Tenant:
    """Return the folder's tenant, made if there is none."""
    wanted = _tenant_row(folder)
    _take_turn(wanted.code)
    found = parties.tenant_by_code(wanted.code)
    if found is None:
        return parties_services.create_tenant(wanted, actor=actor, now=now, reason=REASON)
    return found


@transaction.atomic
def apply_objects(
    folder: CompanyFolder, *, take_folder: bool, actor: str, now: datetime
) -> Imported:
    """Apply everything but usage, in the tenant's scope: all of it or nothing."""
    _take_turn(_tenant_row(folder).code)
    outcome = Outcome()
    _apply_tenant(folder, outcome, actor=actor, now=now)
    apply_sellers(folder, outcome, take_folder=take_folder, actor=actor, now=now)
    apply_catalogue(folder, outcome, take_folder=take_folder, actor=actor, now=now)
    apply_customers(folder, outcome, take_folder=take_folder, actor=actor, now=now)
    customers = customer_ids(folder)
    apply_subscriptions(folder, customers, outcome, take_folder=take_folder, actor=actor, now=now)
    apply_changes(folder, customers, outcome, take_folder=take_folder, actor=actor, now=now)
    held = {row.code for row in folder.subscriptions if folder.holds("subscription", row.code)}
    return Imported(
        outcome,
        frozenset(held | outcome.held_subscriptions | folder.held.get("subscription", frozenset())),
        folder.held_prices | frozenset(outcome.held_prices),
    )


def _take_turn(code: str) -> None:
    """Let two imports of one company go one after the other: the later one finds all done."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"integrations:{code}"]
        )


def _apply_tenant(folder: CompanyFolder, outcome: Outcome, *, actor: str, now: datetime) -> None:
    wanted = _tenant_row(folder)
    if wanted != parties.tenant().row:
        parties_services.change_tenant(wanted, actor=actor, now=now, reason=REASON)
        outcome.changed["company"] = 1


def _tenant_row(folder: CompanyFolder) -> TenantRow:
    assert folder.company is not None  # a folder without it is no company folder
    row = folder.company
    return TenantRow(
        row.code, row.name, row.currency, row.zone, row.language, row.vat_rounding, row.late_events
    )
