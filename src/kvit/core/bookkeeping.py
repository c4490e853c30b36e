"""Business facts as bookkeeping entries: which account gives, which one takes.

A worked example: an invoice of 10 000.00 net and 2 200.00 VAT for October, issued on 31 October

    Дт 62.01 Кт 90.01  12 200.00   the customer owes the gross sum, it is our revenue
    Дт 90.03 Кт 68.02   2 200.00   of which VAT is owed to the budget

and the same invoice issued on 1 October for the October to come:

    1 October   Дт 62.01 Кт 98.01  12 200.00   a claim, but nothing is earned yet
    31 October  Дт 98.01 Кт 90.01  12 200.00   now it is
    31 October  Дт 90.03 Кт 68.02   2 200.00   VAT arises with the service, not with the invoice

The day an entry counts for may lie in the future of the moment it is recorded, so deferred revenue
needs no monthly job: the balance of any day is a sum over entries up to it.

Entries name accounts by role; the chart of the seller says which code bears it.

Source: план счетов и инструкция по его применению (приказ Минфина России от 31.10.2000 № 94н),
счета 62, 68, 90, 98; the moment VAT arises: НК РФ ст. 167 п. 1 (the earlier of service and
payment; VAT on an advance received is an entry of that payment, 76.АВ, and not of the invoice).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, get_args

Role = Literal[
    "receivable",
    "advance",
    "advance_vat",
    "revenue",
    "vat_on_revenue",
    "vat_out",
    "deferred",
    "bank",
    "other_income",
    "other_expense",
]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Share:
    """Part of a document that is earned on one day; the signs are the document's.

    `earned_on` is the last day of the service: for a half-open period, the day before its end.
    """

    net_minor: int
    vat_minor: int
    earned_on: date


@dataclass(frozen=True, slots=True)
class InvoiceFact:
    """An issued document: an invoice or debit note (sums above zero), a credit note (below)."""

    currency: str
    effective_on: date  # the day the document counts for
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement: `amount_minor`, always above zero, leaves `credit` and enters `debit`."""

    debit: Role
    credit: Role
    amount_minor: int
    currency: str
    effective_on: date


def invoice_entries(fact: InvoiceFact) -> tuple[Entry, ...]:
    """Return the entries of an issued document, by day and then in the order of the example.

    What is earned by the document's day counts on that day; what is earned later is deferred and
    recognised on its own day. Sums below zero swap the sides, sums of zero give no entry, so the
    entries of a document and of its mirror image cancel out on every account and every day.
    """
    net: dict[date, int] = defaultdict(int)
    vat: dict[date, int] = defaultdict(int)
    for share in fact.shares:
        day = max(share.earned_on, fact.effective_on)
        net[day] += share.net_minor
        vat[day] += share.vat_minor

    entries: list[Entry | None] = []
    for day in sorted(net):
        gross = net[day] + vat[day]
        if day == fact.effective_on:
            entries.append(_entry("receivable", "revenue", gross, fact.currency, day))
        else:
            # The claim stands from the document's day on, whatever day earns it.
            entries.append(
                _entry("receivable", "deferred", gross, fact.currency, fact.effective_on)
            )
            entries.append(_entry("deferred", "revenue", gross, fact.currency, day))
        entries.append(_entry("vat_on_revenue", "vat_out", vat[day], fact.currency, day))
    return tuple(sorted(filter(None, entries), key=lambda entry: entry.effective_on))


def reverse(entries: Iterable[Entry], *, effective_on: date) -> tuple[Entry, ...]:
    """Return the opposite of each entry, for a document that is voided on `effective_on`.

    A closed day is not written to: what already counted is undone on `effective_on`, what was
    still to come is undone on the day it would have come.
    """
    return tuple(
        replace(
            entry,
            debit=entry.credit,
            credit=entry.debit,
            effective_on=max(entry.effective_on, effective_on),
        )
        for entry in entries
    )


def balances(entries: Iterable[Entry]) -> Mapping[tuple[Role, str], int]:
    """Fold entries into debit minus credit of each (role, currency); zero is left out."""
    sums: dict[tuple[Role, str], int] = defaultdict(int)
    for entry in entries:
        sums[entry.debit, entry.currency] += entry.amount_minor
        sums[entry.credit, entry.currency] -= entry.amount_minor
    return {key: value for key, value in sums.items() if value}


def _entry(debit: Role, credit: Role, amount_minor: int, currency: str, day: date) -> Entry | None:
    if not amount_minor:
        return None
    if amount_minor < 0:
        debit, credit, amount_minor = credit, debit, -amount_minor
    return Entry(debit, credit, amount_minor, currency, day)
