"""Charges and the memory of a period, as rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from kvit.core import extras
from kvit.core.differences import Due
from kvit.core.money import round_fraction
from kvit.core.periods import local_date
from kvit.core.schedule import Contract, ServicePeriod
from kvit.core.stretches import Charge as Priced
from kvit.core.wording import Words, date_text, say
from kvit.platform.bulk import copy_in
from kvit.platform.ids import uuid7
from kvit.rating.models import Charge, RatedPeriod
from kvit.rating.rows import RatingRun

Row = tuple[object, ...]
SCALE = 12  # decimals of units as they are shown
WORDS: Words = {
    extras.COMMITMENT: ("Доначисление до минимального объёма", "True-up to the commitment"),
    extras.ADVANCE: ("Аванс", "Advance"),
    extras.OFFSET: ("Зачёт аванса", "Advance taken into account"),
}
COLUMNS = (
    "id", "subscription_id", "subscription_code", "customer_id", "seller_id", "service",
    "price_key", "price_code", "price_version_id", "name", "unit", "billed_in", "period_start",
    "period_end", "starts_at", "ends_at", "starts_on", "ends_on", "revision", "reason",
    "currency", "basis", "vat_code", "vat_on", "units", "events", "exact_num", "exact_den",
    "gross_minor", "amount_minor", "discounts", "whens", "usage_version", "terms_number",
    "catalogue_revision", "rated_at", "given",
)  # fmt: skip
PERIOD_COLUMNS = (
    "id", "subscription_id", "period_start", "period_end", "starts_at", "ends_at", "billed_in",
    "whens", "events", "uncovered", "held", "usage_version", "terms_number",
    "catalogue_revision", "pool",
)  # fmt: skip
REMEMBER = "(tenant_id, subscription_id, period_start) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in PERIOD_COLUMNS[3:]
)


def write(charges: Iterable[Row], periods: Sequence[Row]) -> None:
    """Store both in the caller's transaction, a statement each."""
    copy_in(Charge, COLUMNS, charges)
    copy_in(RatedPeriod, PERIOD_COLUMNS, periods, on_conflict=REMEMBER)


class ChargeIn(NamedTuple):
    """A charge to write."""

    contract: Contract
    service: ServicePeriod
    run: RatingRun
    due: Due
    reason: str
    whens: Sequence[str]
    given: Mapping[str, object]

    @property
    def slot(self) -> tuple[str, ...]:
        """What all revisions of a charge share."""
        slot = self.due.slot
        return _slot(
            self.contract.id, self.service.key, slot.price_key, slot.starts_at, slot.customer
        )


def charge_rows(charges: Sequence[ChargeIn]) -> list[Row]:
    """Return rows; a stretch that is taken back is the turned row of its first charge."""
    firsts = _firsts([one for one in charges if one.due.charge is None])
    return [
        _reversal(one, firsts[one.slot])
        if one.due.charge is None
        else _charge_row(one, one.due.charge)
        for one in charges
    ]


def _charge_row(one: ChargeIn, charge: Priced) -> Row:
    contract, service, run, due, reason, whens, given = one
    stretch = charge.stretch
    seller = run.seller_of(stretch.plan.seller)
    meter = run.catalogue.meters.get(stretch.terms.meter)
    exact = charge.exact
    return (
        uuid7(), UUID(contract.id), contract.code, UUID(due.slot.customer), seller.id,
        stretch.plan.service, due.slot.price_key, stretch.terms.code, stretch.terms.version_id,
        _name(charge, contract.zone, run.lang), meter.unit if meter else "", run.window.start,
        service.key, service.served.end, stretch.start, stretch.end,
        stretch.days.start, stretch.days.end, due.revision, reason, contract.currency,
        stretch.terms.price_basis or stretch.plan.price_basis or seller.price_basis,
        seller.vat_code, _last_day(service), quantized(due.units), due.events, exact.numerator,
        exact.denominator, due.gross_minor, due.amount_minor, discounts_of(due),
        whens, run.usage_version, contract.terms_number, run.catalogue.revision, run.now, given,
    )  # fmt: skip


def quantized(units: Fraction) -> Decimal:
    """Return units at the scale they are shown with; the exact sum is kept apart."""
    return Decimal(round_fraction(units * 10**SCALE, "half-even")).scaleb(-SCALE)


def _firsts(charges: Sequence[ChargeIn]) -> dict[tuple[str, ...], Charge]:
    """Return the first charge of each slot, one query for all."""
    if not charges:
        return {}
    rows = Charge.objects.filter(
        subscription_id__in={one.contract.id for one in charges},
        period_start__in={one.service.key for one in charges},
        price_key__in={one.due.slot.price_key for one in charges},
    ).order_by("-revision")
    return {
        _slot(row.subscription_id, row.period_start, row.price_key, row.starts_at, row.customer_id):
        row for row in rows
    }  # fmt: skip


def _slot(*parts: object) -> tuple[str, ...]:
    return tuple(map(str, parts))


def _reversal(one: ChargeIn, first: Charge) -> Row:
    contract, _, run, due, reason, whens, given = one
    return (
        uuid7(), first.subscription_id, first.subscription_code, first.customer_id,
        first.seller_id, first.service, first.price_key, first.price_code,
        first.price_version_id, first.name, first.unit, run.window.start, first.period_start,
        first.period_end, first.starts_at, first.ends_at, first.starts_on, first.ends_on,
        due.revision, reason, first.currency, first.basis, first.vat_code, first.vat_on,
        quantized(due.units), due.events, 0, 1, due.gross_minor, due.amount_minor,
        discounts_of(due), whens,
        run.usage_version, contract.terms_number, run.catalogue.revision, run.now, given,
    )  # fmt: skip


def discounts_of(due: Due) -> list[dict[str, object]]:
    """Tell what each discount took; of a difference, what it takes more than before."""
    applied = () if due.charge is None else due.charge.discounts
    told: list[dict[str, object]] = [
        {**one.document(), "amount_minor": one.amount_minor - due.taken.get(one.discount.code, 0)}
        for one in applied
    ]
    known = {one.discount.code for one in applied}
    told += [
        {"code": code, "amount_minor": -minor}
        for code, minor in due.taken.items()
        if minor and code not in known
    ]
    return told


def _last_day(service: ServicePeriod) -> date:
    """The last day of the service: its rate of VAT holds for all of it."""
    return max(service.served.start, service.served.end - timedelta(days=1))


def _name(charge: Priced, zone: str, lang: str) -> str:
    code = charge.stretch.terms.code
    name = charge.stretch.terms.name or (say(WORDS, code, lang) if code in WORDS else code)
    group = charge.group
    if group and charge.stretch.when == "milestone":  # the group is the moment that was reached
        group = date_text(local_date(datetime.fromisoformat(group), zone), lang)
    return f"{name} ({group})" if group else name
