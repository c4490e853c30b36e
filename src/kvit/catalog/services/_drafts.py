"""Drafts: a change of the catalogue is composed step by step, looked at, and published whole."""

from collections.abc import Iterator, Set
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from kvit.catalog import queries
from kvit.catalog.events import PUBLICATION_REFUSED, PublicationRefused
from kvit.catalog.models import Draft
from kvit.catalog.rows import CatalogueIn, DraftInfo
from kvit.catalog.services._publish import hold_revision, publish
from kvit.core import statements
from kvit.core.calendars import RUSSIAN
from kvit.core.catalogue import Catalogue, Meter
from kvit.core.measured import meters_of
from kvit.core.periods import local_date
from kvit.core.statements import Kind
from kvit.core.wording import Words
from kvit.parties import queries as parties
from kvit.platform import audit, events
from kvit.platform.failures import Failure
from kvit.platform.revisions import Seen, refuse_stale

_SHOWN_DAYS = 5
_FIRST_YEAR, _LAST_YEAR = 1900, 2200  # 1900-01-01 is "from the beginning"
WORDS: Words = {
    "draft_unknown": (
        "Такого черновика нет. Откройте список черновиков.",
        "There is no such draft. Open the list of drafts.",
    ),
    "draft_closed": (
        "Черновик «{title}» уже опубликован или отменён. Начните новый.",
        "Draft “{title}” is published or discarded already. Begin another one.",
    ),
    "draft_unseen": (
        "Скажите, какой черновик вы видели: его version в запросе или ETag в If-Match.",
        "Say which state of the draft you saw: its version in the request, or its ETag in"
        " If-Match.",
    ),
    "draft_moved": (
        "Пока вы правили, черновик изменил {who}. Ваша правка не сохранена: сравните и сохраните"
        " снова.",
        "While you edited, {who} changed the draft. Your edit was not kept: compare and save"
        " again.",
    ),
    "draft_day": (
        "День {day} слишком далёк. Выберите день с 1900 по 2199 год.",
        "The day {day} is too far away. Choose one between 1900 and 2199.",
    ),
    "draft_empty": (
        "В черновике ничего нет. Добавьте цену, тариф, счётчик, скидку, купон или календарь.",
        "There is nothing in the draft. Add a price, a plan, a meter, a discount, a coupon or a"
        " calendar.",
    ),
    "draft_conflict": (
        "Пока черновик правили, опубликовано другое: {objects}. Сравните и подтвердите, что новое"
        " заменит и это.",
        "While the draft was edited, others were published: {objects}. Compare, and confirm that"
        " yours replaces them too.",
    ),
    "meter_missing": (
        "Цена {price} считает по счётчику «{code}», а его нет. Создайте счётчик или выберите"
        " другой.",
        "Price {price} reads the meter “{code}”, and there is none. Make the meter or choose"
        " another.",
    ),
    "plan_missing": (
        "Цена {price} стоит в тарифе «{code}», а его нет. Добавьте тариф в черновик.",
        "Price {price} belongs to the plan “{code}”, and there is none. Add the plan to the draft.",
    ),
    "included_missing": (
        "Тариф {price} включает тариф «{code}», а его нет. Добавьте его или уберите.",
        "Plan {price} includes the plan “{code}”, and there is none. Add it or take it out.",
    ),
    "seller_missing": (
        "Тариф {price} продаёт «{code}», а такого продавца нет. Выберите другого.",
        "Plan {price} is sold by “{code}”, and there is no such seller. Choose another.",
    ),
    "phase_missing": (
        "Цена {price} действует на этапе «{code}», а в тарифе такого этапа нет.",
        "Price {price} holds in the phase “{code}”, and its plan has no such phase.",
    ),
    "calendar_missing": (
        "{price} назначает календарь «{code}», а такого нет. Создайте календарь или выберите"
        " другой.",
        "{price} goes by the calendar “{code}”, and there is none. Make the calendar or choose"
        " another.",
    ),
    "dimension_missing": (
        "Цена {price} смотрит на измерение «{code}», а у её счётчика его нет. Добавьте измерение"
        " счётчику или уберите его из цены.",
        "Price {price} looks at the dimension “{code}”, and its meter has none. Add the dimension"
        " to the meter, or take it out of the price.",
    ),
    "scope_missing": (
        "Скидка {price} берётся с «{code}», а этого нет. Назовите тариф или тариф/цену.",
        "Discount {price} is taken off “{code}”, and there is none. Name a plan, or plan/price.",
    ),
    "calendar_past": (
        "В календаре «{code}» изменены дни раньше {day}: {days}. По ним уже начислено: верните их"
        " или поставьте в черновике день раньше.",
        "Calendar “{code}” changes days before {day}: {days}. They were charged by: put them back,"
        " or give the draft an earlier day.",
    ),
    "meter_day": (
        "Счётчик «{code}» уже есть, и то, как он считает, меняется сразу, а не с {day}. Заведите"
        " счётчик с новым кодом или поставьте в черновике день не позже {today}.",
        "Meter “{code}” is there already, and how it counts changes at once, not from {day}. Make a"
        " meter with a new code, or give the draft a day no later than {today}.",
    ),
    "coupon_day": (
        "Купон «{code}» уже принимают, и правка вступит сразу. Поставьте в черновике день не позже"
        " {day} или заведите новый код.",
        "Coupon “{code}” is taken already, and a change holds at once. Give the draft a day no"
        " later than {day}, or make a new code.",
    ),
    "coupon_used": (
        "Купон «{code}» уже погашен {count} раз. Поставьте предел не меньше.",
        "Coupon “{code}” was redeemed {count} times already. Set a limit no lower.",
    ),
    "reason_missing": (
        "Напишите, почему цена меняется: причина останется в истории.",
        "Say why the price changes: the reason stays in the history.",
    ),
}


