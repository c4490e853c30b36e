"""Everything that must hold, recomputed from the database: each context's own, and between them.

Constraints and triggers promise most of it; here the rows are asked all the same, since who owns
a table can lift its guard. What stands between two contexts (a line and its charge, a document
and its postings) belongs to neither of them and is asked here, set by set.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from django.db import connection

from kvit.catalog import queries as catalog
from kvit.core.pricing import PriceError
from kvit.core.wording import Words, say
from kvit.documents import queries as documents
from kvit.invoicing import queries as invoicing
from kvit.ledger import queries as ledger
from kvit.metering import queries as metering
from kvit.metering.rows import LATEST
from kvit.parties import queries as parties
from kvit.parties.rows import Tenant
from kvit.platform import catalogue_check
from kvit.platform.audit_signed import JOURNAL
from kvit.platform.audit_signed import WORDS as JOURNAL_WORDS
from kvit.platform.failures import Failure
from kvit.platform.invariants import Problem, found_by
from kvit.platform.reading import reading
from kvit.platform.tenancy import current_tenant_id, tenant_scope
from kvit.rating import queries as rating
from kvit.rating.explain import explain
from kvit.rating.slowly import gross_slowly
from kvit.subscriptions import queries as subscriptions

Progress = Callable[[int, int], None]
Step = Callable[[], Iterable[Problem]]
EARLIEST, FOREVER = date(1900, 1, 1), date(9999, 1, 1)
WORDS: Words = {
    "database_not_guarded": (
        "база не разделяет арендаторов, как должна",
        "the database does not keep tenants apart as it should",
    ),
    "line_not_its_charge": (
        "строка документа не равна своему начислению",
        "a line of a document is not what its charge says",
    ),
    "charge_billed_nowhere": (
        "начисление закрытого запуска не стоит ни в одном документе",
        "a charge of a finished run stands on no document",
    ),
    "document_of_unknown_customer": (
        "документ выписан на клиента или от продавца, которого нет",
        "a document is of a customer or a seller that does not exist",
    ),
    "postings_not_the_document": (
        "проводки документа не сходятся с его суммами",
        "the postings of a document do not add up to its sums",
    ),
    "postings_of_nothing": (
        "проводки ссылаются на документ, которого нет или который не выставлен",
        "postings name a document that does not exist or was not issued",
    ),
    "balance_not_the_fold": (
        "сальдо счёта не равно сумме его проводок",
        "an account's balance is not the sum of its postings",
    ),
    "books_out_of_balance": (
        "обороты по дебету и кредиту не равны",
        "debits and credits are not equal",
    ),
    "usage_without_fate": (
        "события не сходятся: принято не столько, сколько учтено, ждёт и ещё не рассчитано",
        "usage does not add up: accepted is not billed + waiting + open",
    ),
    "price_version_lost": (
        "начисление ссылается на версию цены, которой нет",
        "a charge names a version of a price that does not exist",
    ),
    "not_recomputed": (
        "пересчитать не удалось: записанное нельзя прочитать",
        "this could not be recomputed: what is stored cannot be read",
    ),
    "sample_differs": (
        "начисление, пересчитанное заново, не совпадает",
        "a charge computed again is another sum",
    ),
    "oracle_differs": (
        "независимый медленный расчёт даёт другую сумму",
        "the independent slow computation gives another sum",
    ),
}
_BETWEEN = {
    "line_not_its_charge": """
        SELECT 'line:' || l.id,
               format('%%s/%%s: %%s %%s, charge %%s: %%s %%s', i.number_text, l.position,
                      CASE l.basis WHEN 'gross' THEN l.total_minor ELSE l.net_minor END, i.currency,
                      l.charge_id, coalesce(c.amount_minor::text, 'lost'), c.currency)
        FROM invoicing_invoiceline l
        JOIN invoicing_invoice i ON i.tenant_id = l.tenant_id AND i.id = l.invoice_id
        LEFT JOIN rating_charge c ON c.tenant_id = l.tenant_id AND c.id = l.charge_id
        WHERE l.tenant_id = %(tenant)s AND l.charge_id IS NOT NULL AND i.kind <> 'void'
          AND (c.id IS NULL OR c.currency <> i.currency OR c.seller_id <> i.seller_id
               OR c.customer_id <> i.customer_id OR c.units <> l.units OR c.basis <> l.basis
               OR c.amount_minor <> CASE l.basis WHEN 'gross' THEN l.total_minor
                                                 ELSE l.net_minor END)
        ORDER BY l.id
    """,
    # Ids rise with time. A charge older than the last run of its month, done, has been invoiced.
    "charge_billed_nowhere": """
        SELECT 'charge:' || c.id, format('%%s %%s, %%s, billed in %%s', c.subscription_code,
                                         c.price_key, c.amount_minor, c.billed_in)
        FROM rating_charge c
        JOIN (SELECT DISTINCT ON (period_start) period_start, status
              FROM invoicing_billrun WHERE tenant_id = %(tenant)s
              ORDER BY period_start, id DESC) r ON r.period_start = c.billed_in
        WHERE c.tenant_id = %(tenant)s AND r.status = 'done' AND c.amount_minor <> 0
          AND c.reason <> 'void'
          AND NOT EXISTS (SELECT FROM invoicing_invoiceline l
                          WHERE l.tenant_id = c.tenant_id AND l.charge_id = c.id)
          AND NOT EXISTS (SELECT FROM invoicing_freedcharge f
                          WHERE f.tenant_id = c.tenant_id AND f.charge_id = c.id)
        ORDER BY c.id
    """,
    "document_of_unknown_customer": """
        SELECT 'invoice:' || i.id, format('%%s: customer %%s, seller %%s', i.number_text,
                                          i.customer_id, i.seller_id)
        FROM invoicing_invoice i WHERE i.tenant_id = %(tenant)s AND NOT (
            EXISTS (SELECT FROM parties_customer c
                    WHERE c.tenant_id = i.tenant_id AND c.id = i.customer_id)
            AND EXISTS (SELECT FROM parties_seller s
                        WHERE s.tenant_id = i.tenant_id AND s.id = i.seller_id))
        ORDER BY i.id
    """,
    "postings_not_the_document": """
        SELECT 'invoice:' || i.id,
               format('%%s: total %%s, VAT %%s; posted %%s and %%s', i.number_text, i.total_minor,
                      i.vat_minor, coalesce(p.claim, 0), coalesce(p.vat, 0))
        FROM invoicing_invoice i
        LEFT JOIN (
            SELECT p.source, p.seller_id, p.currency,
                   sum(amount_minor * ((d.role = 'receivable')::int - (k.role = 'receivable')::int))
                       AS claim,
                   sum(amount_minor * ((k.role = 'vat_out')::int - (d.role = 'vat_out')::int))
                       AS vat,
                   sum(amount_minor * ((k.role = 'revenue')::int - (d.role = 'revenue')::int))
                       AS revenue
            FROM ledger_posting p
            JOIN (SELECT seller_id, code, coalesce(role, '') AS role FROM ledger_account
                  WHERE tenant_id = %(tenant)s) d ON d.seller_id = p.seller_id AND d.code = p.debit
            JOIN (SELECT seller_id, code, coalesce(role, '') AS role FROM ledger_account
                  WHERE tenant_id = %(tenant)s) k ON k.seller_id = p.seller_id AND k.code = p.credit
            WHERE p.tenant_id = %(tenant)s AND starts_with(p.source, 'invoice:')
            GROUP BY p.source, p.seller_id, p.currency
        ) p ON p.source = 'invoice:' || i.id
        WHERE i.tenant_id = %(tenant)s AND i.status = 'issued'
          AND ((coalesce(p.claim, 0), coalesce(p.vat, 0), coalesce(p.revenue, 0))
               IS DISTINCT FROM (i.total_minor, i.vat_minor, i.total_minor)
               OR coalesce(p.seller_id, i.seller_id) <> i.seller_id
               OR coalesce(p.currency, i.currency) <> i.currency)
        ORDER BY i.id
    """,
    "postings_of_nothing": """
        SELECT 'posting:' || min(p.id), p.source
        FROM ledger_posting p
        WHERE p.tenant_id = %(tenant)s AND starts_with(p.source, 'invoice:')
          AND NOT EXISTS (SELECT FROM invoicing_invoice i
                          WHERE i.tenant_id = p.tenant_id AND p.source = 'invoice:' || i.id
                            AND i.status = 'issued')
        GROUP BY p.source ORDER BY min(p.id)
    """,
    "price_version_lost": """
        SELECT 'charge:' || c.id, format('%%s %%s, version %%s', c.subscription_code, c.price_key,
                                         c.price_version_id)
        FROM rating_charge c
        WHERE c.tenant_id = %(tenant)s AND c.price_version_id <> '' AND NOT EXISTS (
            SELECT FROM catalog_priceversion v
            WHERE v.tenant_id = c.tenant_id AND v.id::text = c.price_version_id)
        ORDER BY c.id
    """,
}
_COUNTS = {
    "invoices": "SELECT count(*) FROM invoicing_invoice WHERE tenant_id = %(tenant)s",
    "lines": "SELECT count(*) FROM invoicing_invoiceline WHERE tenant_id = %(tenant)s",
    "charges": "SELECT count(*) FROM rating_charge WHERE tenant_id = %(tenant)s",
    "postings": "SELECT count(*) FROM ledger_posting WHERE tenant_id = %(tenant)s",
    "documents": "SELECT count(*) FROM documents_rendereddocument WHERE tenant_id = %(tenant)s",
    "events": """SELECT (SELECT count(*) FROM metering_usageevent WHERE tenant_id = %(tenant)s)
        + (SELECT count(*) FROM metering_releasedevent WHERE tenant_id = %(tenant)s)""",
}
PROBLEM_WORDS: Words = {
    **WORDS,
    **parties.PROBLEM_WORDS,
    **catalog.PROBLEM_WORDS,
    **subscriptions.PROBLEM_WORDS,
    **metering.PROBLEM_WORDS,
    **rating.PROBLEM_WORDS,
    **invoicing.PROBLEM_WORDS,
    **ledger.WORDS,
    **JOURNAL_WORDS,
    **documents.PROBLEM_WORDS,
}
NOTE_WORDS = invoicing.NOTE_WORDS


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that does not hold, or what is noted: its first row, and how many there are."""

    tenant: str
    code: str
    row: str
    detail: str
    rows: int

    def text(self, lang: str) -> str:
        return say(PROBLEM_WORDS if self.code in PROBLEM_WORDS else NOTE_WORDS, self.code, lang)


