"""`kvit demo`: bills October 2026 of the demo company, and says what to try next."""

import argparse
import shlex
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from kvit.core.periods import Period
from kvit.core.wording import Words, money_text, period_text, say
from kvit.web.called import typeable
from kvit.web.cli.bill import bill, os_actor, print_json
from kvit.web.cli.ground import ready
from kvit.web.cli.language import either, language
from kvit.web.examples import DEMO, example

if TYPE_CHECKING:
    from kvit.web.billing import BillAnswer, BillOptions

OCTOBER = Period(date(2026, 10, 1), date(2026, 11, 1))
WORDS: Words = {
    "head": (
        "Показательная компания {name}, {period}",
        "The demo company {name}, {period}",
    ),
    "files": ("Её файлы: {folder}", "Its files: {folder}"),
    "customer": ("{number} — {customer} ({code})", "{number} — {customer} ({code})"),
    "figures": (
        "    без НДС {net}, НДС {vat}, итого {total}",
        "    net {net}, VAT {vat}, total {total}",
    ),
    "again": (
        "Демо уже выполнялось: ничего не изменилось.",
        "The demo was run before: nothing changed.",
    ),
    "next": ("Попробуйте:", "Try:"),
    "explain": ("из чего сложилась сумма счёта", "where an invoice's sum comes from"),
    "verify": ("пересчитать и сверить всё в базе", "recompute and compare everything"),
    "quote": ("рассчитать цену без базы", "price something without a database"),
    "new": ("своя компания по образцу", "a company of your own from a preset"),
}
QUOTE = (
    '{"id": "1", "currency": "RUB", "price": {"model": "per_unit", "unit": "1.5"}, "units": "10"}'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help=either("объект JSON", "a JSON object"))
    parser.add_argument(
        "--no-serve",
        action="store_true",
        help=either("не открывать страницы после расчёта", "open no pages after billing"),
    )


def run(args: argparse.Namespace) -> int:
    ready()
    from kvit.web.billing import BillOptions

    options = BillOptions(
        directory=example(DEMO), window=OCTOBER, actor=os_actor(), lang=language()
    )
    answer = bill(options, origin="kvit demo")
    if args.json:
        print_json(answer, OCTOBER, directory=str(options.directory))
    else:
        print(typeable("\n".join(_report(answer, options))))
    return answer.status


def _report(answer: "BillAnswer", options: "BillOptions") -> Iterator[str]:
    from kvit.web.cli.bill_report import fault_lines

    lang = options.lang
    company = answer.folder.company
    name = company.name if company else DEMO
    period = period_text(options.window, lang)
    yield say(WORDS, "head", lang, name=name, period=period)
    yield say(WORDS, "files", lang, folder=options.directory)
    yield ""
    for info in answer.issued:
        whose = {"customer": answer.names[info.customer_id],
                 "code": answer.customers[info.customer_id]}  # fmt: skip
        figures = {
            key: money_text(minor, info.currency, lang)
            for key, minor in (
                ("net", info.net_minor), ("vat", info.vat_minor), ("total", info.total_minor)
            )
        }  # fmt: skip
        yield say(WORDS, "customer", lang, number=info.number, **whose)
        yield say(WORDS, "figures", lang, **figures)
        if answer.papers and info.id in answer.papers.pdfs:
            yield f"    {answer.papers.pdfs[info.id]}"
    for fault in answer.faults:
        yield from fault_lines(fault, lang)
    yield ""
    if answer.issued and not answer.new:
        yield say(WORDS, "again", lang)
        yield ""
    yield say(WORDS, "next", lang)
    for command, what in _steps(answer, lang):
        yield f"  {what}:"
        yield f"      {command}"


def _steps(answer: "BillAnswer", lang: str) -> list[tuple[str, str]]:
    steps = [
        ("kvit new ./my-company --preset saas", "new"),
        (f"kvit verify{answer.option}", "verify"),
    ]
    if answer.issued:
        number = shlex.quote(answer.issued[0].number)
        steps.insert(0, (f"kvit explain {number}{answer.option}", "explain"))
    steps.append((f"echo {shlex.quote(QUOTE)} | kvit quote", "quote"))
    return [(command, say(WORDS, key, lang)) for command, key in steps]
