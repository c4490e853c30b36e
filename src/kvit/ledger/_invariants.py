"""What must hold in the books, recomputed from the rows."""

from collections.abc import Iterator

from kvit.core.wording import Words
from kvit.ledger._kept import NOBODY
from kvit.platform.invariants import Problem, found_by

WORDS: Words = {
    "ledger_posting_moves_nothing": (
        "проводка без суммы или с одним счётом на обеих сторонах",
        "a posting without a sum, or with one account on both sides",
    ),
    "ledger_account_unknown": (
        "счёта проводки нет в плане счетов продавца",
        "a posting's account is not in the seller's chart",
    ),
    "ledger_source_lines_broken": (
        "проводки одного основания идут с пропуском или повтором",
        "the postings of one source have a gap or a repeat",
    ),
    "ledger_source_recorded_twice": (
        "к проводкам одного основания что-то добавлено позже",
        "something was added later to the postings of one source",
    ),
    "ledger_source_of_two_sellers": (
        "проводки одного основания относятся к разным продавцам",
        "the postings of one source belong to different sellers",
    ),
    "ledger_day_not_its_postings": (
        "обороты дня, которые ведутся отдельно, не равны его проводкам",
        "the turnovers kept of a day are not what its postings add up to",
    ),
    "ledger_claim_not_its_postings": (
        "долг клиента, который ведётся отдельно, не равен его проводкам",
        "the debt kept of a customer is not what the postings add up to",
    ),
    "ledger_past_not_its_postings": (
        "долг на прошлый день, который ведётся отдельно, не равен проводкам до него",
        "the debt kept of a past day is not what the postings before it add up to",
    ),
}


def problems() -> Iterator[Problem]:
    """Recompute what must hold in this tenant's books; what the constraints promise included.

    A constraint can be dropped by whoever owns the table: here its promise is asked of the rows.
    """
    yield from found_by(_INVARIANTS)