class DraftRefused(Failure):
    """The draft cannot be changed or published as it stands; nothing was done."""

    words = WORDS


def standing_of(draft: Draft | DraftInfo) -> list[object]:
    """What a writer saw of a draft: every edit counts its version up."""
    return [str(draft.pk if isinstance(draft, Draft) else draft.id), draft.version]


@transaction.atomic
def open_draft(title: str, *, effective_from: date, actor: str, now: datetime) -> DraftInfo:
    """Begin a draft of what will hold from a day on.

    Raises:
        DraftRefused: the day is too far away.
    """
    _check_day(effective_from)
    row = Draft.objects.create(
        title=title.strip()[:200] or effective_from.isoformat(),
        effective_from=effective_from,
        author=actor,
        changed_by=actor,
        created_at=now,
        changed_at=now,
    )
    _record(row, "opened", None, {"title": row.title}, actor=actor, now=now)
    return queries.info_of(row)


@transaction.atomic
def rename(
    draft_id: UUID,
    *,
    title: str,
    effective_from: date,
    expected: int | None,
    seen: Seen = None,
    actor: str,
    now: datetime,
) -> DraftInfo:
    """Change a draft's title and the day from which it will hold.

    Raises:
        DraftRefused: it is closed, or was edited by somebody else meanwhile; the day is too far
            away.
    """
    _check_day(effective_from)
    row = _held(draft_id, expected, seen)
    before = {"title": row.title, "effective_from": row.effective_from.isoformat()}
    row.title, row.effective_from = title.strip()[:200] or row.title, effective_from
    after = {"title": row.title, "effective_from": row.effective_from.isoformat()}
    return _edited(row, "renamed", before, after, actor=actor, now=now)


@transaction.atomic
def put(
    draft_id: UUID,
    kind: Kind,
    document: object,
    *,
    expected: int | None,
    seen: Seen = None,
    actor: str,
    now: datetime,
    path: str = "",
) -> DraftInfo:
    """Put one object into a draft, in place of what it says of it already.

    Raises:
        PriceError: the document cannot be read; it names the field below `path`.
        DraftRefused: the draft is closed, or was edited by somebody else meanwhile.
    """
    stated = statements.read(kind, document, path=path)
    row = _held(draft_id, expected, seen)
    key, written = statements.key_of(stated), statements.write(stated)
    before = row.content.get(kind, {}).get(key)
    if before is None:
        stood = queries.stands([(kind, key)], row.effective_from).get((kind, key))
        row.base.setdefault(kind, {})[key] = stood
    row.content.setdefault(kind, {})[key] = written
    return _edited(row, f"{kind}_put", before, written, actor=actor, now=now)


@transaction.atomic
def take_out(
    draft_id: UUID,
    kind: Kind,
    key: str,
    *,
    expected: int | None,
    seen: Seen = None,
    actor: str,
    now: datetime,
) -> DraftInfo:
    """Take one object out of a draft: it stays as it stands.

    Raises:
        DraftRefused: the draft is closed, or was edited by somebody else meanwhile.
    """
    row = _held(draft_id, expected, seen)
    before = row.content.get(kind, {}).pop(key, None)
    row.base.get(kind, {}).pop(key, None)
    return _edited(row, f"{kind}_taken_out", before, None, actor=actor, now=now)


