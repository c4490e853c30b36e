"""`kvit books`: trial balance, account card, receivables; of any day, as known at any moment.

What signs and proves the postings is `books_log`.
"""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from kvit.core.periods import zone_of
from kvit.core.wording import Words
from kvit.platform.failures import Failure
from kvit.web.cli import books_log
from kvit.web.cli.bill import moment
from kvit.web.cli.company import add_tenant, day, in_company
from kvit.web.cli.language import either, language

if TYPE_CHECKING:
    from uuid import UUID

    from kvit.parties.rows import Seller
    from kvit.web.cli.books_report import Report

UNBALANCED = 1
OF_ONE = frozenset({"card", "receivables"})  # a card or a debt is towards one seller
FIRST, LAST = date(1, 1, 2), date(9999, 12, 30)  # a day is left on both sides, for the borders
WORDS: Words = {
    "books_no_seller": (
        "У компании ещё нет продавца: книг нет. Начните с kvit bill.",
        "The company has no seller yet, and so no books: begin with kvit bill.",
    ),
    "books_seller_unknown": (
        "Продавца «{code}» нет.{hint} Есть: {known}.",
        "There is no seller “{code}”.{hint} There are: {known}.",
    ),
    "books_seller_needed": (
        "Продавцов несколько, и у каждого свои книги: укажите --seller. Есть: {known}.",
        "There are several sellers, and each has books of its own: give --seller. There are:"
        " {known}.",
    ),
    "books_account_unknown": (
        "Счёта «{code}» нет в плане счетов.{hint} Есть: {known}.",
        "The chart has no account “{code}”.{hint} There are: {known}.",
    ),
    "books_customer_unknown": (
        "Клиента «{code}» нет.{hint} Укажите код из customers.csv.",
        "There is no customer “{code}”.{hint} Give a code from customers.csv.",
    ),
    "books_days_twice": (
        "Укажите --on или --from и --to, что-то одно.",
        "Give --on, or --from and --to: one of the two.",
    ),
    "books_days_reversed": (
        "Период пуст: --from {since} позже --to {until}. Поменяйте их местами.",
        "The period is empty: --from {since} is after --to {until}. Exchange them.",
    ),
    "hint": (" Возможно, {guess}?", " Did you mean {guess}?"),
}


class CannotReport(Failure):
    """What is asked about is not there, or the days make no period."""

    words = WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    reports = parser.add_subparsers(dest="report", required=True, metavar="REPORT")

    def add(name: str, russian: str, english: str) -> argparse.ArgumentParser:
        text = either(russian, english)
        report = reports.add_parser(name, help=text, description=text)
        report.add_argument("--on", type=day, metavar="DATE",
                            help=either("на конец этого дня", "at the end of this day")
                            )  # fmt: skip
        return report

    trial = add("trial-balance", "оборотно-сальдовая ведомость", "opening, turnover, closing")
    card = add("card", "карточка счёта: все движения", "an account's movements, one by one")
    owed = add("receivables", "кто сколько должен", "who owes how much")
    card.add_argument("--account", required=True, metavar="CODE",
                      help=either("счёт, например 62.01", "an account, such as 62.01")
                      )  # fmt: skip
    card.add_argument("--customer", metavar="CODE",
                      help=either("только этот клиент", "this customer only"))  # fmt: skip
    for report in (trial, card):
        report.add_argument("--from", dest="since", type=day, metavar="DATE",
                            help=either("с этого дня", "from this day on"))  # fmt: skip
        report.add_argument("--to", dest="until", type=day, metavar="DATE",
                            help=either("по этот день включительно", "to this day, included")
                            )  # fmt: skip
    for report in (trial, card, owed):
        report.add_argument("--known-by", type=moment, metavar="ISO",
                            help=either("как было известно в этот момент",
                                        "as it was known at this moment"))  # fmt: skip
        report.add_argument("--seller", metavar="CODE",
                            help=either("только этот продавец", "this seller only")
                            )  # fmt: skip
        report.add_argument("--csv", action="store_true", help=either("таблица CSV", "a CSV table"))
        add_tenant(report)
    books_log.add_arguments(reports)


