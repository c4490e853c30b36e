"""`kvit demo`: bills October 2026 of the demo company, says what to try, and opens the office."""

import argparse
import shlex
import sys
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
    "key": (
        "ключ для программы; API — /api/v1/docs, готовые клиенты — clients/",
        "a key for a program; the API is at /api/v1/docs, clients are in clients/",
    ),
    "new": ("своя компания по образцу", "a company of your own from a preset"),
    "login": (
        "Вход в рабочее место (показываем один раз):\n  почта   {email}\n  пароль  {password}\n"
        "  второй фактор: приложение-аутентификатор с ключом {secret}\n"
        "  или одноразовые коды: {codes}",
        "Login to the office (told once):\n  e-mail    {email}\n  password  {password}\n"
        "  second factor: an authenticator app with the key {secret}\n"
        "  or codes, each good once: {codes}",
    ),
    "login_stands": (
        "Вход уже создан: {email}. Другой человек: kvit user add ПОЧТА{option}",
        "The login was made before: {email}. Somebody else: kvit user add E-MAIL{option}",
    ),
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
        return answer.status  # a program asked: it has no browser
    print(typeable("\n".join(_report(answer, options))))
    if args.no_serve or not answer.issued:
        return answer.status
    print(typeable(_login(answer)), flush=True)
    from kvit.web.cli.serve import serve

    serve()
    return answer.status


def _login(answer: "BillAnswer") -> str:
    """Make the owner's login on the first call; told once, since only its digest is kept."""
    from kvit.parties import queries
    from kvit.web.demo_login import EMAIL, ensure_login

    tenant = queries.tenant_by_code(DEMO)
    assert tenant is not None  # it was just billed
    made = ensure_login(tenant)
    if made is None:
        email = EMAIL.format(code=DEMO)
        return "\n" + say(WORDS, "login_stands", language(), email=email, option=answer.option)
    text = say(
        WORDS, "login", language(), email=made.email, password=made.password, secret=made.secret,
        codes=" ".join(made.codes[:5]),
    )  # fmt: skip
    if sys.stdout.isatty():
        text += "\n" + _qr(made.uri)
    return f"\n{text}"


def _qr(uri: str) -> str:
    """Draw the authenticator's link for a phone's camera."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make(uri).terminal(drawn, compact=True)
    return drawn.getvalue()


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
    steps.append((f"kvit key new crm{answer.option}", "key"))
    steps.append((f"echo {shlex.quote(QUOTE)} | kvit quote", "quote"))
    return [(command, say(WORDS, key, lang)) for command, key in steps]