_INVARIANTS = {
    "ledger_posting_moves_nothing": """
        SELECT 'posting:' || id, format('%%s -> %%s %%s %%s', credit, debit, amount_minor, currency)
        FROM ledger_posting
        WHERE tenant_id = %(tenant)s AND (amount_minor <= 0 OR debit = credit) ORDER BY id
    """,
    "ledger_account_unknown": """
        SELECT 'posting:' || p.id, format('%%s, seller %%s', c.code, seller_id)
        FROM ledger_posting p CROSS JOIN LATERAL (VALUES (debit), (credit)) c (code)
        WHERE p.tenant_id = %(tenant)s AND NOT EXISTS (
            SELECT FROM ledger_account a WHERE a.tenant_id = p.tenant_id
            AND a.seller_id = p.seller_id AND a.code = c.code)
        ORDER BY p.id
    """,
    # Lines of a source run 1, 2, 3 …: one that is missing was removed, one that repeats was added.
    "ledger_source_lines_broken": """
        SELECT source, format('%%s postings, lines %%s to %%s', count(*), min(line), max(line))
        FROM ledger_posting WHERE tenant_id = %(tenant)s GROUP BY source
        HAVING min(line) <> 1 OR max(line) <> count(*) OR count(DISTINCT line) <> count(*)
        ORDER BY source
    """,
    # What was posted in one go was learned at one moment; a later pair was slipped in.
    "ledger_source_recorded_twice": """
        SELECT source, format('recorded from %%s to %%s', min(recorded_at), max(recorded_at))
        FROM ledger_posting WHERE tenant_id = %(tenant)s GROUP BY source
        HAVING min(recorded_at) <> max(recorded_at) ORDER BY source
    """,
    "ledger_source_of_two_sellers": """
        SELECT source, format('%%s sellers', count(DISTINCT seller_id))
        FROM ledger_posting WHERE tenant_id = %(tenant)s GROUP BY source
        HAVING count(DISTINCT seller_id) > 1 ORDER BY source
    """,
    "ledger_day_not_its_postings": """
        SELECT format('turnover:%%s %%s-%%s %%s', effective_on, debit, credit, currency),
               format('%%s postings, %%s kept; %%s, %%s kept', sum(posted), sum(kept),
                      sum(posted_minor), sum(kept_minor))
        FROM (SELECT seller_id, effective_on, debit, credit, currency,
                     split_part(source, ':', 1) AS origin, 1 AS posted, 0 AS kept,
                     amount_minor AS posted_minor, 0 AS kept_minor
              FROM ledger_posting WHERE tenant_id = %(tenant)s
              UNION ALL
              SELECT seller_id, effective_on, debit, credit, currency, origin, 0, postings, 0,
                     amount_minor
              FROM ledger_dayturnover WHERE tenant_id = %(tenant)s) u
        GROUP BY seller_id, effective_on, debit, credit, currency, origin
        HAVING sum(posted) <> sum(kept) OR sum(posted_minor) <> sum(kept_minor)
        ORDER BY 1
    """,
    "ledger_claim_not_its_postings": f"""
        SELECT 'claim:' || customer_id,
               format('%%s %%s, %%s kept', sum(posted), currency, sum(kept))
        FROM (SELECT coalesce(p.customer_id, '{NOBODY}') AS customer_id, p.currency, 0 AS kept,
                     CASE a.code WHEN p.debit THEN p.amount_minor
                                 ELSE -p.amount_minor END AS posted
              FROM ledger_posting p
              JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.seller_id = p.seller_id
                AND a.code IN (p.debit, p.credit) AND a.role IN ('receivable', 'advance')
              WHERE p.tenant_id = %(tenant)s
              UNION ALL
              SELECT customer_id, currency, balance_minor, 0
              FROM ledger_claim WHERE tenant_id = %(tenant)s) u
        GROUP BY customer_id, currency HAVING sum(posted) <> sum(kept) ORDER BY 1
    """,
    # Of the days that stand, day by day: what is owed more than before was posted the day before.
    "ledger_past_not_its_postings": f"""
        WITH moved AS MATERIALIZED (
            SELECT coalesce(p.customer_id, '{NOBODY}') AS customer_id, p.currency, p.effective_on,
                   CASE a.code WHEN p.debit THEN p.amount_minor ELSE -p.amount_minor END AS minor
            FROM ledger_posting p
            JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.seller_id = p.seller_id
              AND a.code IN (p.debit, p.credit) AND a.role IN ('receivable', 'advance')
            WHERE p.tenant_id = %(tenant)s),
        standing AS MATERIALIZED (
            SELECT d.day, coalesce(d.since, d.day) AS first, lead(coalesce(d.since, d.day))
                     OVER (ORDER BY d.day) AS following
            FROM ledger_pastday d WHERE d.tenant_id = %(tenant)s
              AND coalesce(d.made_of, d.postings)
                  = (SELECT count(*) FROM moved m WHERE m.effective_on < d.day)),
        kept AS (
            SELECT c.customer_id, c.currency, c.balance_minor, greatest(c.since, d.first) AS since,
                   CASE WHEN c.until <= d.day THEN c.until ELSE d.following END AS until
            FROM ledger_pastclaim c JOIN standing d ON d.day = c.day
            WHERE c.tenant_id = %(tenant)s)
        SELECT format('owed:%%s %%s', day, customer_id),
               format('%%s %%s, %%s kept', sum(posted), currency, sum(kept))
        FROM (SELECT greatest(m.effective_on + 1, d.first) AS day, m.customer_id, m.currency,
                     m.minor AS posted, 0 AS kept
              FROM moved m JOIN standing d ON d.day = (
                SELECT min(s.day) FROM standing s WHERE s.day > m.effective_on)
              UNION ALL
              SELECT since, customer_id, currency, 0, balance_minor FROM kept
              UNION ALL
              SELECT until, customer_id, currency, 0, -balance_minor FROM kept
              WHERE until IS NOT NULL) u
        GROUP BY day, customer_id, currency HAVING sum(posted) <> sum(kept) ORDER BY 1
    """,
}