@dataclass(slots=True)
class TenantReport:
    """What was looked at in one company, and what does not hold there. What is noted is allowed,
    and told because somebody may want to know it."""

    tenant: str
    counts: dict[str, int] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    sampled: int = 0
    asked_oracle: int = 0
    broken: list[Broken] = field(default_factory=list)
    noted: list[Broken] = field(default_factory=list)


def verify_database() -> list[Broken]:
    """Ask the database's own catalogue whether tenants are kept apart."""
    return [Broken("", "database_not_guarded", one, "", 1) for one in catalogue_check.problems()]


def verify_tenant(tenant: Tenant, *, sample: int, seed: str, progress: Progress) -> TenantReport:
    """Recompute everything of one company.

    Args:
        sample: how many charges are rated again, events and all.
        seed: the same seed chooses the same charges.
    """
    report = TenantReport(tenant.row.code)
    with tenant_scope(tenant.id):
        report.counts = {name: _one(sql) for name, sql in _COUNTS.items()}
        steps = _steps(report, sample, seed)
        for done, (name, step) in enumerate(steps.items()):
            progress(done, len(steps))
            with reading():  # what it asks of the catalogue for each charge is asked once
                report.broken += _summed(tenant.row.code, _as_far_as_it_goes(name, step))
        progress(len(steps), len(steps))
        report.noted += _summed(tenant.row.code, invoicing.notes())
    return report


