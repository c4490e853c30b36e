"""What must hold among a tenant's documents, recomputed from the rows; for `kvit verify`."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any
from uuid import UUID

from kvit.core.numbering import BadPattern, number_text
from kvit.core.tax import TaxableLine, tax_lines
from kvit.core.wording import Words
from kvit.invoicing import _plan_months
from kvit.invoicing.models import Invoice, InvoiceLine, PlanMonth
from kvit.platform.invariants import Problem, found_by

CHUNK = 2_000
WORDS: Words = {
    "invoicing_tally_not_the_documents": (
        "итоги документов, которые ведутся отдельно, не равны самим документам",
        "the totals kept of documents are not what the documents add up to",
    ),
    "invoicing_corrected_not_the_documents": (
        "то, что ведётся отдельно об исправлениях счёта, не равно самим исправлениям",
        "what is kept of an invoice's corrections is not what the corrections say",
    ),
    "invoicing_plans_not_the_lines": (
        "итоги месяца по тарифам, которые ведутся отдельно, не равны строкам документов",
        "the totals kept of a month by plan are not what the lines of its documents add up to",
    ),
    "invoicing_does_not_add_up": (
        "без НДС + НДС не равно итогу",
        "net + VAT is not the total",
    ),
    "invoicing_lines_do_not_sum": (
        "строки документа не сходятся с его суммами",
        "the lines of a document do not add up to its sums",
    ),
    "invoicing_positions_broken": (
        "строки документа пронумерованы с пропуском или повтором",
        "the lines of a document are numbered with a gap or a repeat",
    ),
    "invoicing_numbers_broken": (
        "номера серии идут с пропуском или повтором",
        "the numbers of a series have a gap or a repeat",
    ),
    "invoicing_number_misspelt": (
        "номер документа написан не так, как велит серия",
        "a document's number is not written as its series says",
    ),
    "invoicing_state_broken": (
        "выставленный документ без номера или дня, или черновик с ними",
        "an issued document without a number or a day, or a draft with one",
    ),
    "invoicing_vat_differs": (
        "НДС документа не равен вычисленному заново",
        "the VAT of a document is not what it comes to when computed again",
    ),
    "invoicing_charge_billed_twice": (
        "одно начисление стоит в двух действующих документах",
        "one charge stands on two documents that are not void",
    ),
    "invoicing_corrected_too_far": (
        "исправления превышают исправленный документ",
        "corrections exceed the document that they correct",
    ),
    "invoicing_part_undone": (
        "запуск закончен, а одна из его частей не сделана",
        "a run is done, and one of its parts is not",
    ),
    "invoicing_parts_do_not_sum": (
        "части запуска не сходятся с его итогами или идут с пропуском",
        "the parts of a run do not add up to its sums, or have a gap",
    ),
    "invoicing_part_twice": (
        "последний запуск делал одно и то же в двух частях",
        "the last run had the same in two of its parts",
    ),
}
NOTE_WORDS: Words = {
    "invoicing_number_against_days": (
        "номер больше, а день раньше, чем у документа перед ним в серии",
        "a number is higher, and its day earlier, than those of the document before it in the"
        " series",
    ),
}
_AGAINST_DAYS = """
    SELECT 'invoice:' || id, format('%%s: %%s; %%s: %%s', before, before_on, number_text, issued_on)
    FROM (SELECT id, seller_id, series, number, number_text, issued_on,
                 lag(number_text) OVER ordered AS before, lag(issued_on) OVER ordered AS before_on
          FROM invoicing_invoice WHERE tenant_id = %(tenant)s AND status = 'issued'
          WINDOW ordered AS (PARTITION BY seller_id, series ORDER BY number)) beside
    WHERE issued_on < before_on ORDER BY seller_id, series, number
