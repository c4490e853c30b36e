"""How long lists of the office and the API take on a company with a million invoices.

    .venv/bin/python bench/pages.py [--invoices 1000000] [--customers 100000] [--rounds 40]

Each request goes through everything that a browser's does but the socket: session, two factors,
rights, query, template. The invoices are written by one statement each for documents and lines:
they are lists' food, not billed. Beside each list stands the bare query of a page of it, the least
that any page could cost, and the list written first: OFFSET, a count of everything, a query for the
name of each row. The number of queries is compared between a company of fifty invoices and the
large one: it must be the same.
"""

import argparse
import os
import statistics
from collections.abc import Callable
from time import perf_counter
from typing import Any

from measure import in_child, tell, workplace

TENANT = "large"
PAGES = {
    "invoices": "/office/invoices/",
    "invoices by sum": "/office/invoices/?sort=-total",
    "invoices of a customer": "/office/invoices/?customer=c50",
    "customers": "/office/customers/",
    "customers by name": "/office/customers/?q=%D0%BA%D0%BB%D0%B8%D0%B5%D0%BD%D1%82%207",
    "overview": "/office/",
    "overview: owed": "/office/overview/owed/",
    "overview: agreement": "/office/overview/agreement/",
    "overview: months": "/office/overview/months/",
    "overview: plans": "/office/overview/plans/",
    "search by number": "/office/search/?q=2026-0000007",
    "search by sum": "/office/search/?q=24,40",
    "search by name": "/office/search/?q=rkbtyn%207",
    "trial balance": "/office/ledger/osv/",
    "account card": "/office/ledger/accounts/62.01/card/",
    "receivables": "/office/ledger/receivables/",
    "postings": "/office/ledger/postings/",
    "API invoices": "/api/v1/invoices?limit=50",
    "API customers": "/api/v1/customers?limit=50",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--invoices", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--child", action="store_true")
    args = parser.parse_args()
    if args.child:
        told = run(args)
        tell(**told)
        return
    with workplace():
        words = ["--child", "--invoices", args.invoices, "--customers", args.customers]
        told = in_child(*words, "--rounds", args.rounds)
    print(f"{args.invoices:,} invoices, {args.customers:,} customers, {told['memory_mb']:.0f} MB")
    for name, row in told["pages"].items():
        print(
            f"{name:26} p50 {row['p50']:6.1f} ms   p95 {row['p95']:6.1f} ms   "
            f"{row['queries']} queries (small company: {row['small']})"
        )
    print(f"bare query of a page   {told['bare']:6.1f} ms")
    print(f"the list written first {told['first']:6.1f} ms for page 10,000 of it")


def run(args: argparse.Namespace) -> dict[str, Any]:
    from kvit.web.cli.ground import ready

    ready()
    small = _company("small", 50, 20)
    few = {name: _queries(small, address) for name, address in PAGES.items()}
    large = _company(TENANT, args.invoices, args.customers)
    pages = {}
    for name, address in PAGES.items():
        times = sorted(_time(lambda at=address: large.get(at)) for _ in range(args.rounds))  # type: ignore[misc]
        pages[name] = {
            "p50": statistics.median(times),
            "p95": times[int(len(times) * 0.95) - 1],
            "queries": _queries(large, address),
            "small": few[name],
        }
        assert pages[name]["queries"] <= few[name], f"{name}: queries grow with rows"
    return {"pages": pages, **_peers(args.rounds)}


def _time(act: Callable[[], Any]) -> float:
    begun = perf_counter()
    answer = act()
    taken = (perf_counter() - begun) * 1000
    assert getattr(answer, "status_code", 200) == 200, answer.status_code
    return taken


def _queries(client: Any, address: str) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(address)  # what is kept for a process is kept now
    with CaptureQueriesContext(connection) as caught:
        answer = client.get(address)
        assert answer.status_code == 200, f"{address}: {answer.status_code} {answer.headers}"
    return len(caught)


def _company(code: str, invoices: int, customers: int) -> Any:
    """Make a company, fill it, and return the browser of its owner."""
    import time
    from datetime import UTC, datetime

    from allauth.mfa.models import Authenticator
    from django.db import connection, transaction
    from django.test import Client

    from kvit.ledger import services as ledger
    from kvit.parties import queries as parties
    from kvit.parties import services
    from kvit.parties.models import User
    from kvit.parties.rows import SellerRow, TenantRow
    from kvit.platform.tenancy import tenant_scope

    now = datetime.now(UTC)
    tenant = services.create_tenant(
        TenantRow(code, code, "RUB", "Europe/Moscow"), actor="cli:bench", now=now
    )
    with tenant_scope(tenant.id):
        services.apply_sellers([SellerRow("main", "Main")], actor="cli:bench", now=now, reason="")
        user_id = services.add_member(
            email=f"{code}@example.com", name="O", role="owner", actor="cli:bench", now=now
        )
        [seller] = parties.sellers().values()
        ledger.ensure_chart(seller.id, actor="cli:bench", now=now)
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in _FILL:
                cursor.execute(
                    statement,
                    {"tenant": tenant.id, "invoices": invoices, "customers": customers, "now": now},
                )
        with connection.cursor() as cursor:
            for table in _FILLED:
                cursor.execute(f"ANALYZE {table}")
    user = User.objects.get(pk=user_id)
    Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
    client = Client(SERVER_NAME="localhost")
    client.force_login(user, "allauth.account.auth_backends.AuthenticationBackend")
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time()}, {"method": "mfa", "at": time.time()}
    ]  # fmt: skip
    session["account_authentication_methods_user"] = str(user_id)
    session["tenant"] = str(tenant.id)
    session.save()
    return client