def _as_far_as_it_goes(name: str, step: Step) -> Iterator[Problem]:
    """A row that cannot even be read ends its step, and no other one."""
    try:
        yield from step()
    except Failure as error:
        yield Problem("not_recomputed", name, str(error))
    except (PriceError, ValueError, LookupError) as error:
        yield Problem("not_recomputed", name, f"{type(error).__name__}: {error}")


def _steps(report: TenantReport, sample: int, seed: str) -> dict[str, Step]:
    return {
        "parties": parties.problems,
        "catalog": catalog.problems,
        "subscriptions": subscriptions.problems,
        "metering": metering.problems,
        "rating": lambda: rating.problems(unknown=invoicing.usage_that_waited()),
        "invoicing": invoicing.problems,
        "ledger": ledger.problems,
        "log": ledger.problems_of_log,
        "journal": JOURNAL.problems,
        "documents": documents.problems,
        "between": lambda: found_by(_BETWEEN),
        "books": _books,
        "usage": lambda: _fates(report),
        "sample": lambda: _sample(report, sample, seed),
    }


def _summed(tenant: str, problems: Iterable[Problem]) -> list[Broken]:
    """Keep the first broken row of each kind, and count the others."""
    first: dict[str, Problem] = {}
    rows: Counter[str] = Counter()
    for one in problems:
        first.setdefault(one.code, one)
        rows[one.code] += one.rows
    return [Broken(tenant, code, one.row, one.detail, rows[code]) for code, one in first.items()]


