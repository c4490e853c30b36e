"""`kvit amend`: change subscriptions, one at the terminal or many from a file.

A dry run prices the change: this and the next bill of everybody it touches, before and after. A
subscription alone lists its changes with their numbers; `withdraw --value NUMBER` takes one back.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvit.core.periods import zone_of
from kvit.core.wording import Words, say
from kvit.web.cli.bill import os_actor
from kvit.web.cli.company import add_tenant, in_company
from kvit.web.cli.language import either, language
from kvit.web.cli.preview import add_change, preview_lines, preview_told

if TYPE_CHECKING:
    from kvit.integrations.port import Fault
    from kvit.web.amending import Amended

WORDS: Words = {
    "recorded": (
        "{n} {n:plural:изменение записано|изменения записано|изменений записано}.",
        "{n} {n:plural:change|changes} recorded.",
    ),
    "refused": (
        "Ничего не записано: {n} {n:plural:ошибка|ошибки|ошибок}.",
        "Nothing was recorded: {n} {n:plural:fault|faults}.",
    ),
    "dry": ("Пробный запуск: ничего не записано.", "Dry run: nothing was recorded."),
    "one_or_file": (
        "нужны ПОДПИСКА, ИЗМЕНЕНИЕ и --at, либо --file",
        "give SUBSCRIPTION, CHANGE and --at, or --file",
    ),
    "number": (
        "withdraw отменяет одно изменение: --value НОМЕР из kvit amend ПОДПИСКА",
        "withdraw takes one change back: --value NUMBER as kvit amend SUBSCRIPTION lists it",
    ),
    "reason": ("изменение без причины не записывают: --reason", "no change without --reason"),
    "none": ("У подписки {code} нет изменений.", "Subscription {code} has no changes."),
    "unknown": ("Подписки {code} нет.", "There is no subscription {code}."),
    "withdrawn": ("отменено № {by}", "withdrawn by no. {by}"),
    "no_file": ("Файла {path} нет.", "There is no file {path}."),
    "more": ("… и ещё {n}: --json покажет все", "… and {n} more: --json shows all"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_change(parser)
    parser.add_argument("--file", type=Path, metavar="CSV",
                        help=either("файл вида changes.csv", "a file like changes.csv")
                        )  # fmt: skip
    parser.add_argument("--reason", default="", help=either("причина", "why"))
    parser.add_argument("--dry-run", action="store_true",
                        help=either("показать, как изменятся счета, и ничего не записать",
                                    "show what the bills become, and record nothing")
                        )  # fmt: skip
    add_tenant(parser)


def run(args: argparse.Namespace) -> int:
    given = [one for one in (args.subscription, args.change, args.at) if one is not None]
    if args.subscription and not args.file and len(given) == 1:
        return _list(args)
    is_withdrawal = args.change == "withdraw" and not args.file
    if is_withdrawal and not (args.value or "").isdecimal():
        return _misused("number")
    if not is_withdrawal and len(given) != (0 if args.file else 3):
        return _misused("one_or_file")
    if args.file and not args.file.is_file():
        return _misused("no_file", path=args.file)
    if not args.reason.strip():
        return _misused("reason")
    with in_company(args.tenant, origin="kvit amend") as (_, now):
        from kvit.web.amending import amend, read_file, read_one
        from kvit.web.previewed import withdrawal

        if args.file:
            rows = read_file(args.file)
        elif is_withdrawal:
            number = int(args.value)
            rows = withdrawal(args.subscription, number, reason=args.reason, now=now)
        else:
            rows = read_one(args.subscription, args.change, args.at, args.value)
        answer = amend(rows, reason=args.reason, actor=os_actor(), now=now, dry_run=args.dry_run)
        if args.json:
            print(json.dumps(answer_told(answer), ensure_ascii=False))
        else:
            _show(answer, dry_run=args.dry_run)
    return 1 if answer.faults else 0


def _list(args: argparse.Namespace) -> int:
    """Show what was changed of a subscription, each with its number."""
    lang = language()
    with in_company(args.tenant, origin="kvit amend"):
        from kvit.subscriptions import queries

        info = queries.by_codes([args.subscription]).get(args.subscription)
        if info is None:
            print(say(WORDS, "unknown", lang, code=args.subscription), file=sys.stderr)
            return 1
        told = queries.amendments_of_codes([args.subscription]).get(args.subscription, [])
    gone = {str(one.value): one.number for one in told if one.change == "withdraw"}
    zone = zone_of(info.zone)
    if args.json:
        rows = [
            {
                "number": one.number, "at": one.at.astimezone(zone).isoformat(),
                "change": one.change, "value": one.value, "reason": one.reason,
                "author": one.author, "withdrawn_by": gone.get(str(one.number)),
            }
            for one in told
        ]  # fmt: skip
        print(json.dumps({"amendments": rows}, ensure_ascii=False))
        return 0
    for one in told:
        value = "" if one.value is None else json.dumps(one.value, ensure_ascii=False)
        parts = [f"{one.number:>4}", f"{one.at.astimezone(zone):%Y-%m-%d %H:%M}", one.change, value]
        if by := gone.get(str(one.number)):
            parts.append(f"({say(WORDS, 'withdrawn', lang, by=by)})")
        print("  ".join(filter(None, [*parts, one.reason, one.author])))
    if not told:
        print(say(WORDS, "none", lang, code=args.subscription))
    return 0


def answer_told(answer: "Amended") -> dict[str, Any]:
    """Return what became of the rows for --json: a verdict each, and the preview of a dry run."""
    from kvit.web.bill_json import fault_document

    lang = language()
    refused = {one.place.row for one in answer.faults}
    rows = [
        {
            "row": row.place.row,
            "subscription": row.subscription,
            "change": row.change,
            "at": row.at.isoformat(),
            "fits": row.place.row not in refused,
        }
        for row in answer.rows
    ]
    return {
        "recorded": len(answer.numbers),
        "rows": rows,
        "faults": [fault_document(one, lang) for one in answer.faults],
        "preview": None if answer.preview is None else preview_told(answer.preview),
    }


def show_faults(faults: Sequence["Fault"]) -> None:
    """Write what is wrong, on stderr."""
    from kvit.web.cli.bill_report import SHOWN_FAULTS, fault_lines

    lang = language()
    for one in faults[:SHOWN_FAULTS]:
        print("\n".join(fault_lines(one, lang)), file=sys.stderr)
    if len(faults) > SHOWN_FAULTS:
        print(say(WORDS, "more", lang, n=len(faults) - SHOWN_FAULTS), file=sys.stderr)


def _show(answer: "Amended", *, dry_run: bool) -> None:
    lang = language()
    show_faults(answer.faults)
    if answer.preview is not None:
        print("\n".join(preview_lines(answer.preview)))
    if dry_run:
        print(say(WORDS, "dry", lang))
    elif answer.faults:
        print(say(WORDS, "refused", lang, n=len(answer.faults)))
    else:
        print(say(WORDS, "recorded", lang, n=len(answer.numbers)))


def _misused(key: str, **params: Any) -> int:
    print(f"kvit amend: {say(WORDS, key, language(), **params)}", file=sys.stderr)
    return 2
