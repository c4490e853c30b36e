"""`kvit preview`: what the bills would be; of a whole period, or of a change before it is made.

Everything is billed in a transaction that is rolled back: what is shown is what would be issued.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kvit.core.money import minor_text
from kvit.core.periods import Period
from kvit.core.wording import Words, money_text, period_text, say
from kvit.integrations.port import CHANGES
from kvit.web.cli.bill import billing_month, os_actor
from kvit.web.cli.company import add_tenant, in_company, listed, told
from kvit.web.cli.language import either, language

if TYPE_CHECKING:
    from kvit.invoicing.rows import Bill, CustomerPreview, Preview

KINDS = ", ".join(one for one in CHANGES if one != "reading")
WORDS: Words = {
    "head": ("Счета за период: {period}", "Bills of the period: {period}"),
    "empty": ("Выставлять нечего.", "There is nothing to bill."),
    "more": (
        "… и ещё {n} {n:plural:документ|документа|документов}: --json покажет все",
        "… and {n} {n:plural:document|documents} more: --json shows all",
    ),
    "customer": ("Клиент", "Customer"),
    "period": ("Период", "Period"),
    "before": ("Сейчас", "Now"),
    "after": ("Станет", "Becomes"),
    "difference": ("Разница", "Difference"),
    "unchanged": ("Счета не изменятся.", "The bills stay as they are."),
    "incomplete": (
        "нужны все три: ПОДПИСКА, ИЗМЕНЕНИЕ и --at",
        "all three are needed: SUBSCRIPTION, CHANGE and --at",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_change(parser)
    parser.add_argument("--period", type=billing_month, metavar="YYYY-MM",
                        help=either("за какой месяц (первый невыставленный)",
                                    "which month (the first not billed yet)"))  # fmt: skip
    add_tenant(parser)


def add_change(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say one change, as a row of changes.csv would."""
    parser.add_argument("subscription", nargs="?", metavar="SUBSCRIPTION",
                        help=either("код подписки", "the subscription's code"))  # fmt: skip
    parser.add_argument("change", nargs="?", metavar="CHANGE", help=KINDS)
    parser.add_argument("--at", metavar="DATE",
                        help=either("с какого дня или времени", "from which day or time on")
                        )  # fmt: skip
    parser.add_argument("--value", metavar="V",
                        help=either("значение, как в changes.csv", "the value, as in changes.csv")
                        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    given = [one for one in (args.subscription, args.change, args.at) if one is not None]
    if len(given) not in (0, 3):
        print(f"kvit preview: {say(WORDS, 'incomplete', language())}", file=sys.stderr)
        return 2
    with in_company(args.tenant, origin="kvit preview") as (_, now):
        from kvit.invoicing import services
        from kvit.web.cli.bill_report import SHOWN_INVOICES

        window = args.period or services.open_window(now)
        if given:
            return _change(args, window, now)
        preview = services.preview_bill(window)
        if args.json:
            said = {"period": f"{window.start:%Y-%m}", "invoices": told(preview.documents)}
            print(json.dumps(said, ensure_ascii=False))
            return 0
        lang = language()
        print(say(WORDS, "head", lang, period=period_text(window, lang)))
        shown = preview.documents[:SHOWN_INVOICES]
        print("\n".join(listed(shown)) if shown else say(WORDS, "empty", lang))
        if len(preview.documents) > len(shown):
            print(say(WORDS, "more", lang, n=len(preview.documents) - len(shown)))
    return 0


def _change(args: argparse.Namespace, window: Period, now: datetime) -> int:
    from kvit.web.amending import amend, read_one
    from kvit.web.cli.amend import answer_told, show_faults

    given = read_one(args.subscription, args.change, args.at, args.value)
    answer = amend(given, reason="", actor=os_actor(), now=now, dry_run=True, window=window)
    if args.json:
        print(json.dumps(answer_told(answer), ensure_ascii=False))
    else:
        show_faults(answer.faults)
        if answer.preview is not None:
            print("\n".join(preview_lines(answer.preview)))
    return 1 if answer.faults else 0


def preview_lines(preview: "Preview") -> Iterator[str]:
    """Write, by customer and period, what the bill is and what it becomes."""
    from kvit.web.cli.bill_report import table

    lang = language()
    code_of = _codes(preview)
    head = [say(WORDS, key, lang)
            for key in ("customer", "period", "before", "after", "difference")]  # fmt: skip
    rows = []
    for one in preview.customers:
        for window, before, after in _pairs(preview, one):
            for currency in sorted(_currencies(before, after)):
                was, becomes = before.total_minor(currency), after.total_minor(currency)
                sums = [money_text(sum_, currency, lang) for sum_ in (was, becomes, becomes - was)]
                rows.append([code_of[one.customer_id], period_text(window, lang), *sums])
    if rows:
        yield from table([head, *rows], numbers=(2, 3, 4))
    else:
        yield say(WORDS, "unchanged", lang)


def preview_told(preview: "Preview") -> list[dict[str, Any]]:
    """Return a preview for --json: by customer and period, the documents before and after."""
    code_of = _codes(preview)
    return [
        {
            "customer": code_of[one.customer_id],
            "period": f"{window.start:%Y-%m}",
            "before": {"totals": _totals(before), "documents": told(before.documents)},
            "after": {"totals": _totals(after), "documents": told(after.documents)},
        }
        for one in preview.customers
        for window, before, after in _pairs(preview, one)
    ]


def _pairs(preview: "Preview", one: "CustomerPreview") -> Iterator[tuple[Period, "Bill", "Bill"]]:
    yield from zip(preview.windows, one.before, one.after, strict=True)


def _currencies(*bills: "Bill") -> set[str]:
    return {document.currency for bill in bills for document in bill.documents}


def _totals(bill: "Bill") -> dict[str, str]:
    return {one: minor_text(bill.total_minor(one), one) for one in sorted(_currencies(bill))}


def _codes(preview: "Preview") -> dict[Any, str]:
    from kvit.parties import queries as parties

    people = parties.customers_by_id({one.customer_id for one in preview.customers})
    return {key: one.row.code for key, one in people.items()}