def _books() -> Iterator[Problem]:
    """Compare what the books answer with a plain sum over the postings."""
    for seller in parties.sellers().values():
        trial = ledger.trial_balance(seller.id, since=EARLIEST, until=FOREVER)
        for currency in sorted({row.currency for row in trial}):
            rows = [row for row in trial if row.currency == currency]
            debit, credit = (sum(getattr(row, name) for row in rows)
                             for name in ("debit_minor", "credit_minor"))  # fmt: skip
            if debit != credit or sum(row.closing_minor for row in rows):
                detail = f"debit {debit}, credit {credit} {currency}"
                yield Problem("books_out_of_balance", f"seller:{seller.row.code}", detail)
        told = {(row.account, row.currency): row.closing_minor for row in trial}
        for key, balance in _folded(seller.id).items():
            if told.get(key, 0) != balance:
                row = f"account:{seller.row.code}/{key[0]}"
                detail = f"{told.get(key, 0)} {key[1]}, its postings {balance}"
                yield Problem("balance_not_the_fold", row, detail)


def _folded(seller_id: UUID) -> Mapping[tuple[str, str], int]:
    balances: dict[tuple[str, str], int] = {}
    with connection.cursor() as cursor:
        for side, sign in (("debit", 1), ("credit", -1)):
            cursor.execute(
                f"SELECT {side}, currency, sum(amount_minor) FROM ledger_posting"
                " WHERE tenant_id = %s AND seller_id = %s GROUP BY 1, 2",
                [current_tenant_id(), seller_id],
            )
            for account, currency, total in cursor.fetchall():
                key = (account, currency)
                balances[key] = balances.get(key, 0) + sign * int(total)
    return balances


def _usage() -> dict[str, int]:
    """Return the fates of usage: what was accepted is billed, waits, is open for a next run, or was
    retracted. `undone` are of the latter those since the last run."""
    counts = metering.counts()
    standing = counts.accepted - counts.retracted
    billed, waiting = rating.billed_events(), rating.waiting_events(LATEST)
    # Events undone since the last run are still among the billed ones: the next takes them back.
    undone = metering.undone_since(invoicing.looked_from())
    billed -= min(undone, max(0, billed + waiting - standing))
    return {
        "accepted": counts.accepted,
        "retracted": counts.retracted,
        "undone": undone,
        "billed": billed,
        "waiting": waiting,
        "open": standing - billed - waiting,
        "rejected": counts.rejected_open,
        "conflicting": counts.conflicts_open,
        "unread": counts.unread,
    }


def _fates(report: TenantReport) -> Iterator[Problem]:
    """More cannot be billed and wait than was accepted; that each period's count is right,
    rating's own invariants ask."""
    report.usage = _usage()
    if report.usage["open"] < 0:
        detail = ", ".join(f"{name} {n}" for name, n in report.usage.items())
        yield Problem("usage_without_fate", "usage", detail)


def _sample(report: TenantReport, size: int, seed: str) -> Iterator[Problem]:
    """Rate a sample of charges again, by the engine and, where it is asked, by the oracle."""
    for charge_id in rating.sample(size, seed=seed):
        found = explain(charge_id)
        report.sampled += 1
        if not found.agrees:
            detail = f"charged {found.charged_minor}, computed {found.computed_minor}"
            yield Problem("sample_differs", f"charge:{charge_id}", detail)
        slow = gross_slowly(found)
        if slow is None or found.computed is None:
            continue
        report.asked_oracle += 1
        if slow != found.computed.gross:
            detail = f"the engine says {found.computed.gross}, the oracle {slow}"
            yield Problem("oracle_differs", f"charge:{charge_id}", detail)


def _one(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"tenant": current_tenant_id()})
        return int(cursor.fetchone()[0])