_FILLED = (
    "invoicing_invoice", "invoicing_invoiceline", "ledger_posting", "parties_customer",
    "parties_searchkey",
)  # fmt: skip
_FILL = (
    """
    INSERT INTO parties_customer (id, tenant_id, code, name, kind, inn, kpp, email, phone, address,
      zone, currency, segment, branch, search, sort_name, personal)
    SELECT gen_random_uuid(), %(tenant)s, 'c' || n, 'Клиент ' || n, 'company', '', '', '', '', '',
      '', '', '', '', 'клиент ' || n || ' c' || n, 'клиент ' || n, ''
    FROM generate_series(1, %(customers)s) n
    """,
    """
    INSERT INTO parties_searchkey (tenant_id, customer_id, key)
    SELECT tenant_id, id, unnest(ARRAY['клиент', substr(code, 2), code]) FROM parties_customer
    WHERE tenant_id = %(tenant)s
    """,
    """
    INSERT INTO invoicing_invoice (id, tenant_id, kind, status, waits_for, seller_id, customer_id,
      currency, billed_in, period_start, period_end, split_key, series, number, number_text,
      issued_on, issued_at, net_minor, vat_minor, total_minor, vat_rounding, reason, author,
      approver, created_at)
    SELECT gen_random_uuid(), %(tenant)s, 'invoice', 'draft', '', s.id, c.id, 'RUB', day, day,
      (day + interval '1 month')::date, '', '', NULL, '', NULL::date, NULL::timestamptz, n * 100,
      n * 22, n * 122, 'document', '', 'bench', '', %(now)s
    FROM (SELECT n, (date '2024-01-01' + (n %% 34) * interval '1 month')::date AS day,
                 n %% %(customers)s AS place FROM generate_series(1, %(invoices)s) n) n
    JOIN (SELECT id, row_number() OVER () - 1 AS place FROM parties_customer
          WHERE tenant_id = %(tenant)s) c USING (place)
    CROSS JOIN (SELECT id FROM parties_seller WHERE tenant_id = %(tenant)s) s
    """,
    """
    INSERT INTO invoicing_invoiceline (id, tenant_id, invoice_id, position, name, unit, starts_on,
      ends_on, units, gross_minor, discounts, basis, vat_code, vat_rate, net_minor, vat_minor,
      total_minor, subscription_code, price_code)
    SELECT gen_random_uuid(), %(tenant)s, id, 1, 'Плата', '', period_start, period_end, 1,
      net_minor, '[]', 'net', 'auto', 22, net_minor, vat_minor, total_minor, 's', 'fee'
    FROM invoicing_invoice WHERE tenant_id = %(tenant)s
    """,
    # Lines come while a document is a draft: of an issued one the database takes none.
    """
    UPDATE invoicing_invoice SET status = 'issued', series = '2026', number = net_minor / 100,
      number_text = '2026-' || lpad((net_minor / 100)::text, 7, '0'), issued_on = period_end,
      issued_at = %(now)s
    WHERE tenant_id = %(tenant)s
    """,
    """
    INSERT INTO ledger_posting (tenant_id, seller_id, debit, credit, customer_id, amount_minor,
      currency, source, line, effective_on, recorded_at)
    SELECT tenant_id, seller_id, side.debit, side.credit, customer_id,
      CASE side.line WHEN 1 THEN total_minor ELSE vat_minor END, currency, 'invoice:' || id,
      side.line, issued_on, %(now)s
    FROM invoicing_invoice CROSS JOIN (VALUES (1, '62.01', '90.01'), (2, '90.03', '68.02'))
      AS side (line, debit, credit)
    WHERE tenant_id = %(tenant)s
    """,
)


def _peers(rounds: int) -> dict[str, float]:
    from kvit.invoicing.models import Invoice
    from kvit.parties import queries as parties
    from kvit.parties.models import Customer
    from kvit.platform.tenancy import tenant_scope

    tenant = parties.tenant_by_code(TENANT)
    assert tenant is not None
    with tenant_scope(tenant.id):
        bare = Invoice.objects.order_by("-total_minor", "-id")
        times = [_time(lambda: list(bare[:50])) for _ in range(rounds)]

        def first() -> None:
            Invoice.objects.count()
            deep = min(500_000, Invoice.objects.count() // 2)
            for one in Invoice.objects.order_by("-issued_on")[deep : deep + 50]:
                Customer.objects.get(pk=one.customer_id)

        return {"bare": statistics.median(times), "first": _time(first)}


if __name__ == "__main__":
    os.environ.setdefault("KVIT_LANG", "en")
    main()
