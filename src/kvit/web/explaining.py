"""The tree behind an invoice: lines, charges, stretches, events, prices, steps, tax, total.

Every charge is computed again as it is opened (`rating.explain`), and VAT and totals with it; the
tree holds both figures. It is plain data, for the command line, the API and pages alike.
"""

import difflib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from uuid import UUID

from kvit.core.money import exact_text, minor_text
from kvit.core.pricing.steps import Step
from kvit.core.stretches import Charge
from kvit.core.tax import (
    RateNotInForce,
    TaxableLine,
    UnknownTaxCode,
    dated_rate,
    tax_lines,
    total_of,
)
from kvit.core.usage import UsageEvent
from kvit.invoicing import queries as invoicing
from kvit.invoicing.rows import InvoiceInfo, LineInfo
from kvit.parties import queries as parties
from kvit.parties.rows import Tenant
from kvit.platform.tenancy import tenant_scope
from kvit.rating import queries as rating
from kvit.rating.explain import Explained, explain
from kvit.rating.rows import ChargeInfo
from kvit.web.bill_json import decimal_text

NEAR = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A document that bears the number: whose it is, and which line was asked about."""

    tenant: Tenant
    seller: str
    info: InvoiceInfo
    line: int | None


def find(text: str, *, tenant: str = "", seller: str = "") -> list[Found]:
    """Return the documents that `text` may mean: a number, a number and /LINE, or an id."""
    for number, line in _readings(text):
        found = [
            Found(owner, code, info, line)
            for owner in _tenants(tenant)
            for code, info in _documents(owner, number)
            if seller in ("", code)
        ]
        if found:
            return found
    return []


def near(text: str, *, tenant: str = "") -> list[str]:
    """Return numbers that look like this one."""
    numbers: list[str] = []
    for owner in _tenants(tenant):
        with tenant_scope(owner.id):
            numbers += invoicing.numbers_near(text, limit=50)
    return difflib.get_close_matches(text, numbers, n=NEAR, cutoff=0.4)


def is_issued(*, tenant: str = "") -> bool:
    """Whether there is any number to be looked for."""
    for owner in _tenants(tenant):
        with tenant_scope(owner.id):
            if invoicing.numbers_near("", limit=1):
                return True
    return False


def tree(found: Found, *, events: int, lang: str) -> dict[str, Any]:
    """Return the whole document, or the line that was asked about.

    Args:
        events: how many of a charge's first and last events are shown.

    Raises:
        NoSuchLine: the document has no line of that number.
    """
    with tenant_scope(found.tenant.id):
        return _Tree(found, events, lang).document()


class NoSuchLine(Exception):
    """The document has fewer lines."""


def _readings(text: str) -> Iterable[tuple[str, int | None]]:
    """A number may itself hold a slash, so the whole text is tried first."""
    yield text, None
    number, slash, line = text.rpartition("/")
    if slash and line.isdecimal():
        yield number, int(line)


def _tenants(code: str) -> list[Tenant]:
    return [one for one in parties.tenants() if code in ("", one.row.code)]


def _documents(owner: Tenant, number: str) -> list[tuple[str, InvoiceInfo]]:
    with tenant_scope(owner.id):
        try:
            infos = invoicing.by_ids([UUID(number)])
        except ValueError:
            infos = invoicing.by_number(number)
        sellers = {one.id: one.row.code for one in parties.sellers().values()}
        return [(sellers[info.seller_id], info) for info in infos]


class _Tree:
    def __init__(self, found: Found, events: int, lang: str) -> None:
        self.found, self.info = found, found.info
        self.shown, self.lang = events, lang
        ids = [line.charge_id for line in self.info.lines if line.charge_id is not None]
        self.charges = {one.id: one for one in rating.charges(ids)}

    def money(self, minor: int) -> str:
        return minor_text(minor, self.info.currency)

    def document(self) -> dict[str, Any]:
        info = self.info
        chosen = [one for one in info.lines if self.found.line in (None, one.position)]
        if not chosen:
            raise NoSuchLine(len(info.lines))
        lines = [self.line(one) for one in chosen]
        checks = self.checks()
        customer = parties.payers([info.customer_id])[info.customer_id]
        return {
            "number": info.number,
            "id": str(info.id),
            "kind": info.kind,
            "tenant": self.found.tenant.row.code,
            "seller": self.found.seller,
            "customer": customer.code,
            "issued_on": info.issued_on.isoformat() if info.issued_on else None,
            "currency": info.currency,
            "vat_rounding": info.vat_rounding,
            "lines": lines,
            "net": self.money(info.net_minor),
            "vat": self.money(info.vat_minor),
            "total": self.money(info.total_minor),
            "checks": checks,
            "agrees": all(one["agrees"] for one in (*lines, *checks)),
        }

    def checks(self) -> list[dict[str, Any]]:
        """Sums of the lines, and the VAT of the whole computed again, against the document's."""
        info = self.info
        pairs = [
            ("lines_net", info.net_minor, sum(one.net_minor for one in info.lines)),
            ("lines_vat", info.vat_minor, sum(one.vat_minor for one in info.lines)),
            ("net_and_vat", info.total_minor, info.net_minor + info.vat_minor),
        ]
        if all(line.charge_id is not None for line in info.lines):
            taxed = total_of(tax_lines([_taxable(one) for one in info.lines], info.vat_rounding))  # type: ignore[arg-type]
            pairs.append(("vat_again", info.vat_minor, taxed.vat))
        return [
            {
                "what": what,
                "stored": self.money(stored),
                "computed": self.money(again),
                "agrees": stored == again,
            }
            for what, stored, again in pairs
        ]

    def line(self, line: LineInfo) -> dict[str, Any]:
        charge = self.charges.get(line.charge_id) if line.charge_id else None
        opened = None if charge is None else self.charge(charge, line)
        return {
            "position": line.position,
            "name": line.name,
            "subscription": line.subscription,
            "price": line.price,
            "start": line.starts_on.isoformat(),
            "end": line.ends_on.isoformat(),
            "units": decimal_text(line.units),
            "unit": line.unit,
            "charge": opened,
            "basis": line.basis,
            "tax": self.tax(line, charge),
            "net": self.money(line.net_minor),
            "vat": self.money(line.vat_minor),
            "total": self.money(line.total_minor),
            "agrees": opened is None or opened["agrees"],
        }

    def tax(self, line: LineInfo, charge: ChargeInfo | None) -> dict[str, Any]:
        rate = None if line.vat_rate is None else decimal_text(line.vat_rate)
        law = ""
        if charge is not None:
            # A rate that the seller declares himself stands in no law.
            with suppress(UnknownTaxCode, RateNotInForce):
                law = dated_rate(charge.vat_code, charge.vat_on).law
        return {
            "rate": rate,
            "on": charge.vat_on.isoformat() if charge else None,
            "law": law,
        }

    def charge(self, info: ChargeInfo, line: LineInfo) -> dict[str, Any]:
        found = explain(info.id)
        on_line = line.net_minor if line.basis == "net" else line.total_minor
        return {
            "id": str(info.id),
            "reason": info.reason,
            "amount": self.money(info.amount_minor),
            "pins": {
                "usage_version": found.pins.usage_version,
                "terms_number": found.pins.terms_number,
                "catalogue_revision": found.pins.catalogue_revision,
            },
            "revisions": [
                {
                    "revision": one.revision,
                    "reason": one.reason,
                    "amount": self.money(one.amount_minor),
                    "billed_in": one.billed_in.isoformat(),
                }
                for one in found.revisions
            ],
            "computation": None if found.computed is None else self.computation(found),
            "charged": self.money(found.charged_minor),
            "computed": self.money(found.computed_minor),
            "agrees": found.agrees and on_line == info.amount_minor,
        }

    def computation(self, found: Explained) -> dict[str, Any]:
        charge = found.computed
        assert charge is not None  # the caller looked
        terms = charge.stretch.terms
        meter = found.catalogue.meters.get(terms.meter)
        return {
            "stretch": {
                "start": charge.stretch.start.isoformat(),
                "end": charge.stretch.end.isoformat(),
                "zone": found.contract.zone,
                "prorate": terms.prorate,
                "share": exact_text(charge.share),
            },
            "price": {
                "plan": terms.plan,
                "code": terms.code,
                "version": terms.version_id,
                "effective": terms.effective_from.isoformat(),
                "definition": charge.stretch.price.document(),
            },
            "quantity": exact_text(charge.stretch.quantity),
            "aggregation": None
            if meter is None
            else {"meter": meter.code, "kind": meter.aggregation, "unit": meter.unit},
            "units": exact_text(charge.units),
            "events": self.events(found.events),
            "steps": [_step(step, self.lang) for step in charge.priced.steps],
            "priced": exact_text(charge.priced.exact),
            "gross": exact_text(charge.gross),
            "discounts": self.discounts(charge),
            "exact": exact_text(charge.exact),
            "rounded": self.money(charge.amount_minor),
        }

    def discounts(self, charge: Charge) -> list[dict[str, Any]]:
        return [
            {**one.discount.document(), "amount": self.money(one.amount_minor)}
            for one in charge.discounts
        ]

    def events(self, events: tuple[UsageEvent, ...]) -> dict[str, Any]:
        first = events[: self.shown]
        last = events[max(self.shown, len(events) - self.shown) :]
        return {
            "count": len(events),
            "first": [_event(one) for one in first],
            "last": [_event(one) for one in last],
        }


def _step(step: Step, lang: str) -> dict[str, Any]:
    parts = [
        {"name": name, "steps": [_step(one, lang) for one in steps]} for name, steps in step.inside
    ]
    return {
        "why": step.why(lang),
        "units": exact_text(step.units),
        "unit": exact_text(step.unit),
        "flat": exact_text(step.flat),
        "exact": exact_text(step.exact),
        "parts": parts,
    }


def _event(event: UsageEvent) -> dict[str, Any]:
    value = event.value
    return {
        "id": event.id,
        "time": event.time.isoformat(),
        "value": exact_text(value) if isinstance(value, Fraction) else value,
        "dimensions": dict(event.dimensions),
    }


def _taxable(line: LineInfo) -> TaxableLine:
    rate = None if line.vat_rate is None else Fraction(line.vat_rate)
    if line.basis == "gross":
        return TaxableLine(line.total_minor, rate, "gross")
    return TaxableLine(line.net_minor, rate, "net")
