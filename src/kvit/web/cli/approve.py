"""`kvit approve`: the drafts that wait for a person, listed, issued or refused."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from kvit.core.wording import Words, say
from kvit.web.called import typeable
from kvit.web.cli.bill import os_actor
from kvit.web.cli.company import add_tenant, day, in_company, listed, told, waiting_drafts
from kvit.web.cli.language import either, language

if TYPE_CHECKING:
    from kvit.invoicing.rows import InvoiceInfo

WORDS: Words = {
    "none": ("Ничего не ждёт утверждения.", "Nothing waits for approval."),
    "issued": (
        "{n} {n:plural:документ выставлен|документа выставлено|документов выставлено}.",
        "{n} {n:plural:document|documents} issued.",
    ),
    "refused": (
        "{n} {n:plural:черновик отклонён|черновика отклонено|черновиков отклонено}; начисления"
        " войдут в следующий запуск kvit bill.",
        "{n} {n:plural:draft|drafts} refused; the next kvit bill takes their charges up.",
    ),
    "how": (
        "Выставить: kvit approve ID… или --all. Отклонить: kvit approve ID… --refuse --reason …",
        "Issue: kvit approve ID… or --all. Refuse: kvit approve ID… --refuse --reason …",
    ),
    "reason": ("--refuse требует --reason", "--refuse needs --reason"),
    "either": ("назовите ID или --all, не то и другое", "name IDs or --all, not both"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID",
                        help=either("конец номера черновика из списка",
                                    "the end of a draft's id, as the list shows it"))  # fmt: skip
    parser.add_argument("--all", action="store_true", help=either("все черновики", "every draft"))
    parser.add_argument("--list", action="store_true",
                        help=either("только показать", "only show them"))  # fmt: skip
    parser.add_argument("--refuse", action="store_true",
                        help=either("отклонить, а не выставить", "refuse instead of issuing")
                        )  # fmt: skip
    parser.add_argument("--reason", default="", help=either("почему отклонено", "why refused"))
    parser.add_argument("--date", type=day, metavar="YYYY-MM-DD",
                        help=either("дата документов (сегодня)", "the documents' date (today)")
                        )  # fmt: skip
    add_tenant(parser)


def run(args: argparse.Namespace) -> int:
    lang = language()
    if args.refuse and not args.reason.strip():
        return _misused("reason")
    if args.ids and args.all:
        return _misused("either")
    with in_company(args.tenant, origin="kvit approve") as (_, now):
        from kvit.invoicing import queries, services

        drafts = queries.drafts() if args.all or not args.ids else waiting_drafts(args.ids)
        if args.list or not (args.ids or args.all):
            return _show(drafts, args.json)
        ids = [one.id for one in drafts]
        actor = os_actor()
        if args.refuse:
            services.refuse(ids, reason=args.reason, actor=actor, now=now)
            done, key = drafts, "refused"
        else:
            services.approve(ids, approver=actor, now=now, issue_on=args.date)
            done, key = queries.by_ids(ids), "issued"
        if args.json:
            print(json.dumps({key: told(done)}, ensure_ascii=False))
        else:
            print("\n".join(listed(done)))
            print(typeable(say(WORDS, key, lang, n=len(done))))
    return 0


def _show(drafts: list["InvoiceInfo"], as_json: bool) -> int:
    lang = language()
    if as_json:
        print(json.dumps({"drafts": told(drafts)}, ensure_ascii=False))
    elif not drafts:
        print(say(WORDS, "none", lang))
    else:
        print("\n".join(listed(drafts)))
        print(typeable(say(WORDS, "how", lang)))
    return 0


def _misused(key: str) -> int:
    print(f"kvit approve: {say(WORDS, key, language())}", file=sys.stderr)
    return 2
