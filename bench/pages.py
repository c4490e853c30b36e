"""How long pages of the office and the API take on a company with a million invoices.

    ./kvit bench pages --invoices 1000000 [--customers 100000] [--rounds 40] [--keep DIR]

Each request goes through everything that a browser's does but the socket: session, two factors,
rights, query, template. Beside each page stand the number of its statements, which must not grow
with rows (it is compared with a company of fifty invoices), and its weight. The peer is the list
written first: OFFSET, a count of everything, a query for the name of each row; the limit is the
bare query of a page. A company in a folder that is kept is filled once, goes on where its filling
was stopped, and is measured as often as one likes.
"""

import argparse
import gzip
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from filled import STORY, analyse, fill, settle
from measure import Report, in_child, tell, workplace

TENANT = "large"
LISTS = {
    "invoices": "/office/invoices/",
    "invoices, page 2": "/office/invoices/?after={after}",
    "invoices by sum": "/office/invoices/?sort=-total",
    "invoices of a month": "/office/invoices/?period={month}",
    "invoices void": "/office/invoices/?tab=void",
    "invoices corrected": "/office/invoices/?tab=corrected",
    "invoices drafts": "/office/invoices/?tab=drafts",
    "invoices of a customer": "/office/invoices/?q=c50",
    "corrections": "/office/corrections/",
    "customers": "/office/customers/",
    "customers by debt": "/office/customers/?sort=-owed",
    "customers who owe": "/office/customers/?owing=on",
    "customers by name": "/office/customers/?q=%D0%BA%D0%BB%D0%B8%D0%B5%D0%BD%D1%82%207",
    "subscriptions": "/office/subscriptions/",
    "receivables": "/office/ledger/receivables/",
    "receivables, 2 years ago": "/office/ledger/receivables/?on={long_ago}",
    "postings": "/office/ledger/postings/",
    "postings of an account": "/office/ledger/postings/?account=68.02",
    "catalogue": "/office/catalogue/",
    "usage": "/office/usage/",
    "journal": "/office/journal/",
    "API invoices": "/api/v1/invoices?limit=50",
    "API customers": "/api/v1/customers?limit=50",
    "API subscriptions": "/api/v1/subscriptions?limit=50",
    "API receivables": "/api/v1/ledger/receivables?limit=50",
    "API postings": "/api/v1/ledger/postings?limit=50",
    "API account by customer": "/api/v1/ledger/accounts/62.01/customers?limit=50",
    "API movements": "/api/v1/ledger/accounts/62.01/movements?limit=50",
    "API audit": "/api/v1/audit?limit=50",
    "API runs": "/api/v1/runs?limit=50",
    "API story": "/api/v1/customers/c1/story?limit=50",
    "runs": "/office/runs/",
    "simulations": "/office/catalogue/simulations/",
    "usage by stand": "/office/usage/stand/",
    "webhooks": "/office/webhooks/",
}
OTHERS = {
    "overview": "/office/",
    "overview: owed": "/office/overview/owed/",
    "overview: agreement": "/office/overview/agreement/",
    "overview: months": "/office/overview/months/",
    "overview: plans": "/office/overview/plans/",
    "overview: waiting": "/office/overview/waiting/",
    "search by number": "/office/search/?q=2026-0000007",
    "search by part of it": "/office/search/?q=00007",
    "search by sum": "/office/search/?q=24,40",
    "search by name": "/office/search/?q=rkbtyn%207",
    "customer": "/office/customers/{customer}/",
    "story of 10,000": "/office/customers/{storied}/story/",
    "customer's next bills": "/office/customers/{customer}/next-bill/",
    "invoice": "/office/invoices/{invoice}/",
    "subscription": "/office/subscriptions/sc50/",
    "trial balance": "/office/ledger/osv/",
    "trial balance of a year": "/office/ledger/osv/?since={year}&to={day}",
    "account card": "/office/ledger/accounts/62.01/card/?since={month}&to={day}",
    "account by customer": "/office/ledger/accounts/62.01/customers/?since={month}&to={day}",
    "customer's balance": "/office/customers/{customer}/balance/",
    "customer's requisites": "/office/customers/{customer}/requisites/",
    "why": "/office/invoices/{invoice}/lines/1/why/",
    "correct": "/office/invoices/{invoice}/correct/",
    "change of a subscription": "/office/subscriptions/sc50/change/",
    "plan": "/office/catalogue/plans/pro/",
    "signed log": "/office/ledger/log/",
    "settings": "/office/settings/",
    "roles": "/office/settings/roles/",
    "API invoice": "/api/v1/invoices/{invoice}",
    "API totals of tabs": "/api/v1/invoice-totals",
    "API trial balance": "/api/v1/ledger/trial-balance",
    "API overview": "/api/v1/overview",
    "API books": "/api/v1/overview/books",
    "API revenue": "/api/v1/overview/revenue",
    "API search": "/api/v1/search?text=rkbtyn%207",
}
PAGES = LISTS | OTHERS
CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--invoices", type=int, default=100_000)
    parser.add_argument("--customers", type=int, default=0, help="a tenth of the invoices")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="pages whose name holds this")
    parser.add_argument("--keep", type=Path, help="a folder whose database stays and is used again")
    parser.add_argument("--child", action="store_true")
    args = parser.parse_args()
    args.customers = args.customers or max(args.invoices // 10, 1)
    if args.child:
        tell(**run(args))
        return
    with workplace(args.keep):
        words = ["--child", "--invoices", args.invoices, "--customers", args.customers]
        told = in_child(*words, "--rounds", args.rounds, "--only", args.only)
    report = _report(args, told)
    if args.json:
        report.show(as_json=True)
        return
    for name, row in told["pages"].items():
        print(
            f"{name:26} p50 {row['p50']:6.1f} ms  p95 {row['p95']:6.1f} ms  CPU {row['cpu']:5.1f}"
            f" ms  {row['queries']:3} statements  {row['kb']:2.0f} KB"
        )
    report.notes.pop("pages")
    report.show(as_json=False)


def _report(args: argparse.Namespace, told: dict[str, Any]) -> Report:
    sizes = {"invoices": args.invoices, "customers": args.customers}
    grown = [
        f"{name}: {one['small']} to {one['queries']}"
        for name, one in told["pages"].items()
        if one["queries"] > one["small"] + 2  # a page may have a row of a kind that the small lacks
    ]
    exact = f"statements that grow from 50 invoices to these: {', '.join(grown) or 'none'}"
    over = [name for name, row in told["pages"].items() if row["p95"] > row["budget"]]
    many = [
        f"{name} {row['queries']}" for name, row in told["pages"].items() if row["queries"] > 12
    ]
    notes = {
        "pages": told["pages"],
        "p95 over the budget (lists 150 ms, others 300)": ", ".join(over) or "none",
        "over 12 statements": ", ".join(many) or "none",
        "bare query of a page of invoices": f"{told['bare']:.1f} ms",
        "the list written first": f"{told['first']:.0f} ms for a page in its middle",
        "filled in": f"{told['filled']:.0f} s",
        "memory": f"{told['memory_mb']:.0f} MB",
    }
    return Report("pages", sizes, exact, notes=notes)


def run(args: argparse.Namespace) -> dict[str, Any]:
    from kvit.web.cli.ground import ready

    ready()
    small, _ = company("small", 50, 60)
    large, filled = company(TENANT, args.invoices, args.customers, tell=say)
    few, many = _places("small"), _places(TENANT)
    pages = {}
    for name, address in PAGES.items():
        if args.only not in name:
            continue
        at = address.format(**many)
        kept, weight = _queries(large, at)
        begun = process_time()
        times = sorted(_time(lambda at=at: large.get(at)) for _ in range(args.rounds))  # type: ignore[misc]
        pages[name] = {
            "p50": statistics.median(times),
            "p95": times[max(int(len(times) * 0.95) - 1, 0)],
            "cpu": (process_time() - begun) / args.rounds * 1000,
            "queries": kept,
            "small": _queries(small, address.format(**few))[0],
            "kb": weight / 1024,
            "budget": 150 if name in LISTS else 300,
        }
    return {"pages": pages, "filled": filled, **_peers(args.rounds)}


def _time(act: Callable[[], Any]) -> float:
    begun = perf_counter()
    answer = act()
    taken = (perf_counter() - begun) * 1000
    assert getattr(answer, "status_code", 200) == 200, answer.status_code
    return taken


def _queries(client: Any, address: str) -> tuple[int, int]:
    """Return how many statements a page asks, and what it weighs."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(address)  # what is kept for a process is kept now
    with CaptureQueriesContext(connection) as caught:
        answer = client.get(address)
        assert answer.status_code == 200, f"{address}: {answer.status_code} {answer.headers}"
    asked = [one["sql"] for one in caught if not one["sql"].startswith(CONTROL)]
    return len(asked), len(gzip.compress(answer.content))


def _places(code: str) -> dict[str, str]:
    """Return what the addresses are filled with: a customer, an invoice, days."""
    from datetime import timedelta

    from kvit.invoicing import queries as invoicing
    from kvit.invoicing.queries import InvoiceFilter
    from kvit.parties import queries as parties
    from kvit.platform.tenancy import tenant_scope

    tenant = parties.tenant_by_code(code)
    assert tenant is not None
    with tenant_scope(tenant.id):
        page = invoicing.listed(InvoiceFilter(tab="issued"), limit=20)
        known = parties.customers_by_code(["c1"])
        row = page.rows[0]
        assert row.issued_on is not None
        return {
            "customer": str(row.customer_id),
            "storied": str(known["c1"].id),
            "invoice": str(row.id),
            "after": page.next or "",
            "month": row.billed_in.isoformat(),
            "day": row.issued_on.isoformat(),
            "year": (row.billed_in - timedelta(days=365)).isoformat(),
            "long_ago": (row.billed_in - timedelta(days=730)).isoformat(),
        }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def company(
    code: str, invoices: int, customers: int, *, tell: Callable[[str], None] = lambda _: None
) -> tuple[Any, float]:
    """Make a company unless it stands, fill it; return the browser of its owner, and how long that
    took."""
    import time
    from datetime import UTC, datetime

    from allauth.mfa.models import Authenticator
    from django.conf import settings
    from django.contrib.auth import login
    from django.http import HttpRequest
    from django.test import Client

    from kvit.ledger import services as ledger
    from kvit.parties import queries as parties
    from kvit.parties import services
    from kvit.parties.models import User
    from kvit.parties.rows import SellerRow, TenantRow
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.login.sessions import SessionStore

    now = datetime.now(UTC)
    tenant = parties.tenant_by_code(code) or services.create_tenant(
        TenantRow(code, code, "RUB", "Europe/Moscow"), actor="cli:bench", now=now
    )
    with tenant_scope(tenant.id):
        services.apply_sellers([SellerRow("main", "Main")], actor="cli:bench", now=now, reason="")
        [seller] = parties.sellers().values()
        ledger.ensure_chart(seller.id, actor="cli:bench", now=now)
        begun = perf_counter()
        fill(
            tenant.id, invoices=invoices, customers=customers, now=now,
            story=min(STORY, invoices), analyse=analyse, tell=tell,
        )  # fmt: skip
        settle(now.date())
        filled = perf_counter() - begun
        user = User.objects.filter(email=f"{code}@example.com").first()
        user_id = user.pk if user else services.add_member(
            email=f"{code}@example.com", name="O", role="owner", actor="cli:bench", now=now
        )  # fmt: skip
    user = User.objects.get(pk=user_id)
    Authenticator.objects.get_or_create(user=user, type="totp", defaults={"data": {"secret": "x"}})
    client = Client(SERVER_NAME="localhost")
    request = HttpRequest()
    request.session = session = SessionStore()
    login(request, user, "allauth.account.auth_backends.AuthenticationBackend")
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time()}, {"method": "mfa", "at": time.time()}
    ]  # fmt: skip
    session["account_authentication_methods_user"] = str(user_id)
    session["tenant"] = str(tenant.id)
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.token
    return client, filled


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
            deep = Invoice.objects.count() // 2
            for one in Invoice.objects.order_by("-issued_on")[deep : deep + 50]:
                Customer.objects.get(pk=one.customer_id)

        return {"bare": statistics.median(times), "first": _time(first)}


if __name__ == "__main__":
    os.environ.setdefault("KVIT_LANG", "en")
    main()
