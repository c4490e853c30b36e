"""`kvit bill DIR --period 2026-10`: a company's month, billed from its own files."""

import argparse
import getpass
import json
import os
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvit.core.periods import BadPeriod, Period, parse_billing_period
from kvit.core.wording import Words, period_text, say
from kvit.integrations.port import NoCompanyFolder
from kvit.web.called import typeable
from kvit.web.cli.counts import YEARS
from kvit.web.cli.ground import ready
from kvit.web.cli.language import either, language
from kvit.web.cli.progress import bar

if TYPE_CHECKING:
    from kvit.web.billing import BillAnswer, BillOptions

NOTHING_BILLED = 2
WORDS: Words = {
    "bad_period": (
        "период «{text}» не понят: год и месяц, например 2026-10",
        "the period “{text}” is not understood: year and month, such as 2026-10",
    ),
    "bad_now": (
        "время «{text}» не понято: например 2026-11-01 или 2026-11-01T09:00:00+03:00",
        "the time “{text}” is not understood: such as 2026-11-01 or 2026-11-01T09:00:00+03:00",
    ),
    "to_come": (
        "Внимание: {month} ещё не закончился, а счета за него выставлены. Если это не тот месяц,"
        " аннулируйте их: kvit correct НОМЕР --void --reason ПРИЧИНА.",
        "Attention: {month} is not over, and its invoices are issued. If it is the wrong month,"
        " void them: kvit correct NUMBER --void --reason REASON.",
    ),
}
_MONTH = re.compile(r"\d{4}-\d{2}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR",
                        help=either("папка компании", "the company's folder"))  # fmt: skip
    parser.add_argument("--period", type=billing_month, required=True, metavar="YYYY-MM",
                        help=either("за какой месяц", "which month"))  # fmt: skip
    parser.add_argument("--dry-run", action="store_true",
                        help=either("показать, что было бы, и ничего не оставить",
                                    "show what would be, and leave nothing behind"))  # fmt: skip
    parser.add_argument("--strict", action="store_true",
                        help=either("не выставлять ничего, пока есть хоть одна ошибка",
                                    "bill nothing while any fault stands"))  # fmt: skip
    parser.add_argument("--take", choices=["folder"],
                        help=either("folder: изменённое не из папки сделать как в папке",
                                    "folder: what was changed elsewhere becomes the folder's")
                        )  # fmt: skip
    parser.add_argument("--now", type=moment, metavar="ISO",
                        help=either("считать, что сейчас это время (конец периода)",
                                    "take this for the present (the period's end)"))  # fmt: skip
    parser.add_argument("--no-pdf", action="store_true",
                        help=either("не печатать PDF: их напечатает запуск без этого ключа",
                                    "print no PDF: a run without this option prints them")
                        )  # fmt: skip
    parser.add_argument("--tenant", default="", metavar="CODE",
                        help=either("код компании: отказать, если в папке другая",
                                    "the company's code: refuse a folder of another one")
                        )  # fmt: skip
    parser.add_argument("--json", action="store_true", help=either("объект JSON", "a JSON object"))


def run(args: argparse.Namespace) -> int:
    if not (args.directory / "company.toml").is_file():
        # Not worth a database: what is missing is said before one is started.
        return _no_folder(args)
    ready()
    from kvit.web.billing import BillOptions

    options = BillOptions(
        directory=args.directory,
        window=args.period,
        actor=os_actor(),
        lang=language(),
        dry_run=args.dry_run,
        strict=args.strict,
        take_folder=args.take == "folder",
        now=args.now,
        tenant=args.tenant,
        papers=not args.no_pdf,
    )
    answer = bill(options, origin="kvit bill")
    if args.json:
        print_json(answer, args.period)
    else:
        from kvit.web.cli.bill_report import report

        print(report(answer, options))
        _warn_of_what_is_to_come(answer, args)
    return answer.status


def _warn_of_what_is_to_come(answer: "BillAnswer", args: argparse.Namespace) -> None:
    """Say that documents of a month that is not over were issued: most often a year mistyped."""
    company, new = answer.folder.company, answer.new & {one.id for one in answer.issued}
    if args.dry_run or args.now or company is None or not new:
        return
    if args.period.end_instant(company.zone) > datetime.now(UTC):
        month = period_text(args.period, language())
        print(typeable(say(WORDS, "to_come", language(), month=month)), file=sys.stderr)


def bill(options: "BillOptions", *, origin: str) -> "BillAnswer":
    """Bill a folder, with a bar where there is a terminal."""
    from kvit.platform.audit import acting_from
    from kvit.web.billing import bill_folder

    with acting_from(origin), bar() as progress:
        return bill_folder(options, progress=progress)


def print_json(answer: "BillAnswer", window: Period, **more: Any) -> None:
    """Print the contract's answer, with more fields if given."""
    from kvit.web.bill_json import document

    said = document(answer, f"{window.start:%Y-%m}", language()) | more
    print(json.dumps(said, ensure_ascii=False))


def os_actor() -> str:
    """Return who works at this terminal, for the history."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return f"cli:{os.getuid()}"


def billing_month(text: str) -> Period:
    """Read YYYY-MM; for argparse."""
    try:
        if _MONTH.fullmatch(text):
            return parse_billing_period(text)
    except BadPeriod:
        pass
    raise argparse.ArgumentTypeError(say(WORDS, "bad_period", language(), text=text))


def moment(text: str) -> datetime:
    """Read an ISO time; for argparse. Without a zone it is the company's."""
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
        if found.year in YEARS:
            return found
    raise argparse.ArgumentTypeError(say(WORDS, "bad_now", language(), text=text))


def _no_folder(args: argparse.Namespace) -> int:
    reason = "no_company" if args.directory.is_dir() else "no_folder"
    error, lang = NoCompanyFolder(str(args.directory), reason=reason), language()
    if args.json:
        remedy = typeable(error.remedy(lang))
        fault = {"code": reason, "file": "company.toml", "row": None, "field": "",
                 "message": error.message(lang), "remedy": remedy}  # fmt: skip
        period = f"{args.period.start:%Y-%m}"
        said = {"period": period, "invoices": [], "faults": [fault], "waiting": 0, "unchanged": 0}
        print(json.dumps(said, ensure_ascii=False))
    else:
        print(typeable(f"{error.message(lang)}\n{error.remedy(lang)}"), file=sys.stderr)
    return NOTHING_BILLED
