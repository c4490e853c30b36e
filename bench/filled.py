"""Fill a company with so many customers and invoices: a statement a table, nothing billed.

Lists' food: customers with a subscription each, documents of 34 months with their postings, of the
last month also their lines and charges, corrections, drafts, one customer with ten thousand notes.

Documents come in parts, each committed: who is stopped goes on with the next one. Statistics are
taken between: those of a company of fifty say that nobody else has any rows, and a million were
joined with a hundred thousand in nested loops.
"""

from collections.abc import Callable
from datetime import date
from time import perf_counter
from typing import Any, LiteralString, cast
from uuid import UUID

import psycopg

MONTHS = 34
STORY = 10_000  # things that happened to customer c1
PART = 50_000  # documents a transaction

TABLES = (
    "catalog_plan", "invoicing_corrected", "invoicing_invoice", "invoicing_invoiceline",
    "invoicing_tally", "ledger_claim", "ledger_dayturnover", "ledger_pastclaim", "ledger_posting",
    "parties_customer", "parties_customernote", "parties_searchkey", "platform_auditrow",
    "rating_charge", "subscriptions_spell", "subscriptions_subscription",
)  # fmt: skip


def fill(
    tenant: UUID,
    *,
    invoices: int,
    customers: int,
    now: Any,
    story: int = STORY,
    analyse: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Write the rows that are not there yet."""
    values = {
        "tenant": tenant, "invoices": invoices, "customers": customers, "now": now,
        "months": MONTHS, "story": story,
    }  # fmt: skip
    begun = perf_counter()
    if not _found("SELECT count(*) FROM parties_customer WHERE tenant_id = %(tenant)s", values):
        _write(_PEOPLE, values)
        analyse()
        tell(f"{customers:,} customers: {perf_counter() - begun:.0f} s")
    done = _found(_LAST, values)
    for first in range(done + 1, invoices + 1, PART):
        last = min(first + PART - 1, invoices)
        _write(_DOCUMENTS, values | {"first": first, "last": last})
        if first == 1:
            analyse()
        tell(f"{last:,} of {invoices:,} invoices: {perf_counter() - begun:.0f} s")


def analyse() -> None:
    """Let the planner know what there is."""
    _as_owner("ANALYZE")


def settle(on: date) -> None:
    """Do what the night of a day and autovacuum would."""
    from kvit.invoicing import services as invoicing
    from kvit.ledger import services as ledger
    from kvit.ledger.jobs import RESTS

    ledger.merge_turnovers()
    ledger.keep_past(before=on - RESTS)
    invoicing.merge_tallies()
    invoicing.keep_plan_months(today=on)
    _as_owner("VACUUM (ANALYZE)")


def _as_owner(what: str) -> None:
    from kvit.platform.connection import conninfo
    from kvit.platform.db.roles import OWNER_ROLE, access

    with psycopg.connect(conninfo(access(), OWNER_ROLE), autocommit=True) as owner:
        for table in TABLES:
            owner.execute(cast(LiteralString, f"{what} {table}"))


def _write(statements: tuple[str, ...], values: dict[str, Any]) -> None:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '256MB'")
        for statement in statements:
            cursor.execute(statement, values)


def _found(question: str, values: dict[str, Any]) -> int:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(question, values)
        [[found]] = cursor.fetchall()
    return int(found)


_LAST = """
    SELECT coalesce(max(number), 0) FROM invoicing_invoice
    WHERE tenant_id = %(tenant)s AND series = '2026'
"""
_PEOPLE = (
    """
    INSERT INTO parties_customer (id, tenant_id, code, name, kind, inn, kpp, email, phone, address,
      zone, currency, segment, branch, search, sort_name, personal)
    SELECT gen_random_uuid(), %(tenant)s, 'c' || n, 'Клиент ' || n, 'company',
      (7700000000 + n)::text, '', '', '', '', '', '', CASE n %% 50 WHEN 0 THEN 'vip' ELSE '' END,
      '', 'клиент ' || n || ' c' || n, 'клиент ' || n, ''
    FROM generate_series(1, %(customers)s) n
    """,
    """
    INSERT INTO parties_searchkey (tenant_id, customer_id, key)
    SELECT tenant_id, id, unnest(ARRAY['клиент', substr(code, 2), code, inn]) FROM parties_customer
    WHERE tenant_id = %(tenant)s
    """,
    """
    INSERT INTO parties_customernote (id, tenant_id, text, author, at, customer_id)
    SELECT gen_random_uuid(), %(tenant)s, 'Позвонили, разговор ' || n, 'cli:bench',
      %(now)s - n * interval '1 hour', c.id
    FROM parties_customer c, generate_series(1, %(story)s) n
    WHERE c.tenant_id = %(tenant)s AND c.code = 'c1'
    """,
    """
    WITH plan AS (INSERT INTO catalog_plan (id, tenant_id, code)
                  VALUES (gen_random_uuid(), %(tenant)s, 'pro') RETURNING id)
    INSERT INTO catalog_planversion (id, tenant_id, status, effective_from, position,
      published_revision, name, cycle, anchor, scheme, service, seller, calendar, price_basis,
      trial_days, includes, phases, plan_id)
    SELECT gen_random_uuid(), %(tenant)s, 'published', '1900-01-01', 0, 1, 'Профи', 'month',
      'calendar', 'postpaid', 'saas', 'main', '', '', 0, '[]', '[]', id FROM plan
    """,
    """
    INSERT INTO subscriptions_subscription (id, tenant_id, code, zone, starts_at, starts_on, first,
      amendments, customer_id)
    SELECT gen_random_uuid(), tenant_id, 's' || code, 'Europe/Moscow', '2024-01-01', '2024-01-01',
      jsonb_build_object('plan', 'pro', 'customer', id, 'quantity', '1', 'terms', '{}'::jsonb), 0,
      id
    FROM parties_customer WHERE tenant_id = %(tenant)s
    """,
    """
    INSERT INTO subscriptions_spell (id, tenant_id, place, starts_at, plan, payer_id, quantity,
      state, is_special, add_ons, subscription_id)
    SELECT gen_random_uuid(), tenant_id, 0, starts_at, 'pro', customer_id, 1, 'active', false, '[]',
      id FROM subscriptions_subscription WHERE tenant_id = %(tenant)s
    """,
)
_DOCUMENTS = (
    # The documents as they will stand, with ids that grow as real ones do. Lines come before them:
    # of an issued one the database takes none.
    """
    CREATE TEMP TABLE made ON COMMIT DROP AS
    SELECT (lpad(to_hex(n), 8, '0') || substr(gen_random_uuid()::text, 9))::uuid AS id, n,
      c.id AS customer_id, s.id AS seller_id,
      (date_trunc('month', %(now)s::timestamptz)
        - (1 + (%(invoices)s - n)::bigint * %(months)s / %(invoices)s) * interval '1 month')::date
        AS day,
      gen_random_uuid() AS charge_id
    FROM generate_series(%(first)s::int, %(last)s::int) n
    JOIN parties_customer c
      ON c.tenant_id = %(tenant)s AND c.code = 'c' || (n %% %(customers)s + 1)
    CROSS JOIN (SELECT id FROM parties_seller WHERE tenant_id = %(tenant)s) s
    """,
    "ANALYZE made",
    """
    INSERT INTO rating_charge (id, tenant_id, subscription_id, subscription_code, customer_id,
      seller_id, service, price_key, price_code, price_version_id, name, unit, billed_in,
      period_start, period_end, starts_at, ends_at, starts_on, ends_on, revision, reason, currency,
      basis, vat_code, vat_on, units, events, exact_num, exact_den, gross_minor, amount_minor,
      discounts, whens, usage_version, terms_number, catalogue_revision, rated_at)
    SELECT charge_id, %(tenant)s, s.id, s.code, m.customer_id, seller_id, 'saas', 'fee-' || n,
      'fee', '', 'Плата', '', day, day, day + interval '1 month', day, day + interval '1 month',
      day, day + interval '1 month', 0, 'period', 'RUB', 'net', 'auto', day, 1, 0, n * 100, 1,
      n * 100, n * 100, '[]', '["arrears"]', 1, 1, 1, %(now)s
    FROM made m JOIN subscriptions_subscription s
      ON s.tenant_id = %(tenant)s AND s.customer_id = m.customer_id
    WHERE day = (date_trunc('month', %(now)s::timestamptz) - interval '1 month')::date
    """,
    """
    INSERT INTO invoicing_invoiceline (id, tenant_id, invoice_id, position, charge_id, name, unit,
      starts_on, ends_on, units, gross_minor, discounts, basis, vat_code, vat_rate, net_minor,
      vat_minor, total_minor, subscription_id, subscription_code, price_code)
    SELECT gen_random_uuid(), %(tenant)s, m.id, 1, c.id, 'Плата', '', c.starts_on, c.ends_on, 1,
      c.amount_minor, '[]', 'net', 'auto', 22, n * 100, n * 22, n * 122, c.subscription_id,
      c.subscription_code, 'fee'
    FROM made m JOIN rating_charge c ON c.id = m.charge_id
    """,
    """
    INSERT INTO invoicing_invoice (id, tenant_id, kind, status, waits_for, seller_id, customer_id,
      currency, billed_in, period_start, period_end, split_key, series, number, number_text,
      issued_on, issued_at, net_minor, vat_minor, total_minor, vat_rounding, reason, author,
      approver, created_at)
    SELECT id, %(tenant)s, 'invoice', 'issued', '', seller_id, customer_id, 'RUB', day, day,
      (day + interval '1 month')::date, '', '2026', n, '2026-' || lpad(n::text, 7, '0'),
      (day + interval '1 month')::date, %(now)s, n * 100, n * 22, n * 122, 'document', '',
      'cli:bench', '', %(now)s
    FROM made
    """,
    # One of a hundred is taken back, one has a credit note; one of a thousand waits as a draft.
    """
    INSERT INTO invoicing_invoice (id, tenant_id, kind, status, waits_for, seller_id, customer_id,
      currency, billed_in, period_start, period_end, split_key, series, number, number_text,
      issued_on, issued_at, net_minor, vat_minor, total_minor, vat_rounding, corrects_id, reason,
      author, approver, created_at)
    SELECT gen_random_uuid(), %(tenant)s, kind, 'issued', '', seller_id, customer_id, 'RUB', day,
      day, (day + interval '1 month')::date, '', 'К-2026', n, 'К-2026-' || n,
      (day + interval '1 month')::date, %(now)s, -n * share, 0, -n * share, 'document', id,
      'ошибка', 'cli:bench', '', %(now)s
    FROM made JOIN (VALUES (0, 'void', 122), (1, 'credit_note', 50)) AS k (rest, kind, share)
      ON n %% 100 = rest
    """,
    """
    INSERT INTO invoicing_invoice (id, tenant_id, kind, status, waits_for, seller_id, customer_id,
      currency, billed_in, period_start, period_end, split_key, series, number_text, net_minor,
      vat_minor, total_minor, vat_rounding, reason, author, approver, created_at)
    SELECT gen_random_uuid(), %(tenant)s, 'invoice', 'draft', 'outlier', seller_id, customer_id,
      'RUB', day, day, (day + interval '1 month')::date, '', '', '', n * 100, n * 22, n * 122,
      'document', '', 'cli:bench', '', %(now)s
    FROM made WHERE n %% 1000 = 7
    """,
    """
    INSERT INTO ledger_posting (tenant_id, seller_id, debit, credit, customer_id, amount_minor,
      currency, source, line, effective_on, recorded_at)
    SELECT tenant_id, seller_id, side.debit, side.credit, customer_id,
      CASE side.line WHEN 1 THEN total_minor ELSE vat_minor END, currency, 'invoice:' || id,
      side.line, issued_on, %(now)s
    FROM invoicing_invoice CROSS JOIN (VALUES (1, '62.01', '90.01'), (2, '90.03', '68.02'))
      AS side (line, debit, credit)
    WHERE tenant_id = %(tenant)s AND id IN (SELECT id FROM made)
    """,
    """
    INSERT INTO ledger_posting (tenant_id, seller_id, debit, credit, customer_id, amount_minor,
      currency, source, line, effective_on, recorded_at)
    SELECT tenant_id, seller_id, '90.01', '62.01', customer_id, -total_minor, currency,
      'invoice:' || id, 1, issued_on, %(now)s
    FROM invoicing_invoice
    WHERE tenant_id = %(tenant)s AND corrects_id IN (SELECT id FROM made)
    """,
)
