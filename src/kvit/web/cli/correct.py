"""`kvit correct NUMBER`: a credit note, a debit note or a void of an issued invoice."""

import argparse
import json
from typing import TYPE_CHECKING

from kvit.core.wording import Words, say
from kvit.web.called import typeable
from kvit.web.cli.bill import os_actor
from kvit.web.cli.company import (
    SHORT,
    NotFound,
    add_tenant,
    day,
    in_company,
    issued_document,
    listed,
    minor,
    told,
)
from kvit.web.cli.language import either, language

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kvit.invoicing.rows import InvoiceInfo
    from kvit.web.paper import Papers

WORDS: Words = {
    "waits": (
        "Исправление ждёт утверждения: kvit approve …{end}",
        "The correction waits for approval: kvit approve …{end}",
    ),
    "paper": ("PDF: {path}", "PDF: {path}"),
    "again": (
        "Услуги будут начислены заново следующим запуском kvit bill.",
        "The next kvit bill charges the services again.",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("invoice", metavar="NUMBER",
                        help=either("номер счёта или его id", "the invoice's number or id")
                        )  # fmt: skip
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--credit", nargs="+", metavar="LINE[=SUM]",
                      help=either("вернуть сумму по строке (без суммы — всю строку)",
                                  "give back a sum of a line (all of it without a sum)")
                      )  # fmt: skip
    what.add_argument("--debit", nargs="+", metavar="LINE=SUM",
                      help=either("доначислить сумму по строке", "ask for more on a line")
                      )  # fmt: skip
    what.add_argument("--void", action="store_true",
                      help=either("аннулировать счёт целиком", "take the whole invoice back")
                      )  # fmt: skip
    parser.add_argument("--again", action="store_true",
                        help=either("с --void: начислить услуги заново следующим запуском",
                                    "with --void: the next run charges the services again")
                        )  # fmt: skip
    parser.add_argument("--reason", required=True, help=either("причина", "why"))
    parser.add_argument("--date", type=day, metavar="YYYY-MM-DD",
                        help=either("дата документа (сегодня)", "the document's date (today)")
                        )  # fmt: skip
    add_tenant(parser)


def run(args: argparse.Namespace) -> int:
    with in_company(args.tenant, origin="kvit correct") as (_, now):
        from kvit.invoicing import queries

        original = issued_document(args.invoice)
        key = _correct(args, original, now)
        [info] = queries.by_ids([key])
        papers = _printed(info, now) if info.status == "issued" else None
        if args.json:
            path = papers and papers.pdfs.get(key)
            said = {"document": told([info])[0], "pdf": str(path) if path else None}
            print(json.dumps(said, ensure_ascii=False))
        else:
            _show(info, papers, args.again)
    return 0


def _correct(args: argparse.Namespace, original: "InvoiceInfo", now: "datetime") -> "UUID":
    from kvit.invoicing import services

    if args.void:
        return services.void(
            original.id, reason=args.reason, author=os_actor(), now=now, issue_on=args.date,
            again=args.again,
        )  # fmt: skip
    if args.credit:
        return services.credit(
            original.id, dict(_line(one, original) for one in args.credit),
            reason=args.reason, author=os_actor(), now=now, issue_on=args.date,
        )  # fmt: skip
    lines = {}
    for one in args.debit:
        position, amount = _line(one, original)
        if amount is None:
            raise NotFound("sum_unreadable", text=one, currency=original.currency)
        lines[position] = amount
    return services.debit(
        original.id, lines,
        reason=args.reason, author=os_actor(), now=now, issue_on=args.date,
    )  # fmt: skip


def _line(text: str, original: "InvoiceInfo") -> tuple[int, int | None]:
    """Read "2=1500.00", or "2" for the whole line."""
    position, _, amount = text.partition("=")
    if not position.isdecimal():
        raise NotFound("sum_unreadable", text=text, currency=original.currency)
    return int(position), minor(amount, original.currency) if amount else None


def _printed(info: "InvoiceInfo", now: "datetime") -> "Papers":
    from kvit.web.paper import print_documents

    return print_documents(
        [info], f"{info.billed_in:%Y-%m}", actor=os_actor(), now=now, progress=lambda *_: None
    )


def _show(info: "InvoiceInfo", papers: "Papers | None", again: bool) -> None:
    lang = language()
    print("\n".join(listed([info])))
    if papers is None:
        print(typeable(say(WORDS, "waits", lang, end=str(info.id)[-SHORT:])))
    else:
        print(say(WORDS, "paper", lang, path=papers.pdfs[info.id]))
    if again:
        print(typeable(say(WORDS, "again", lang)))