@transaction.atomic
def settle(
    draft_id: UUID, *, expected: int | None, seen: Seen = None, actor: str, now: datetime
) -> DraftInfo:
    """Confirm that the draft replaces what was published while it was edited.

    Raises:
        DraftRefused: the draft is closed, or was edited by somebody else meanwhile.
    """
    row = _held(draft_id, expected, seen)
    before = row.base
    standing = queries.stands(queries.names_in(row.content), row.effective_from)
    row.base = {
        kind: {key: standing.get((kind, key)) for key in many} for kind, many in row.content.items()
    }
    return _edited(row, "settled", before, row.base, actor=actor, now=now)


@transaction.atomic
def discard(
    draft_id: UUID,
    *,
    expected: int | None,
    seen: Seen = None,
    actor: str,
    now: datetime,
    reason: str = "",
) -> DraftInfo:
    """Give a draft up; it stays readable.

    Raises:
        DraftRefused: it is closed already, or was edited by somebody else meanwhile.
    """
    row = _held(draft_id, expected, seen)
    row.status = "discarded"
    return _edited(row, "discarded", None, None, actor=actor, now=now, reason=reason)


@transaction.atomic
def publish_draft(
    draft_id: UUID,
    *,
    expected: int | None,
    seen: Seen = None,
    actor: str,
    now: datetime,
    reason: str,
) -> int:
    """Publish all that a draft states, from its day on, in one revision; return the revision.

    Raises:
        DraftRefused: why; among the reasons, that somebody published the same object meanwhile.
        ExampleFails: a price does not give what its example says.
    """
    if not reason.strip():
        raise DraftRefused("reason_missing")
    row = _held(draft_id, expected, seen)
    hold_revision()  # what stands must not change between the look and the publication
    names = queries.names_in(row.content)
    if not names:
        raise DraftRefused("draft_empty")
    changes = queries.changes_in(row, queries.stands(names, row.effective_from))
    conflicts = [f"{one.kind} {one.key}" for one in changes if one.conflict]
    if conflicts:
        raise DraftRefused("draft_conflict", objects=", ".join(conflicts))
    stated = queries.stated_in(row.content, row.effective_from)
    for missing in missing_in(stated, queries.catalogue()):
        raise missing
    for misdated in misdated_in(stated, row.effective_from, now):
        raise misdated
    revision = publish(stated, actor=actor, now=now, reason=reason, draft_id=row.pk)
    row.status, row.published_revision = "published", revision
    _edited(row, "published", None, {"revision": revision}, actor=actor, now=now, reason=reason)
    return revision


def missing_in(stated: CatalogueIn, known: Catalogue) -> Iterator[DraftRefused]:
    """Say what the statements name and nobody knows."""
    plans = {*known.plans, *(one.code for one in stated.plans)}
    calendars = {RUSSIAN, *known.calendars, *stated.calendars}
    sellers = parties.sellers()
    for plan in stated.plans:
        for code in plan.includes:
            if code not in plans:
                yield DraftRefused("included_missing", price=plan.code, code=code)
        if plan.seller and plan.seller not in sellers:
            yield DraftRefused("seller_missing", price=plan.code, code=plan.seller)
        if plan.calendar and plan.calendar not in calendars:
            yield DraftRefused("calendar_missing", price=plan.code, code=plan.calendar)
    prices = {code: {one.code for one in many} for code, many in known.prices.items()}
    for price in stated.prices:
        terms = price.terms
        prices.setdefault(terms.plan, set()).add(terms.code)
        if terms.calendar and terms.calendar not in calendars:
            named = f"{terms.plan}/{terms.code}"
            yield DraftRefused("calendar_missing", price=named, code=terms.calendar)
    yield from _missing_of_prices(stated, known, plans)
    for discount in stated.discounts:
        owner, _, code = discount.scope.partition("/")
        if (owner and owner not in plans) or (code and code not in prices.get(owner, ())):
            yield DraftRefused("scope_missing", price=discount.code, code=discount.scope)


def _missing_of_prices(
    stated: CatalogueIn, known: Catalogue, plans: Set[str]
) -> Iterator[DraftRefused]:
    meters = {**known.meters, **{one.code: one for one in stated.meters}}
    phases = {
        code: {name for version in many for name, _ in version.phases}
        for code, many in known.plans.items()
    }
    phases |= {one.code: {name for name, _ in one.phases} for one in stated.plans}
    for price in stated.prices:
        terms = price.terms
        named = f"{terms.plan}/{terms.code}"
        if terms.plan not in plans:
            yield DraftRefused("plan_missing", price=named, code=terms.plan)
        elif terms.phase and terms.phase not in phases[terms.plan]:
            yield DraftRefused("phase_missing", price=named, code=terms.phase)
        for code in meters_of(terms.price, terms):
            if code not in meters:
                yield DraftRefused("meter_missing", price=named, code=code)
        if terms.meter in meters:
            for name in dict.fromkeys((*(one for one, _ in terms.filters), *terms.group_by)):
                if name not in meters[terms.meter].dimensions:
                    yield DraftRefused("dimension_missing", price=named, code=name)


