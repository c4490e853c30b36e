"""Reads of drafts and of the history of what was published."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any, cast
from uuid import UUID

from kvit.catalog.models import Draft, PlanVersion, PriceVersion, Publication, Status
from kvit.catalog.rows import CatalogueIn, DraftInfo, PriceIn, StatedChange, VersionInfo
from kvit.core import catalogue as core
from kvit.core import statements
from kvit.core.statements import Kind
from kvit.platform.paging import LIMIT, Page, keyset

Documents = Mapping[str, Mapping[str, Mapping[str, object]]]


def drafts(*, status: str = "open", after: str = "", limit: int = LIMIT) -> Page[DraftInfo]:
    """Return drafts, those edited last first."""
    rows = Draft.objects.all() if status == "all" else Draft.objects.filter(status=status)
    return keyset(rows, order=("-changed_at", "id"), after=after, limit=limit).of(info_of)


def draft(draft_id: UUID) -> DraftInfo | None:
    """Return a draft, whatever became of it."""
    row = Draft.objects.filter(pk=draft_id).first()
    return None if row is None else info_of(row)


def info_of(row: Draft) -> DraftInfo:
    """Read a stored draft."""
    return DraftInfo(
        id=row.pk,
        title=row.title,
        status=row.status,
        effective_from=row.effective_from,
        version=row.version,
        author=row.author,
        changed_by=row.changed_by,
        created_at=row.created_at,
        changed_at=row.changed_at,
        published_revision=row.published_revision,
        content=row.content,
    )


def changes_of(draft_id: UUID) -> list[StatedChange]:
    """Return what a draft changes, with what stands on its day, in the order of kinds and keys."""
    row = Draft.objects.get(pk=draft_id)
    return changes_in(row, stands(names_in(row.content), row.effective_from))


def changes_in(row: Draft, standing: Mapping[tuple[Kind, str], Any]) -> list[StatedChange]:
    """Return what a draft changes beside what stands."""
    return [
        StatedChange(
            kind, key, row.base.get(kind, {}).get(key), standing.get((kind, key)), document
        )
        for kind in statements.KINDS
        for key, document in sorted(row.content.get(kind, {}).items())
    ]


def names_in(content: Documents) -> list[tuple[Kind, str]]:
    """Return the kinds and keys of a draft's objects."""
    return [(cast(Kind, kind), key) for kind, many in content.items() for key in many]


def terms_in(content: Documents, *, effective_from: date = core.ALWAYS) -> statements.Terms:
    """Read a draft's documents: they were sound when they were put in."""
    stated = [
        statements.read(kind, document)
        for kind in statements.KINDS
        for _, document in sorted(content.get(kind, {}).items())
    ]
    return statements.terms_of(stated, effective_from=effective_from)


def stated_in(content: Documents, effective_from: date) -> CatalogueIn:
    """Return a draft as what is published."""
    terms = terms_in(content, effective_from=effective_from)
    return CatalogueIn(
        meters=terms.meters,
        plans=terms.plans,
        prices=tuple(
            PriceIn(one, terms.examples[f"{one.plan}/{one.code}"]) for one in terms.prices
        ),
        discounts=terms.discounts,
    )


def stands(names: Collection[tuple[Kind, str]], day: date) -> dict[tuple[Kind, str], Any]:
    """Return the documents of what is in force on a day of the objects named."""
    from kvit.catalog import queries

    known = queries.catalogue()
    found: dict[tuple[Kind, str], Any] = {}
    priced: dict[str, tuple[Kind, core.PriceTerms]] = {}
    discounts = {one.code: one for one in known.discounts}
    for kind, key in names:
        match kind:
            case "meter":
                if meter := known.meters.get(key):
                    found[kind, key] = statements.write(statements.statement_of(meter))
            case "discount":
                if discount := discounts.get(key):
                    found[kind, key] = statements.write(statements.statement_of(discount))
            case "plan":
                if plan := known.plan_on(key, day):
                    found[kind, key] = statements.write(statements.statement_of(plan))
            case "price":
                owner, _, code = key.partition("/")
                for one in known.prices_on(owner, day):
                    if one.code == code:
                        priced[key] = (kind, one)
    examples = _examples(one.version_id for _, one in priced.values())
    for key, (kind, one) in priced.items():
        found[kind, key] = statements.write(
            statements.statement_of(one, tuple(examples[one.version_id]))
        )
    return found


def _examples(version_ids: Iterable[str]) -> dict[str, list[Mapping[str, object]]]:
    rows = PriceVersion.objects.filter(pk__in=list(version_ids)).values_list("pk", "examples")
    return {str(key): examples for key, examples in rows}


def history(plan: str) -> list[VersionInfo]:
    """Return every published version of a plan and its prices, the latest first.

    `before` is what was published of the same object before it.
    """
    plans = PlanVersion.objects.filter(plan__code=plan).exclude(status=Status.DRAFT)
    prices = PriceVersion.objects.filter(plan__code=plan).exclude(status=Status.DRAFT)
    versions = [
        *(_version("plan", row) for row in plans.select_related("plan")),
        *(_version("price", row) for row in prices.select_related("plan")),
    ]
    versions.sort(key=lambda one: (one[0].published_revision, one[1], one[2]))
    told = {
        one.revision: one
        for one in Publication.objects.filter(
            revision__in={row.published_revision for row, *_ in versions}
        )
    }
    found: list[VersionInfo] = []
    last: dict[tuple[Kind, str], Mapping[str, object]] = {}
    for row, kind, key, document in versions:
        publication = told.get(row.published_revision)
        found.append(
            VersionInfo(
                id=row.pk,
                kind=kind,
                key=key,
                status=row.status,
                effective_from=row.effective_from,
                revision=row.published_revision,
                author=publication.author if publication else "",
                at=publication.at if publication else None,
                reason=publication.reason if publication else "",
                document=document,
                before=last.get((kind, key)),
            )
        )
        last[kind, key] = document
    return found[::-1]


def _version(kind: Kind, row: Any) -> tuple[Any, Kind, str, Mapping[str, object]]:
    from kvit.catalog import queries

    if kind == "plan":
        stated = statements.statement_of(queries.plan_terms(row))
    else:
        stated = statements.statement_of(queries.price_terms(row), tuple(row.examples))
    return row, kind, statements.key_of(stated), statements.write(stated)