def run(args: argparse.Namespace) -> int:
    if "log" in args:
        return books_log.run(args)
    since, until = _days(args)
    with in_company(args.tenant, origin=f"kvit books {args.report}") as (tenant, _):
        from kvit.web.cli.books_report import Books

        reports: dict[str, Callable[[Books], Report]] = {
            "trial-balance": lambda books: books.trial_balance(),
            "card": lambda books: books.card(args.account, _customer(args.customer)),
            "receivables": lambda books: books.receivables(),
        }
        sellers = _sellers(args.seller)
        if args.report == "card":
            sellers = _with_account(sellers, args.account)
        if args.report in OF_ONE and len(sellers) > 1:
            known = ", ".join(f"{one.row.code} ({one.row.name})" for one in sellers)
            raise CannotReport("books_seller_needed", known=known)
        moment_known = _moment(args.known_by, tenant.row.zone)
        found = [
            reports[args.report](
                Books(one, since, until, moment_known, tenant.row.zone, language())
            )
            for one in sellers
        ]
    _print(found, args)
    return 0 if all(one.balanced for one in found) else UNBALANCED


def _print(found: "list[Report]", args: argparse.Namespace) -> None:
    from kvit.web.cli.books_report import write_csv

    if args.json:
        documents: list[dict[str, Any]] = [one.document for one in found]
        print(json.dumps({"report": args.report, "sellers": documents}, ensure_ascii=False))
    elif args.csv:
        write_csv(found, sys.stdout)
    else:
        print("\n\n".join("\n".join(one.lines) for one in found))


def _days(args: argparse.Namespace) -> tuple[date, date]:
    """Return the first and the last day that are asked about; all there is where none is given.

    Raises:
        CannotReport: the days contradict each other.
    """
    since, until = getattr(args, "since", None), getattr(args, "until", None)
    if args.on is not None and (since or until):
        raise CannotReport("books_days_twice")
    first, last = since or FIRST, args.on or until or LAST
    if first > last:
        raise CannotReport("books_days_reversed", since=first.isoformat(), until=last.isoformat())
    return max(first, FIRST), min(last, LAST)


def _moment(known_by: datetime | None, zone: str) -> datetime | None:
    if known_by is None or known_by.tzinfo is not None:
        return known_by
    return known_by.replace(tzinfo=zone_of(zone))


def _sellers(code: str | None) -> "list[Seller]":
    from kvit.parties import queries as parties

    sellers = parties.sellers()
    if not sellers:
        raise CannotReport("books_no_seller")
    if code is None:
        return list(sellers.values())
    if code not in sellers:
        raise _unknown("books_seller_unknown", code, list(sellers))
    return [sellers[code]]


def _with_account(sellers: "list[Seller]", account: str) -> "list[Seller]":
    from kvit.ledger import queries as ledger

    charts = {one.id: ledger.accounts(one.id) for one in sellers}
    found = [one for one in sellers if account in charts[one.id]]
    if not found:
        codes = sorted({code for chart in charts.values() for code in chart})
        raise _unknown("books_account_unknown", account, codes)
    return found


def _customer(code: str | None) -> "UUID | None":
    from kvit.parties import queries as parties

    if code is None:
        return None
    found = parties.customers_by_code([code])
    if not found:
        raise _unknown("books_customer_unknown", code, sorted(parties.customer_codes()))
    return found[code].id


def _unknown(key: str, code: str, known: list[str]) -> CannotReport:
    from kvit.adapters.folder.suggest import closest
    from kvit.core.wording import say

    guess = closest(code, known)
    hint = say(WORDS, "hint", language(), guess=guess) if guess else ""
    return CannotReport(key, code=code, hint=hint, known=", ".join(known))