def misdated_in(stated: CatalogueIn, day: date, now: datetime) -> Iterator[DraftRefused]:
    """Say what cannot hold from that day: a calendar's past stays, a coupon and the way a meter
    counts change at once."""
    today = local_date(now, parties.tenant().row.zone)
    metered = queries.meters() if stated.meters and day > today else {}
    for meter in stated.meters:
        stands = metered.get(meter.code, meter)
        if _way_of(meter) != _way_of(stands):
            yield DraftRefused(
                "meter_day", code=meter.code, day=day.isoformat(), today=today.isoformat()
            )
    standing = queries.days_of_calendars() if stated.calendars else {}
    for code, days in stated.calendars.items():
        stood = standing.get(code, {})
        changed = [
            one for one in sorted({*stood, *days}) if one < day and stood.get(one) != days.get(one)
        ]
        if stood and changed:
            named = ", ".join(one.isoformat() for one in changed[:_SHOWN_DAYS])
            yield DraftRefused("calendar_past", code=code, day=day.isoformat(), days=named)
    infos = queries.coupon_infos() if stated.coupons else {}
    for coupon in stated.coupons:
        info = infos.get(coupon.code)
        if info is None:
            continue
        if day > today:
            yield DraftRefused("coupon_day", code=coupon.code, day=today.isoformat())
        if coupon.limit is not None and coupon.limit < info.redeemed:
            yield DraftRefused("coupon_used", code=coupon.code, count=info.redeemed)


def _way_of(meter: Meter) -> tuple[str, str | None, frozenset[str]]:
    """How a meter counts; its name and unit are words."""
    return meter.aggregation, meter.expression, frozenset(meter.dimensions)


@transaction.atomic
def refuse_publication(draft_id: UUID, *, actor: str, now: datetime) -> None:
    """Keep that somebody without the right tried to publish: what it would have made of what."""
    row = Draft.objects.filter(pk=draft_id).first()
    if row is None:
        raise DraftRefused("draft_unknown")
    changes = queries.changes_of(draft_id)
    audit.record_many(
        [
            audit.Change(
                f"catalog.{one.kind}.publication_refused",
                f"catalog.{one.kind}",
                one.key,
                before=one.stands,
                after=one.after,
            )
            for one in changes
        ],
        actor=actor,
        now=now,
        reason=row.title,
    )
    events.publish(
        PUBLICATION_REFUSED,
        key=str(row.pk),
        payload=PublicationRefused(row.pk, tuple(f"{one.kind}:{one.key}" for one in changes)),
        actor=actor,
        now=now,
    )


def _check_day(day: date) -> None:
    if not _FIRST_YEAR <= day.year < _LAST_YEAR:
        raise DraftRefused("draft_day", day=day.isoformat())


def _held(draft_id: UUID, expected: int | None, seen: Seen) -> Draft:
    """Lock first, then look. Who edits says what they saw: its version, or its revision."""
    row: Draft | None = Draft.objects.select_for_update().filter(pk=draft_id).first()
    if row is None:
        raise DraftRefused("draft_unknown")
    if row.status != "open":
        raise DraftRefused("draft_closed", title=row.title)
    if expected is None and seen is None:
        raise DraftRefused("draft_unseen")
    refuse_stale(standing_of(row), seen, of=("catalog.draft", str(row.pk)))
    if expected not in (None, row.version):
        raise DraftRefused("draft_moved", who=row.changed_by)
    return row


def _edited(
    row: Draft, what: str, before: Any, after: Any, *, actor: str, now: datetime, reason: str = ""
) -> DraftInfo:
    row.version += 1
    row.changed_by, row.changed_at = actor, now
    row.save()
    _record(row, what, before, after, actor=actor, now=now, reason=reason)
    return queries.info_of(row)


def _record(
    row: Draft, what: str, before: Any, after: Any, *, actor: str, now: datetime, reason: str = ""
) -> None:
    audit.record(
        action=f"catalog.draft.{what}",
        object_type="catalog.draft",
        object_id=str(row.pk),
        before=before,
        after=after,
        actor=actor,
        now=now,
        reason=reason,
    )