"""
_INVARIANTS = {
    "invoicing_does_not_add_up": """
        SELECT kind || ':' || id, format('%%s + %%s is not %%s', net_minor, vat_minor, total_minor)
        FROM (SELECT 'invoice' AS kind, id, net_minor, vat_minor, total_minor
              FROM invoicing_invoice WHERE tenant_id = %(tenant)s
              UNION ALL SELECT 'line', id, net_minor, vat_minor, total_minor
              FROM invoicing_invoiceline WHERE tenant_id = %(tenant)s) rows
        WHERE net_minor + vat_minor <> total_minor ORDER BY kind, id
    """,
    "invoicing_lines_do_not_sum": """
        SELECT 'invoice:' || i.id,
               format('%%s: net %%s, VAT %%s, total %%s; its lines %%s, %%s, %%s', i.number_text,
                      i.net_minor, i.vat_minor, i.total_minor, coalesce(l.net, 0),
                      coalesce(l.vat, 0), coalesce(l.total, 0))
        FROM invoicing_invoice i
        LEFT JOIN (SELECT invoice_id, sum(net_minor) AS net, sum(vat_minor) AS vat,
                          sum(total_minor) AS total
                   FROM invoicing_invoiceline WHERE tenant_id = %(tenant)s
                   GROUP BY invoice_id) l ON l.invoice_id = i.id
        WHERE i.tenant_id = %(tenant)s
          AND (i.net_minor, i.vat_minor, i.total_minor)
              IS DISTINCT FROM (coalesce(l.net, 0), coalesce(l.vat, 0), coalesce(l.total, 0))
        ORDER BY i.id
    """,
    "invoicing_positions_broken": """
        SELECT 'invoice:' || invoice_id,
               format('%%s lines, numbered %%s to %%s', count(*), min(position), max(position))
        FROM invoicing_invoiceline WHERE tenant_id = %(tenant)s GROUP BY invoice_id
        HAVING min(position) <> 1 OR max(position) <> count(*)
            OR count(DISTINCT position) <> count(*)
        ORDER BY invoice_id
    """,
    "invoicing_numbers_broken": """
        SELECT 'series:' || coalesce(s.key, i.series),
               format('seller %%s: %%s documents, numbers %%s to %%s, the counter stands at %%s%%s',
                      coalesce(s.seller_id, i.seller_id), coalesce(i.n, 0), i.first, i.last,
                      coalesce(s.last, 0), ', first missing ' || i.missing)
        FROM (SELECT * FROM invoicing_numberseries WHERE tenant_id = %(tenant)s) s
        FULL JOIN (SELECT seller_id, series, count(*) AS n, count(DISTINCT number) AS different,
                          min(number) AS first, max(number) AS last,
                          min(place) FILTER (WHERE number <> place) AS missing
                   FROM (SELECT seller_id, series, number, row_number() OVER (
                                  PARTITION BY seller_id, series ORDER BY number) AS place
                         FROM invoicing_invoice
                         WHERE tenant_id = %(tenant)s AND status = 'issued') placed
                   GROUP BY seller_id, series) i ON i.seller_id = s.seller_id AND i.series = s.key
        WHERE (coalesce(i.n, 0), coalesce(i.different, 0), coalesce(i.last, 0))
              IS DISTINCT FROM (coalesce(s.last, 0), coalesce(s.last, 0), coalesce(s.last, 0))
        ORDER BY 1
    """,
    "invoicing_state_broken": """
        SELECT 'invoice:' || id, format('%%s, number %%s, issued on %%s', status, number, issued_on)
        FROM invoicing_invoice WHERE tenant_id = %(tenant)s
          AND (status = 'issued') <> (number IS NOT NULL AND issued_on IS NOT NULL
                                      AND issued_at IS NOT NULL)
        ORDER BY id
    """,
    "invoicing_charge_billed_twice": """
        SELECT 'charge:' || l.charge_id,
               format('on %%s', string_agg(i.number_text || '/' || l.position, ', '
                                           ORDER BY i.number_text))
        FROM invoicing_invoiceline l
        JOIN invoicing_invoice i ON i.tenant_id = l.tenant_id AND i.id = l.invoice_id
        WHERE l.tenant_id = %(tenant)s AND l.charge_id IS NOT NULL AND i.kind <> 'void'
          AND NOT EXISTS (SELECT FROM invoicing_invoice v WHERE v.tenant_id = i.tenant_id
                          AND v.corrects_id = i.id AND v.kind = 'void' AND v.status = 'issued')
        GROUP BY l.charge_id HAVING count(*) > 1 ORDER BY l.charge_id
    """,
    "invoicing_corrected_too_far": """
        SELECT 'invoice:' || o.id, format('%%s: %%s, corrected by %%s', o.number_text,
                                          o.total_minor, sum(c.total_minor))
        FROM invoicing_invoice o
        JOIN invoicing_invoice c ON c.tenant_id = o.tenant_id AND c.corrects_id = o.id
        WHERE o.tenant_id = %(tenant)s AND c.status = 'issued'
        GROUP BY o.id, o.number_text, o.total_minor
        HAVING (o.total_minor >= 0 AND o.total_minor + sum(c.total_minor) < 0)
            OR (o.total_minor < 0 AND o.total_minor + sum(c.total_minor) > 0)
            OR (bool_or(c.kind = 'void') AND o.total_minor + sum(c.total_minor) <> 0)
        ORDER BY o.id
    """,
    "invoicing_part_undone": """
        SELECT 'run part:' || p.id, format('%%s %%s of the run of %%s', p.stage, p.place,
                                           r.period_start)
        FROM invoicing_runpart p
        JOIN invoicing_billrun r ON r.tenant_id = p.tenant_id AND r.id = p.run_id
        WHERE p.tenant_id = %(tenant)s AND r.status = 'done' AND NOT p.is_done ORDER BY p.id
    """,
    "invoicing_parts_do_not_sum": """
        SELECT 'run:' || r.id,
               format('%%s: %%s charges and %%s documents, its parts %%s and %%s, %%s of them'
                      ' in %%s places', r.period_start, r.charges, r.invoices, p.charges,
                      p.documents, p.parts, p.places)
        FROM invoicing_billrun r
        JOIN (SELECT run_id, sum(coalesce((brought->>'charges')::bigint, 0)
                                 + coalesce((brought->>'differences')::bigint, 0)) AS charges,
                     sum(cardinality(issued) + cardinality(drafts)) AS documents,
                     count(*) AS parts,
                     coalesce(max(place) FILTER (WHERE stage = 'rating') + 1, 0)
                     + coalesce(max(place) FILTER (WHERE stage = 'invoicing') + 1, 0) AS places
              FROM invoicing_runpart WHERE tenant_id = %(tenant)s GROUP BY run_id) p
          ON p.run_id = r.id
        WHERE r.tenant_id = %(tenant)s AND r.status = 'done'
          AND (r.charges, r.invoices, p.parts) <> (p.charges, p.documents, p.places)
        ORDER BY r.id
    """,
    # Of the last one alone: a year's runs of a million payers have as many millions of places.
    "invoicing_part_twice": """
        SELECT 'run:' || p.run_id, format('%%s %%s in %%s parts', p.stage, one.id, count(*))
        FROM invoicing_runpart p CROSS JOIN LATERAL unnest(p.ids) AS one (id)
        WHERE p.tenant_id = %(tenant)s
          AND p.run_id = (SELECT run_id FROM invoicing_runpart WHERE tenant_id = %(tenant)s
                          ORDER BY run_id DESC LIMIT 1)
        GROUP BY p.run_id, p.stage, one.id HAVING count(*) > 1 ORDER BY one.id
    """,
    # Kept by triggers: an invoice with what was issued to correct it.
    "invoicing_corrected_not_the_documents": """
        SELECT 'invoice:' || coalesce(d.id, k.invoice_id),
               format('%%s; %%s kept', coalesce(d.tab || ' ' || d.minor, 'not corrected'),
                      coalesce(k.tab || ' ' || k.taken_minor, 'nothing'))
        FROM (SELECT o.id, CASE WHEN bool_or(c.kind = 'void') THEN 'void'
                                ELSE 'corrected' END AS tab, sum(c.total_minor) AS minor,
                     o.issued_on, o.billed_in, o.customer_id, o.total_minor
              FROM invoicing_invoice c JOIN invoicing_invoice o ON o.id = c.corrects_id
              WHERE c.tenant_id = %(tenant)s AND o.tenant_id = %(tenant)s AND c.status = 'issued'
              GROUP BY o.id) d
        FULL JOIN (SELECT * FROM invoicing_corrected WHERE tenant_id = %(tenant)s) k
          ON k.invoice_id = d.id
        WHERE (d.id, d.tab, d.minor, d.issued_on, d.billed_in, d.customer_id, d.total_minor)
              IS DISTINCT FROM (k.invoice_id, k.tab, k.taken_minor, k.day, k.billed_in,
                                k.customer_id, k.total_minor)
        ORDER BY 1
    """,
    # Kept by triggers: beside what the documents add up to, each on its tab.
    "invoicing_tally_not_the_documents": """
        SELECT format('tally:%%s %%s', tab, day),
               format('%%s documents, %%s kept; %%s %%s, %%s kept', sum(n), sum(kept), sum(minor),
                      currency, sum(kept_minor))
        FROM (SELECT i.seller_id, i.currency, i.kind, i.waits_for, i.billed_in,
                     coalesce(i.issued_on, '9999-12-31') AS day, 1 AS n, 0 AS kept,
                     i.net_minor AS net, i.total_minor AS minor, 0 AS kept_net, 0 AS kept_minor,
                     CASE WHEN i.status = 'draft' THEN 'drafts'
                          WHEN i.corrects_id IS NOT NULL THEN 'corrections'
                          WHEN c.is_void THEN 'void' WHEN c.id IS NOT NULL THEN 'corrected'
                          ELSE 'issued' END AS tab
              FROM invoicing_invoice i
              LEFT JOIN (SELECT corrects_id AS id, bool_or(kind = 'void') AS is_void
                         FROM invoicing_invoice
                         WHERE tenant_id = %(tenant)s AND status = 'issued'
                           AND corrects_id IS NOT NULL GROUP BY 1) c ON c.id = i.id
              WHERE i.tenant_id = %(tenant)s
              UNION ALL
              SELECT seller_id, currency, kind, waits_for, billed_in, day, 0, documents, 0, 0,
                     net_minor, total_minor, tab
              FROM invoicing_tally WHERE tenant_id = %(tenant)s) u
        GROUP BY seller_id, currency, kind, waits_for, billed_in, day, tab
        HAVING (sum(n), sum(net), sum(minor)) <> (sum(kept), sum(kept_net), sum(kept_minor))
        ORDER BY 1
    """,
}


def problems() -> Iterator[Problem]:
    """Recompute what must hold, what the constraints promise included: an owner can drop them."""
    yield from found_by(_INVARIANTS)
    yield from _misplanned()
    last: UUID | None = None
    while True:
        rows = Invoice.objects.order_by("pk")
        chunk = list((rows if last is None else rows.filter(pk__gt=last))[:CHUNK])
        if not chunk:
            return
        yield from _misspelt(chunk)
        yield from _mistaxed(chunk)
        last = chunk[-1].pk


def notes() -> Iterator[Problem]:
    """Yield what is allowed, and what an accountant wants to know: documents that were given a day
    before that of the number before theirs (Government decree 1137 wants the numbers of invoices
    in the order of time)."""
    yield from found_by({"invoicing_number_against_days": _AGAINST_DAYS})


def _misplanned() -> Iterator[Problem]:
    for kept in PlanMonth.objects.order_by("month"):
        told, expected = _plan_months.told(kept.sums), _plan_months.of_lines(kept.month)
        if told != expected and _plan_months.stands(kept):
            detail = f"{_plans_of(expected)}; {_plans_of(told)} kept"
            yield Problem("invoicing_plans_not_the_lines", f"month:{kept.month}", detail)


def _plans_of(found: Sequence[_plan_months.PlanIssued]) -> str:
    return ", ".join(f"{one.plan or '?'} {one.net_minor} {one.currency}" for one in found)


def _misspelt(invoices: Sequence[Invoice]) -> Iterator[Problem]:
    for one in invoices:
        if one.number is None:
            continue
        try:
            expected = number_text(one.series, one.number)
        except BadPattern:
            expected = f"? ({one.series})"
        if one.number_text != expected:
            detail = f"“{one.number_text}”, expected “{expected}”"
            yield Problem("invoicing_number_misspelt", f"invoice:{one.pk}", detail)


def _mistaxed(invoices: Sequence[Invoice]) -> Iterator[Problem]:
    """Tax the lines of each document anew. A line decided by a person (a credit of part of
    another line) takes its share of that line's VAT and is left out."""
    known = {one.pk: one for one in invoices}
    rows = InvoiceLine.objects.filter(invoice_id__in=known).order_by("invoice_id", "position")
    lines = rows.values_list(
        "invoice_id", "corrects_line_id", "basis", "vat_rate", "net_minor", "vat_minor",
        "total_minor", "position",
    )  # fmt: skip
    for key, many in groupby(lines, key=lambda row: row[0]):
        told = list(many)
        if any(row[1] is not None for row in told):
            continue
        taxed = tax_lines([_taxable(row) for row in told], known[key].vat_rounding)
        for row, again in zip(told, taxed, strict=True):
            if again.vat != row[5]:
                detail = f"{known[key].number_text}/{row[7]}: {row[5]}, computed {again.vat}"
                yield Problem("invoicing_vat_differs", f"invoice:{key}", detail)
                break


def _taxable(row: tuple[Any, ...]) -> TaxableLine:
    _, _, basis, rate, net, _, total, _ = row
    percent = None if rate is None else Fraction(rate)
    return TaxableLine(total if basis == "gross" else net, percent, basis)
