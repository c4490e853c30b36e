"""What `kvit bill` tells a person: invoices, faults, what waits, what to do next."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from kvit.core.periods import Period, add_months
from kvit.core.wording import Words, money_text, period_text, say
from kvit.integrations.port import Fault, Notice
from kvit.invoicing.rows import InvoiceInfo
from kvit.rating.rows import Unbilled
from kvit.web.billing import BillAnswer, BillOptions
from kvit.web.called import typeable

SHOWN_FAULTS = 20
SHOWN_INVOICES = 40
MONTH = "%Y-%m"
WORDS: Words = {
    "head": ("{name} ({code}), {period}", "{name} ({code}), {period}"),
    "dry": (
        "Пробный запуск: показано, что было бы выставлено; ничего не сохранено.",
        "Dry run: this is what would be billed; nothing was kept.",
    ),
    "read": (
        "Прочитано: {customers} {customers:plural:клиент|клиента|клиентов}, {subscriptions} "
        "{subscriptions:plural:подписка|подписки|подписок}, {plans} "
        "{plans:plural:тариф|тарифа|тарифов}, {rows} {rows:plural:строка|строки|строк} потребления",
        "Read: {customers} {customers:plural:customer|customers}, {subscriptions} "
        "{subscriptions:plural:subscription|subscriptions}, {plans} {plans:plural:plan|plans}, "
        "{rows} {rows:plural:row|rows} of usage",
    ),
    "repeated": (
        "{n} {n:plural:повтор|повтора|повторов}",
        "{n} {n:plural:repeat|repeats}",
    ),
    "conflicting": ("{n} {n:plural:спорная|спорные|спорных}", "{n} in dispute"),
    "rejected": ("{n} не {n:plural:прочитана|прочитаны|прочитаны}", "{n} unreadable"),
    "number": ("Номер", "Number"),
    "customer": ("Клиент", "Customer"),
    "net": ("Без НДС", "Net"),
    "vat": ("НДС", "VAT"),
    "total": ("Итого", "Total"),
    "new": ("новый", "new"),
    "draft": ("ждёт", "waits"),
    "invoice": ("", ""),
    "credit_note": ("кредит-нота", "credit note"),
    "debit_note": ("корректировочный счёт", "debit note"),
    "void": ("аннулирование", "void"),
    "would_be": ("(черновик)", "(draft)"),
    "more_invoices": (
        "… и ещё {n} {n:plural:документ|документа|документов}: --json покажет все",
        "… and {n} {n:plural:document|documents} more: --json shows all",
    ),
    "sum": ("Всего {n}", "{n} in all"),
    "unchanged": (
        "Всё за этот период уже выставлено: ничего не изменилось.",
        "Everything of this period was billed before: nothing changed.",
    ),
    "no_invoices": ("Счетов за этот период нет.", "There are no invoices of this period."),
    "papers": ("Документы PDF: {folder}", "PDF documents: {folder}"),
    "faults": (
        "{n} {n:plural:ошибка|ошибки|ошибок}:",
        "{n} {n:plural:fault|faults}:",
    ),
    "strict": (
        "Из-за --strict не выставлено ничего: сначала исправьте ошибки.",
        "Because of --strict nothing was billed: mend the faults first.",
    ),
    "more_faults": (
        "… и ещё {n} {n:plural:ошибка|ошибки|ошибок} ({codes}): --json покажет все",
        "… and {n} {n:plural:fault|faults} more ({codes}): --json shows all",
    ),
    "notices": ("К сведению:", "Worth knowing:"),
    "waiting": (
        "{n} {n:plural:событие ждёт|события ждут|событий ждут}, пока не исправлено "
        "{n:plural:его|их|их} препятствие; {n:plural:оно попадёт|они попадут|они попадут} "
        "в счёт при следующем запуске.",
        "{n} {n:plural:event waits|events wait} for what stands in {n:plural:its|their} way; "
        "a next run takes {n:plural:it|them} up.",
    ),
    "put_off": (
        "{n} {n:plural:строка изменилась|строки изменились|строк изменилось} задним числом: "
        "разницу выставит запуск за {month}.",
        "{n} {n:plural:line has|lines have} changed since: the run of {month} bills the "
        "difference.",
    ),
    "earlier": (
        "Раньше этого периода не выставлено: {month} ({n} "
        "{n:plural:подписка|подписки|подписок}). {command}",
        "Not billed before this period: {month} ({n} {n:plural:subscription|subscriptions}). "
        "{command}",
    ),
    "earlier_many": (
        "Раньше этого периода не выставлено {n} {n:plural:месяц|месяца|месяцев}, "
        "первый — {month}. {command}",
        "{n} {n:plural:month|months} before this period are not billed, {month} first. {command}",
    ),
    "next": ("Дальше:", "Next:"),
    "explain": ("из чего сложилась сумма", "where the sum comes from"),
    "again": ("после исправления: тот же запуск", "after mending: the same run"),
    "which_wait": ("какие события ждут и почему", "which events wait, and why"),
    "real": ("выставить на самом деле", "bill it in earnest"),
    "verify": ("пересчитать и сверить всё", "recompute and compare everything"),
}


def report(answer: BillAnswer, options: BillOptions) -> str:
    """Return the whole text."""
    return typeable("\n".join(_Report(answer, options).parts()).rstrip())


class _Report:
    def __init__(self, answer: BillAnswer, options: BillOptions) -> None:
        self.answer, self.options, self.lang = answer, options, options.lang

    def say(self, key: str, **params: object) -> str:
        return say(WORDS, key, self.lang, **params)

    def parts(self) -> Iterator[str]:
        yield from self.head()
        yield from self.invoices()
        yield from self.faults()
        yield from self.what_waits()
        yield from self.next_steps()

    def head(self) -> Iterator[str]:
        company = self.answer.folder.company
        if company is not None:
            month = period_text(self.options.window, self.lang)
            yield self.say("head", name=company.name, code=company.code, period=month)
        if self.options.dry_run:
            yield self.say("dry")
        folder, usage = self.answer.folder, self.answer.usage
        counts = self.say(
            "read",
            customers=len(folder.customers),
            subscriptions=len(folder.subscriptions),
            plans=len(folder.plans),
            rows=usage.offered if usage else 0,
        )
        apart = [
            self.say(name, n=getattr(usage, name))
            for name in ("repeated", "conflicting", "rejected")
            if usage and getattr(usage, name)
        ]
        yield counts + (f" ({', '.join(apart)})" if apart else "") + "."
        yield ""

    def invoices(self) -> Iterator[str]:
        found = self.answer.invoices
        if not found:
            yield self.say("no_invoices")
            yield ""
            return
        rows = [self.row(one) for one in found[:SHOWN_INVOICES]]
        head = [self.say(name) for name in ("number", "customer", "net", "vat", "total")]
        sums = [self.total(currency, found) for currency in sorted({o.currency for o in found})]
        yield from table([[*head, ""], *rows, *sums], numbers=(2, 3, 4), rule=len(sums))
        if len(found) > SHOWN_INVOICES:
            yield self.say("more_invoices", n=len(found) - SHOWN_INVOICES)
        if not self.answer.new and not self.options.dry_run and not self.answer.faults:
            yield self.say("unchanged")
        if self.answer.papers:
            yield self.say("papers", folder=self.answer.papers.folder)
        yield ""

    def row(self, info: InvoiceInfo) -> list[str]:
        marks = [self.say(info.kind)]
        if info.status != "issued":
            marks.append(self.say("draft"))
        elif info.id in self.answer.new:
            marks.append(self.say("new"))
        return [
            info.number or self.say("would_be"),
            self.answer.customers[info.customer_id],
            *(self.money(one, info.currency) for one in _figures([info])),
            ", ".join(filter(None, marks)),
        ]

    def total(self, currency: str, found: Sequence[InvoiceInfo]) -> list[str]:
        mine = [one for one in found if one.currency == currency]
        figures = [self.money(one, currency) for one in _figures(mine)]
        return [self.say("sum", n=len(mine)), "", *figures, ""]

    def money(self, minor: int, currency: str) -> str:
        return money_text(minor, currency, self.lang)

    def faults(self) -> Iterator[str]:
        faults = self.answer.faults
        if faults:
            yield self.say("faults", n=len(faults))
            for one in faults[:SHOWN_FAULTS]:
                yield from fault_lines(one, self.lang)
            rest = Counter(one.code for one in faults[SHOWN_FAULTS:])
            if rest:
                codes = ", ".join(f"{code} {n}" for code, n in rest.most_common())
                yield "  " + self.say("more_faults", n=sum(rest.values()), codes=codes)
            if self.options.strict:
                yield self.say("strict")
            yield ""
        if self.answer.notices:
            yield self.say("notices")
            for notice in self.answer.notices[:SHOWN_FAULTS]:
                yield from fault_lines(notice, self.lang)
            yield ""

    def what_waits(self) -> Iterator[str]:
        lines = []
        if self.answer.waiting:
            lines.append(self.say("waiting", n=self.answer.waiting))
        if self.answer.put_off:
            after = self.options.window.end
            month = period_text(Period(after, add_months(after, 1)), self.lang)
            lines.append(self.say("put_off", n=self.answer.put_off, month=month))
        lines += self.earlier(self.answer.earlier)
        if lines:
            yield from lines
            yield ""

    def earlier(self, found: Sequence[Unbilled]) -> Iterator[str]:
        if not found:
            return
        first = found[0]
        month = period_text(Period(first.month, add_months(first.month, 1)), self.lang)
        command = f"kvit bill {self.directory} --period {first.month:{MONTH}}"
        if len(found) == 1:
            yield self.say("earlier", month=month, n=first.subscriptions, command=command)
        else:
            yield self.say("earlier_many", month=month, n=len(found), command=command)

    def next_steps(self) -> Iterator[str]:
        steps: list[tuple[str, str]] = []
        again = f"kvit bill {self.directory} --period {self.options.window.start:{MONTH}}"
        if self.options.dry_run:
            steps.append((again, self.say("real")))
        elif self.answer.faults:
            steps.append((again, self.say("again")))
        if self.answer.waiting and not self.options.dry_run:
            steps.append((f"kvit usage waiting{self.answer.option}", self.say("which_wait")))
        if self.answer.issued and not self.options.dry_run:
            number = shlex.quote(self.answer.issued[0].number)
            option = self.answer.option
            steps.append((f"kvit explain {number}{option}", self.say("explain")))
            steps.append((f"kvit verify{option}", self.say("verify")))
        if steps:
            yield self.say("next")
            yield from (f"  {row}" for row in table([list(one) for one in steps], numbers=()))

    @property
    def directory(self) -> str:
        return shlex.quote(str(self.options.directory))


def fault_lines(fault: Fault | Notice, lang: str) -> Iterator[str]:
    """Write one fault: where, what is wrong, what to do."""
    place = fault.place
    where = ":".join(filter(None, (place.file, "" if place.row is None else str(place.row))))
    where = " ".join(filter(None, (where, place.field)))
    yield f"  {where} — {fault.message(lang)}" if where else f"  {fault.message(lang)}"
    yield f"      {typeable(fault.remedy(lang))}"


def table(rows: Sequence[Sequence[str]], *, numbers: Sequence[int], rule: int = 0) -> Iterator[str]:
    """Align columns; those in `numbers` to the right. A line is drawn above the last
    `rule` rows."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for place, row in enumerate(rows):
        if rule and place == len(rows) - rule:
            yield "─" * (sum(widths) + 2 * (len(widths) - 1) - (0 if widths[-1] else 2))
        cells = [
            cell.rjust(width) if i in numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _figures(infos: Sequence[InvoiceInfo]) -> tuple[int, int, int]:
    return (
        sum(one.net_minor for one in infos),
        sum(one.vat_minor for one in infos),
        sum(one.total_minor for one in infos),
    )
