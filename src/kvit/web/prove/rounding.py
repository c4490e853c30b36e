"""R11: what is divided, prorated, taxed, discounted, credited and posted adds up to the kopeck.

Each computation is a random case of one kind, computed by the core and asked by its law:

    allocate    parts add up to the whole, none is a unit off its share, a credit mirrors
    prorate     shares of a period tile to 1; a change's credit undoes the charge of the same share
    tax         net + VAT = total on every line and in sum; a document's VAT is rounded once
    document    discounts add up, take no more than the line, and the sums are the lines'
    credit      credits of any sizes, in any order, end at the invoice exactly and never above it
    post        the entries of a document and of its reversal leave every account at nothing
    read        a decimal is read exactly and written back; a float is refused
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from random import Random

from kvit.core.bookkeeping import InvoiceFact, Share, balances, invoice_entries, reverse
from kvit.core.lines import (
    CreditExceedsInvoice,
    DocumentDiscount,
    DocumentLine,
    credit_lines,
    make_document,
)
from kvit.core.money import FloatRefused, allocate, minor_text, parse_decimal, to_minor
from kvit.core.periods import Period
from kvit.core.proration import price_change, share
from kvit.core.tax import (
    BASES,
    METHODS,
    NOTHING,
    Basis,
    TaxableLine,
    TaxedLine,
    split_vat,
    tax_lines,
    total_of,
)
from kvit.web.prove.outcome import Outcome, Part, chance_of, gathered, spread

CHUNK = 10_000
RATES = tuple(map(Fraction, ("22", "20", "18", "10", "0", "5", "7", "8.875")))
BEGIN = date(2026, 1, 1)
HALF = Fraction(1, 2)
Said = Iterator[str]


@dataclass(frozen=True, slots=True)
class _Job:
    seed: int
    place: int
    count: int


def prove(*, seed: int, size: int) -> Outcome:
    """Try `size` computations."""
    jobs = [_Job(seed, at, min(CHUNK, size - at)) for at in range(0, size, CHUNK)]
    return gathered("rounding", spread(_prove_some, jobs), seed=seed, size=size)


def _prove_some(job: _Job) -> Part:
    part, chance, digest = Part(), chance_of(job.seed, job.place), hashlib.sha256()
    names, weights = tuple(_LAWS), [weight for weight, _ in _LAWS.values()]
    for name in chance.choices(names, weights, k=job.count):
        part.figures[name] += 1
        told: list[object] = []
        part.violations += [f"{name}: {fault}" for fault in _tried(name, chance, told)]
        digest.update(repr(told).encode())
        if part.is_enough:
            break
    part.trace = digest.hexdigest()
    return part


def _tried(name: str, chance: Random, told: list[object]) -> Said:
    """Try a law; a core that stumbles over what it made itself breaks it."""
    try:
        yield from _LAWS[name][1](chance, told)
    except (ArithmeticError, ValueError) as error:
        yield f"{type(error).__name__}: {error}"


def _allocate(chance: Random, told: list[object]) -> Said:
    total = _amount(chance)
    weights = [_weight(chance) for _ in range(chance.randrange(1, 7))]
    if not any(weights):
        weights[0] = Fraction(1)
    parts, whole = allocate(total, weights), sum(weights, Fraction(0))
    told += parts
    if sum(parts) != total:
        yield f"{total} by {weights} is {parts}"
    shares = [weight * total / whole for weight in weights]
    if any(abs(part - one) >= 1 for part, one in zip(parts, shares, strict=True)):
        yield f"a part of {parts} is a unit off {shares}"
    if allocate(-total, weights) != [-part for part in parts]:
        yield f"a credit of {total} by {weights} does not mirror {parts}"


def _prorate(chance: Random, told: list[object]) -> Said:
    period = Period(BEGIN, BEGIN + timedelta(chance.randrange(1, 367)))
    cut = BEGIN + timedelta(chance.randrange(period.days + 1))
    policy = chance.choice(("days", "seconds"))
    early = share(policy, period, Period(period.start, cut), zone="Europe/Berlin")
    late = share(policy, period, Period(cut, period.end), zone="Europe/Berlin")
    if early + late != 1:
        yield f"{period} cut on {cut} by {policy}: {early} + {late}"
    price = Fraction(abs(_amount(chance)), 100)
    other = Fraction(abs(_amount(chance)), 100)
    there, back = (price_change(*pair, late, "RUB") for pair in ((price, other), (other, price)))
    told += [there.credit, there.charge, back.credit, back.charge]
    if there.net + back.net or there.charge - back.credit:
        yield f"changed and changed back for {late} of it: {there.net} and {back.net}"
    if there.charge != _half_up(other * late * 100):
        yield f"{other} × {late} is charged {there.charge}"


def _tax(chance: Random, told: list[object]) -> Said:
    lines = [_line(chance) for _ in range(chance.randrange(1, 6))]
    method = chance.choice(METHODS)
    taxed = tax_lines(lines, method)
    total = total_of(taxed)
    told += taxed
    yield from _adds_up([*taxed, total])
    exact = [_vat(line) for line in lines]
    if method == "line":
        singly = [split_vat(line.amount, line.rate, line.basis) for line in lines]
        if taxed != singly or [one.vat for one in taxed] != [_half_up(own) for own in exact]:
            yield f"VAT per line of {lines} is {taxed}"
    # One rounding a document's rate and basis: half a unit each, however many lines there are.
    roundings = len(lines) if method == "line" else len({(x.rate, x.basis) for x in lines})
    if abs(total.vat - sum(exact, Fraction(0))) > HALF * roundings:
        yield f"VAT of {lines} by {method} is {total.vat}, exactly {sum(exact, Fraction(0))}"
    if any(abs(one.vat - own) >= 1 for one, own in zip(taxed, exact, strict=True)):
        yield f"a line of {taxed} is a unit off its own VAT"
    mirror = [TaxableLine(-line.amount, line.rate, line.basis) for line in lines]
    if tax_lines(mirror, method) != [-one for one in taxed]:
        yield f"the credit of {lines} by {method} does not mirror it"


def _document(chance: Random, told: list[object]) -> Said:
    lines = [
        DocumentLine(one.amount, one.rate, chance.choice((None, "a", "b")), one.basis)
        for one in (_line(chance) for _ in range(chance.randrange(1, 6)))
    ]
    discounts = [_discount(chance) for _ in range(chance.randrange(4))]
    made = make_document(lines, discounts, chance.choice(METHODS))
    told += [made.totals, made.unused]
    yield from _adds_up([*(line.taxed for line in made.lines), made.totals])
    for i, (line, done) in enumerate(zip(lines, made.lines, strict=True)):
        if sum(row.amount for row in made.discounts if row.line == i) != done.discount:
            yield f"discounts of line {i} of {lines} do not add up to {done.discount}"
        if not 0 <= done.discount <= max(0, line.amount):
            yield f"line {i} of {lines} is discounted by {done.discount}"
    for place, (discount, unused) in enumerate(zip(discounts, made.unused, strict=True)):
        taken = sum(row.amount for row in made.discounts if row.discount == place)
        if discount.fixed is not None and taken + unused != discount.fixed:
            yield f"{discount} took {taken} and left {unused}"
    if total_of(line.taxed for line in made.lines) != made.totals:
        yield f"{made.totals} is not the sum of {made.lines}"


def _credit(chance: Random, told: list[object]) -> Said:
    lines = tax_lines([_line(chance) for _ in range(chance.randrange(1, 4))], "document")
    basis = chance.choice(BASES)
    taken = [NOTHING] * len(lines)
    for last in (False, False, True):
        asked = [_asked(chance, line, basis, last) for line in lines]
        try:
            given = credit_lines(lines, taken, asked, basis=basis)
        except CreditExceedsInvoice as error:
            yield f"credited more than there was: {error}"
            return
        taken = [one + more for one, more in zip(taken, given, strict=True)]
        yield from _adds_up(taken)
        for line, one in zip(lines, taken, strict=True):
            if abs(one.net) > abs(line.net) or abs(one.total) > abs(line.total):
                yield f"{one} is credited of {line}"
    told += taken
    if taken != lines:
        yield f"credited whole, {lines} leaves {taken}"


def _post(chance: Random, told: list[object]) -> Said:
    shares = tuple(
        Share(_amount(chance), _amount(chance) // 5, BEGIN + timedelta(chance.randrange(-40, 400)))
        for _ in range(chance.randrange(1, 5))
    )
    entries = invoice_entries(InvoiceFact("RUB", BEGIN, shares))
    told += entries
    sums = balances(entries)
    net, vat = (sum(getattr(one, name) for one in shares) for name in ("net_minor", "vat_minor"))
    wanted = {("receivable", "RUB"): net + vat, ("revenue", "RUB"): -net - vat,
              ("vat_on_revenue", "RUB"): vat, ("vat_out", "RUB"): -vat}  # fmt: skip
    if sums != {key: value for key, value in wanted.items() if value}:
        yield f"{shares} is posted as {sums}"
    undone = reverse(entries, effective_on=BEGIN + timedelta(chance.randrange(400)))
    if balances([*entries, *undone]):
        yield f"{shares} posted and reversed leaves {balances([*entries, *undone])}"


def _read(chance: Random, told: list[object]) -> Said:
    minor = _amount(chance)
    text = minor_text(minor, "RUB")
    told.append(text)
    if to_minor(parse_decimal(text), "RUB") != minor:
        yield f"{text} is read as {parse_decimal(text)}"
    rate = f"0.{chance.randrange(10**17):017}"
    if parse_decimal(rate) * 10**17 != int(rate[2:]):
        yield f"{rate} is read as {parse_decimal(rate)}"
    try:
        parse_decimal(float(rate))
    except FloatRefused:
        return
    yield f"the float {float(rate)!r} is taken for money"


_LAWS: dict[str, tuple[int, Callable[[Random, list[object]], Said]]] = {
    "allocate": (35, _allocate),
    "prorate": (25, _prorate),
    "tax": (20, _tax),
    "document": (5, _document),
    "credit": (5, _credit),
    "post": (5, _post),
    "read": (5, _read),
}


def _adds_up(lines: list[TaxedLine]) -> Said:
    for line in lines:
        if line.net + line.vat != line.total:
            yield f"{line} does not add up"


def _half_up(exact: Fraction) -> int:
    """Round as the law says, half away from zero, by integers alone."""
    whole = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return whole if exact >= 0 else -whole


def _amount(chance: Random) -> int:
    size = chance.choice((10, 1_000, 100_000, 10**9, 10**13))
    return chance.randrange(-size, size)


def _weight(chance: Random) -> Fraction:
    if chance.random() < 0.1:
        return Fraction(0)
    return Fraction(chance.randrange(1, 1000), chance.choice((1, 3, 7, 31, 365)))


def _line(chance: Random) -> TaxableLine:
    rate = chance.choice((*RATES, None))
    return TaxableLine(_amount(chance), rate, chance.choice(BASES))


def _vat(line: TaxableLine) -> Fraction:
    if line.rate is None:
        return Fraction(0)
    return line.amount * line.rate / (100 if line.basis == "net" else 100 + line.rate)


def _discount(chance: Random) -> DocumentDiscount:
    scope = chance.choice((None, None, "a", "b"))
    if chance.random() < 0.5:
        return DocumentDiscount(fixed=abs(_amount(chance)), scope=scope)
    return DocumentDiscount(percent=Fraction(chance.randrange(1, 10_001), 100), scope=scope)


def _asked(chance: Random, line: TaxedLine, basis: Basis, last: bool) -> int:
    full = line.net if basis == "net" else line.total
    if last:
        return full
    part = chance.randrange(abs(full) + 2)  # now and then more than there is
    return part if full >= 0 else -part
