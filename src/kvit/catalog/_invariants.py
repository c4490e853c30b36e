"""What must hold in a tenant's catalogue, recomputed from the rows; for `kvit verify`."""

from collections.abc import Iterator

from kvit.catalog._drafted import names_in
from kvit.catalog.models import Draft, PriceVersion, Status
from kvit.core import statements
from kvit.core.examples import check_examples
from kvit.core.pricing import PriceError, parse_price
from kvit.core.wording import Words
from kvit.parties import queries as parties
from kvit.platform.invariants import Problem, found_by

WORDS: Words = {
    "catalog_version_beyond_revision": (
        "версия опубликована или заменена ревизией, которой каталог ещё не достиг",
        "a version was published or replaced by a revision that the catalogue has not reached",
    ),
    "catalog_two_versions_of_one_day": (
        "в один день действуют две версии одного тарифа или одной цены",
        "two versions of one plan or price begin on one day",
    ),
    "catalog_meter_unknown": (
        "опубликованная цена называет счётчик, которого нет",
        "a published price names a meter that does not exist",
    ),
    "catalog_price_unreadable": (
        "опубликованную цену нельзя прочитать",
        "a published price cannot be read",
    ),
    "catalog_example_fails": (
        "пример опубликованной цены не выполняется",
        "an example of a published price does not hold",
    ),
    "catalog_draft_unreadable": (
        "в черновике тарифов есть то, что нельзя прочитать или лежит не под своим ключом",
        "an open draft holds what cannot be read, or lies under a key that is not its own",
    ),
    "catalog_draft_published_nowhere": (
        "черновик числится опубликованным ревизией, которой не было",
        "a draft is said to be published by a revision that never was",
    ),
}
_INVARIANTS = {
    "catalog_version_beyond_revision": """
        SELECT v.kind || ':' || v.id,
               format('published %%s, replaced %%s, the catalogue stands at %%s',
                      v.published_revision, v.obsoleted_revision, coalesce(r.last, 0))
        FROM (SELECT 'plan version' AS kind, id, published_revision, obsoleted_revision
              FROM catalog_planversion WHERE tenant_id = %(tenant)s
              UNION ALL SELECT 'price version', id, published_revision, obsoleted_revision
              FROM catalog_priceversion WHERE tenant_id = %(tenant)s) v
        LEFT JOIN catalog_revision r ON r.tenant_id = %(tenant)s
        WHERE greatest(v.published_revision, v.obsoleted_revision) > coalesce(r.last, 0)
        ORDER BY v.id
    """,
    "catalog_two_versions_of_one_day": """
        SELECT 'price version:' || max(v.id::text),
               format('%%s versions of %%s/%%s from %%s', count(*), p.code, v.code, effective_from)
        FROM catalog_priceversion v
        JOIN catalog_plan p ON p.tenant_id = v.tenant_id AND p.id = v.plan_id
        WHERE v.tenant_id = %(tenant)s AND v.status = 'published'
        GROUP BY p.code, v.code, effective_from HAVING count(*) > 1
        UNION ALL
        SELECT 'plan version:' || max(v.id::text),
               format('%%s versions of %%s from %%s', count(*), p.code, effective_from)
        FROM catalog_planversion v
        JOIN catalog_plan p ON p.tenant_id = v.tenant_id AND p.id = v.plan_id
        WHERE v.tenant_id = %(tenant)s AND v.status = 'published'
        GROUP BY p.code, effective_from HAVING count(*) > 1
        ORDER BY 1
    """,
    "catalog_meter_unknown": """
        SELECT 'price version:' || v.id, format('%%s, meter %%s', v.code, v.meter)
        FROM catalog_priceversion v
        WHERE v.tenant_id = %(tenant)s AND v.status = 'published' AND v.meter <> ''
          AND NOT EXISTS (SELECT FROM catalog_meter m
                          WHERE m.tenant_id = v.tenant_id AND m.code = v.meter)
        ORDER BY v.id
    """,
    "catalog_draft_published_nowhere": """
        SELECT 'draft:' || d.id, format('%%s, revision %%s', d.title, d.published_revision)
        FROM catalog_draft d
        WHERE d.tenant_id = %(tenant)s AND d.published_revision IS NOT NULL
          AND NOT EXISTS (SELECT FROM catalog_publication p
                          WHERE p.tenant_id = d.tenant_id AND p.revision = d.published_revision)
        ORDER BY d.id
    """,
}


def problems() -> Iterator[Problem]:
    """Recompute what must hold, what the constraints promise included: an owner can drop them."""
    yield from found_by(_INVARIANTS)
    yield from _unsound_prices()
    yield from _unsound_drafts()


def _unsound_prices() -> Iterator[Problem]:
    currency = parties.tenant().row.currency
    for version in PriceVersion.objects.filter(status=Status.PUBLISHED).order_by("id"):
        row = f"price version:{version.pk}"
        try:
            failures = check_examples(parse_price(version.definition), version.examples, currency)
        except PriceError as error:
            yield Problem("catalog_price_unreadable", row, f"{version.code}: {error}")
            continue
        for failure in failures:
            yield Problem("catalog_example_fails", row, f"{version.code}: {failure}")


def _unsound_drafts() -> Iterator[Problem]:
    """Only sound statements are put into a draft, each beside what stood of it then."""
    for draft in Draft.objects.filter(status="open").order_by("id").iterator():
        for kind, key in names_in(draft.content):
            try:
                found = statements.key_of(statements.read(kind, draft.content[kind][key]))
                is_sound = found == key and key in draft.base.get(kind, {})
            except (PriceError, KeyError):
                is_sound = False
            if not is_sound:
                yield Problem("catalog_draft_unreadable", f"draft:{draft.pk}", f"{kind} {key}")
