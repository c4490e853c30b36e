"""`kvit explain INVOICE[/LINE]`: the tree behind a sum, computed again as it is shown."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from kvit.core.money import parse_decimal, round_fraction
from kvit.core.periods import Period
from kvit.core.units import unit_after
from kvit.core.wording import Words, date_text, money_text, number_text, period_text, say
from kvit.web.called import typeable
from kvit.web.cli.company import check_tenant
from kvit.web.cli.ground import ready
from kvit.web.cli.language import either, language

AGREES, DIFFERS, NOT_FOUND = 0, 1, 2
EVENTS = 3
DIGITS = 6  # decimals of a sum that has no finite number of them
WORDS: Words = {
    "unknown": ("Документа «{text}» нет.", "There is no document “{text}”."),
    "near": ("Похожие номера: {numbers}.", "Numbers like it: {numbers}."),
    "none_at_all": (
        "Ещё ничего не выставлено. Попробуйте kvit demo.",
        "Nothing is billed yet. Try kvit demo.",
    ),
    "several": (
        "Номер «{text}» есть у нескольких. Уточните:",
        "Several have the number “{text}”. Say which:",
    ),
    "no_line": (
        "В документе {number} {n} {n:plural:строка|строки|строк}.",
        "The document {number} has {n} {n:plural:line|lines}.",
    ),
    "invoice": ("Счёт {number} от {date}, клиент {customer}: {total}",
                "Invoice {number} of {date}, customer {customer}: {total}"),
    "credit_note": ("Кредит-нота {number} от {date}, клиент {customer}: {total}",
                    "Credit note {number} of {date}, customer {customer}: {total}"),
    "debit_note": ("Корректировочный счёт {number} от {date}, клиент {customer}: {total}",
                   "Debit note {number} of {date}, customer {customer}: {total}"),
    "void": ("Аннулирование {number} от {date}, клиент {customer}: {total}",
             "Void {number} of {date}, customer {customer}: {total}"),
    "draft": ("Черновик {id}, клиент {customer}: {total}",
              "Draft {id}, customer {customer}: {total}"),
    "line": ("{position}. {name} ({subscription}), {period}: {net}",
             "{position}. {name} ({subscription}), {period}: {net}"),
    "events": (
        "{n} {n:plural:событие|события|событий} счётчика «{meter}», {kind}: {units} {unit}",
        "{n} {n:plural:event|events} of meter “{meter}”, {kind}: {units} {unit}",
    ),
    "sum": ("сумма", "sum"),
    "count": ("число", "count"),
    "max": ("наибольшее", "maximum"),
    "unique": ("разных", "unique"),
    "latest": ("последнее", "latest"),
    "time_weighted": ("среднее по времени", "average over time"),
    "difference": ("разность показаний", "difference of readings"),
    "expression": ("выражение", "expression"),
    "more_events": ("… ещё {n} …", "… {n} more …"),
    "quantity": ("количество подписки: {quantity}", "the subscription's quantity: {quantity}"),
    "price": (
        "цена {plan}/{code}, действует с {since}, редакция каталога {revision}: {definition}",
        "price {plan}/{code}, in force since {since}, catalogue revision {revision}: {definition}",
    ),
    "always": ("самого начала", "the beginning"),
    "step": ("{why}: {exact}", "{why}: {exact}"),
    "share": (
        "доля периода {share} ({prorate}): {exact}",
        "share of the period {share} ({prorate}): {exact}",
    ),
    "days": ("по дням", "by days"),
    "seconds": ("по секундам", "by seconds"),
    "percent": ("скидка {code} {percent} %: −{amount}", "discount {code} {percent}%: −{amount}"),
    "fixed": ("скидка {code}: −{amount}", "discount {code}: −{amount}"),
    "rounding": ("округление: {exact} → {amount}", "rounding: {exact} → {amount}"),
    "revision": (
        "ревизия {revision}, период {month}: {amount}",
        "revision {revision}, period {month}: {amount}",
    ),
    "gone": (
        "по условиям, известным тогда, этого начисления быть не должно: 0",
        "by the terms known then there is nothing to charge: 0",
    ),
    "corrected": (
        "строка исправления, внесена по решению человека",
        "a line of a correction, decided by a person",
    ),
    "tax": ("НДС {rate} % на {on}{law}: {vat}", "VAT {rate}% on {on}{law}: {vat}"),
    "tax_undated": ("НДС {rate} %: {vat}", "VAT {rate}%: {vat}"),
    "no_tax": ("без НДС{law}: 0", "without VAT{law}: 0"),
    "pins": (
        "начисление {id}: события по версии {usage}, условия по изменению {terms}",
        "charge {id}: events as of version {usage}, terms as of amendment {terms}",
    ),
    "again": ("пересчитано сейчас: {computed} — совпадает", "computed now: {computed} — agrees"),
    "differs": (
        "НЕ СОВПАДАЕТ: начислено {charged}, пересчитано сейчас {computed}",
        "DIFFERS: charged {charged}, computed now {computed}",
    ),
    "check": ("{what}: {stored}", "{what}: {stored}"),
    "check_differs": (
        "{what}: в документе {stored}, пересчитано {computed} — НЕ СОВПАДАЕТ",
        "{what}: stored {stored}, computed {computed} — DIFFERS",
    ),
    "lines_net": ("сумма строк без НДС", "net of the lines"),
    "lines_vat": ("сумма НДС строк", "VAT of the lines"),
    "net_and_vat": ("без НДС + НДС = итого", "net + VAT = total"),
    "vat_again": ("НДС, вычисленный заново", "VAT computed again"),
    "all_agrees": ("Всё совпадает.", "Everything agrees."),
    "not_all": ("Есть расхождения.", "There are differences."),
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("invoice", metavar="INVOICE[/LINE]",
                        help=either("номер счёта или его номер и строка",
                                    "an invoice's number, or its number and a line"))  # fmt: skip
    parser.add_argument("--json", action="store_true", help=either("объект JSON", "a JSON object"))
    parser.add_argument("--events", type=int, default=EVENTS, metavar="N",
                        help=either("сколько первых и последних событий показать (3)",
                                    "how many first and last events to show (3)"))  # fmt: skip
    parser.add_argument("--seller", default="", metavar="CODE",
                        help=either("код продавца", "the seller's code"))  # fmt: skip
    parser.add_argument("--tenant", default="", metavar="CODE",
                        help=either("код компании", "the company's code"))  # fmt: skip


def run(args: argparse.Namespace) -> int:
    ready()
    from kvit.web import explaining

    lang = language()
    check_tenant(args.tenant)
    found = explaining.find(args.invoice, tenant=args.tenant, seller=args.seller)
    if len(found) != 1:
        return _not_one(args, found, lang)
    try:
        tree = explaining.tree(found[0], events=max(0, args.events), lang=lang)
    except explaining.NoSuchLine as error:
        number = found[0].info.number
        print(say(WORDS, "no_line", lang, number=number, n=error.args[0]), file=sys.stderr)
        return NOT_FOUND
    if args.json:
        print(json.dumps(tree, ensure_ascii=False))
    else:
        print("\n".join(_Text(tree, lang).lines()))
    return AGREES if tree["agrees"] else DIFFERS


def _not_one(args: argparse.Namespace, found: list[Any], lang: str) -> int:
    from kvit.web import explaining

    if found:
        print(say(WORDS, "several", lang, text=args.invoice), file=sys.stderr)
        for one in found:
            option = f"--tenant {one.tenant.row.code} --seller {one.seller}"
            print(typeable(f"  kvit explain {args.invoice} {option}"), file=sys.stderr)
        return NOT_FOUND
    print(say(WORDS, "unknown", lang, text=args.invoice), file=sys.stderr)
    numbers = explaining.near(args.invoice, tenant=args.tenant)
    if numbers:
        print(say(WORDS, "near", lang, numbers=", ".join(numbers)), file=sys.stderr)
    elif not explaining.is_issued(tenant=args.tenant):
        print(typeable(say(WORDS, "none_at_all", lang)), file=sys.stderr)
    return NOT_FOUND


class _Text:
    """The tree as indented lines."""

    def __init__(self, tree: Mapping[str, Any], lang: str) -> None:
        self.tree, self.lang = tree, lang

    def say(self, key: str, **params: Any) -> str:
        return say(WORDS, key, self.lang, **params)

    def money(self, text: str) -> str:
        currency = self.tree["currency"]
        digits = len(text.partition(".")[2])
        return money_text(round_fraction(parse_decimal(text) * 10**digits), currency, self.lang)

    def exact(self, text: str) -> str:
        """Write an exact sum; one without a finite number of decimals is cut and marked."""
        value = Fraction(text)
        if "/" not in text:
            return number_text(value, self.lang)
        cut = Fraction(int(value * 10**DIGITS), 10**DIGITS)
        return number_text(cut, self.lang) + "…"

    def lines(self) -> Iterator[str]:
        tree = self.tree
        issued = date.fromisoformat(tree["issued_on"]) if tree["issued_on"] else None
        yield self.say(
            tree["kind"] if issued else "draft",
            number=tree["number"],
            id=tree["id"],
            date=date_text(issued, self.lang) if issued else "",
            customer=tree["customer"],
            total=self.money(tree["total"]),
        )
        for line in tree["lines"]:
            yield ""
            yield from self.line(line)
        yield ""
        for check in tree["checks"]:
            key = "check" if check["agrees"] else "check_differs"
            yield self.say(
                key,
                what=self.say(check["what"]),
                stored=self.money(check["stored"]),
                computed=self.money(check["computed"]),
            )
        yield self.say("all_agrees" if tree["agrees"] else "not_all")

    def line(self, line: Mapping[str, Any]) -> Iterator[str]:
        days = Period(date.fromisoformat(line["start"]), date.fromisoformat(line["end"]))
        amount = line["net"] if line["basis"] == "net" else line["total"]
        yield self.say(
            "line",
            position=line["position"],
            name=line["name"],
            subscription=line["subscription"],
            period=period_text(days, self.lang),
            net=self.money(amount),
        )
        charge = line["charge"]
        inside = [self.say("corrected")] if charge is None else list(self.charge(charge))
        yield from (f"   {text}" for text in [*inside, self.tax(line)])

    def tax(self, line: Mapping[str, Any]) -> str:
        tax = line["tax"]
        law = f" ({tax['law']})" if tax["law"] else ""
        if tax["rate"] is None:
            return self.say("no_tax", law=law)
        rate = number_text(Fraction(tax["rate"]), self.lang)
        vat = self.money(line["vat"])
        if tax["on"] is None:  # a correction has the rate of the line that it corrects
            return self.say("tax_undated", rate=rate, vat=vat)
        on = date.fromisoformat(tax["on"])
        return self.say("tax", rate=rate, on=on, law=law, vat=vat)

    def charge(self, charge: Mapping[str, Any]) -> Iterator[str]:
        pins = charge["pins"]
        yield self.say(
            "pins", id=charge["id"], usage=pins["usage_version"], terms=pins["terms_number"]
        )
        computation = charge["computation"]
        if computation is None:
            yield self.say("gone")
        else:
            yield from self.computation(computation, pins)
        if len(charge["revisions"]) > 1:
            for one in charge["revisions"]:
                amount, month = self.money(one["amount"]), one["billed_in"][:7]
                yield self.say("revision", revision=one["revision"], month=month, amount=amount)
        yield self.say(
            "again" if charge["agrees"] else "differs",
            charged=self.money(charge["charged"]),
            computed=self.money(charge["computed"]),
        )

    def computation(self, found: Mapping[str, Any], pins: Mapping[str, Any]) -> Iterator[str]:
        if found["aggregation"]:
            yield from self.events(found)
        elif found["quantity"] != "1":
            quantity = number_text(Fraction(found["quantity"]), self.lang)
            yield self.say("quantity", quantity=quantity)
        price = found["price"]
        since = date.fromisoformat(price["effective"])
        yield self.say(
            "price",
            plan=price["plan"],
            code=price["code"],
            since=self.say("always") if since.year <= 1900 else date_text(since, self.lang),
            revision=pins["catalogue_revision"],
            definition=json.dumps(price["definition"], ensure_ascii=False),
        )
        yield from (f"  {text}" for text in self.steps(found["steps"]))
        stretch = found["stretch"]
        if stretch["share"] != "1":
            yield self.say(
                "share",
                share=stretch["share"],
                prorate=self.prorate(stretch["prorate"]),
                exact=self.exact(found["gross"]),
            )
        for one in found["discounts"]:
            key = "percent" if "percent" in one else "fixed"
            yield self.say(key, **{**one, "amount": self.money(one["amount"])})
        yield self.say(
            "rounding", exact=self.exact(found["exact"]), amount=self.money(found["rounded"])
        )

    def steps(self, steps: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        for step in steps:
            exact = self.exact(step["exact"])
            units, unit = Fraction(step["units"]), Fraction(step["unit"])
            if unit and units * unit == Fraction(step["exact"]):
                times = f"{self.exact(step['units'])} × {self.exact(step['unit'])}"
                exact = exact if step["why"] == times else f"{times} = {exact}"
            yield self.say("step", why=step["why"], exact=exact)
            for part in step["parts"]:
                yield f"  {part['name']}"
                yield from (f"    {text}" for text in self.steps(part["steps"]))

    def prorate(self, policy: str) -> str:
        return self.say(policy) if policy in WORDS else policy

    def events(self, found: Mapping[str, Any]) -> Iterator[str]:
        meter, events = found["aggregation"], found["events"]
        yield self.say(
            "events",
            n=events["count"],
            meter=meter["meter"],
            kind=self.say(meter["kind"]) if meter["kind"] in WORDS else meter["kind"],
            units=self.exact(found["units"]),
            unit=unit_after(Fraction(found["units"]), meter["unit"]),
        ).rstrip()
        zone = ZoneInfo(found["stretch"]["zone"])
        yield from (self.event(one, zone) for one in events["first"])
        hidden = events["count"] - len(events["first"]) - len(events["last"])
        if hidden:
            yield "    " + self.say("more_events", n=hidden)
        yield from (self.event(one, zone) for one in events["last"])

    def event(self, event: Mapping[str, Any], zone: ZoneInfo) -> str:
        moment = datetime.fromisoformat(event["time"]).astimezone(zone)
        where = " ".join(f"{key}={value}" for key, value in event["dimensions"].items())
        return f"    {moment:%Y-%m-%d %H:%M:%S}  {event['id']}  {event['value']}  {where}".rstrip()
