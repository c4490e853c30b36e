"""Reads of drafts and of the history of what was published."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any, cast
from uuid import UUID

from kvit.catalog.models import Draft, PlanVersion, PriceVersion, Publication, Status
from kvit.catalog.rows import (
    CatalogueIn,
    CouponTerms,
    DraftInfo,
    PriceIn,
    StatedChange,
    VersionInfo,
)
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
        coupons=tuple(coupon_terms(one) for one in terms.coupons),
        calendars={one.code: _days(one) for one in terms.calendars},
        holds_from=effective_from,
    )


def coupon_terms(stated: statements.StatedCoupon) -> CouponTerms:
    """Return a coupon as it is published: 0 periods are for ever."""
    return CouponTerms(
        stated.code, stated.name, stated.percent, stated.fixed, stated.limit, stated.expires,
        stated.periods or None,
    )  # fmt: skip


def coupon_statement(terms: CouponTerms) -> statements.StatedCoupon:
    """Return the statement that would make a coupon."""
    return statements.StatedCoupon(
        code=terms.code, name=terms.name, percent=terms.percent, fixed=terms.fixed,
        limit=terms.limit, expires=terms.expires, periods=terms.periods or 0,
    )  # fmt: skip


def calendar_statement(code: str, days: Mapping[date, str]) -> statements.StatedCalendar:
    """Return the statement that would make a calendar; its days rise."""
    kinds = sorted(days.items())
    return statements.StatedCalendar(
        code=code,
        holidays=tuple(day for day, kind in kinds if kind == "holiday"),
        working=tuple(day for day, kind in kinds if kind == "working"),
    )


def _days(stated: statements.StatedCalendar) -> dict[date, str]:
    holidays = dict.fromkeys(stated.holidays, "holiday")
    return dict(sorted((holidays | dict.fromkeys(stated.working, "working")).items()))


def documents_of(stated: CatalogueIn) -> dict[tuple[Kind, str], Mapping[str, object]]:
    """Return the documents of all but plans and prices, which publications keep themselves."""
    made: list[tuple[Kind, statements.Stated]] = [
        *(("meter", statements.statement_of(one)) for one in stated.meters),
        *(("discount", statements.statement_of(one)) for one in stated.discounts),
        *(("coupon", coupon_statement(one)) for one in stated.coupons),
        *(("calendar", calendar_statement(*one)) for one in stated.calendars.items()),
    ]
    return {(kind, statements.key_of(one)): statements.write(one) for kind, one in made}


def stands(names: Collection[tuple[Kind, str]], day: date) -> dict[tuple[Kind, str], Any]:
    """Return the documents of what is in force on a day of the objects named."""
    from kvit.catalog import queries

    known = queries.catalogue()
    found: dict[tuple[Kind, str], Any] = _undated(names, known, day)
    priced: dict[str, tuple[Kind, core.PriceTerms]] = {}
    for kind, key in names:
        if kind == "plan" and (plan := known.plan_on(key, day)):
            found[kind, key] = statements.write(statements.statement_of(plan))
        elif kind == "price":
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


def _undated(
    names: Collection[tuple[Kind, str]], known: core.Catalogue, day: date
) -> dict[Any, Any]:
    """Return the documents of the objects named whose versions are told apart by no page."""
    from kvit.catalog import queries

    kinds = {kind for kind, _ in names}
    coupons = queries.coupons() if "coupon" in kinds else {}
    calendars = queries.days_of_calendars() if "calendar" in kinds else {}
    standing: Mapping[str, Mapping[str, statements.Stated]] = {
        "meter": {code: statements.statement_of(one) for code, one in known.meters.items()},
        "discount": {one.code: statements.statement_of(one) for one in known.discounts_on(day)},
        "coupon": {code: coupon_statement(one) for code, one in coupons.items()},
        "calendar": {code: calendar_statement(code, one) for code, one in calendars.items()},
    }
    return {
        (kind, key): statements.write(one)
        for kind, key in names
        if (one := standing.get(kind, {}).get(key)) is not None
    }


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


def stated_history(kind: Kind, key: str) -> list[VersionInfo]:
    """Return what was published of a meter, a discount, a coupon or a calendar, the latest first.

    Of a discount each day has a statement that stands, of the others the latest alone. What was
    stated before publications kept documents is not among it.
    """
    name = f"{kind}:{key}"
    rows = Publication.objects.filter(stated__contains=[name]).order_by("-revision")
    told = [row for row in rows if name in row.documents]
    days = [row.effective_from if kind == "discount" else None for row in told]
    return [
        VersionInfo(
            id=row.pk,
            kind=kind,
            key=key,
            status="obsolete" if days[place] in days[:place] else "published",
            effective_from=row.effective_from or core.ALWAYS,
            revision=row.revision,
            author=row.author,
            at=row.at,
            reason=row.reason,
            document=row.documents[name]["after"],
            before=row.documents[name]["before"],
        )
        for place, row in enumerate(told)
    ]


def _version(kind: Kind, row: Any) -> tuple[Any, Kind, str, Mapping[str, object]]:
    from kvit.catalog import queries

    if kind == "plan":
        stated = statements.statement_of(queries.plan_terms(row))
    else:
        stated = statements.statement_of(queries.price_terms(row), tuple(row.examples))
    return row, kind, statements.key_of(stated), statements.write(stated)
