"""`kvit verify`: recomputes every invariant from the database, over all companies."""

import argparse
import json
import secrets
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kvit.core.wording import Words, say
from kvit.web.called import typeable
from kvit.web.cli.ground import ready
from kvit.web.cli.language import either, language
from kvit.web.cli.progress import bar

if TYPE_CHECKING:
    from kvit.web.invariants import Broken, TenantReport

HOLDS, BROKEN, NOT_FOUND = 0, 1, 2
SAMPLE = 100
WORDS: Words = {
    "no_tenant": ("Компании «{code}» нет.", "There is no company “{code}”."),
    "tenants": ("Есть: {codes}.", "There are: {codes}."),
    "nothing": (
        "В базе ещё нет ни одной компании. Попробуйте kvit demo.",
        "There is no company in the database yet. Try kvit demo.",
    ),
    "tenant": (
        "{code}: {invoices} {invoices:plural:документ|документа|документов}, {lines} "
        "{lines:plural:строка|строки|строк}, {charges} "
        "{charges:plural:начисление|начисления|начислений}, {postings} "
        "{postings:plural:проводка|проводки|проводок}, {documents} PDF",
        "{code}: {invoices} {invoices:plural:document|documents}, {lines} "
        "{lines:plural:line|lines}, {charges} {charges:plural:charge|charges}, {postings} "
        "{postings:plural:posting|postings}, {documents} PDF",
    ),
    "usage": (
        "  события: принято {accepted} = учтено {billed} + ждут {waiting} + ещё не рассчитаны "
        "{open} + отменены {retracted}; кроме них не прочитаны {rejected}, спорные {conflicting}, "
        "приняты пачками и ещё не разобраны {unread}",
        "  usage: accepted {accepted} = billed {billed} + waiting {waiting} + open {open} + "
        "retracted {retracted}; beside them unreadable {rejected}, in dispute {conflicting}, "
        "taken in bulk and not looked into yet {unread}",
    ),
    "undone": (
        "  после последнего запуска отменены {undone}: что из них было учтено, стоит"
        " среди учтённых, пока следующий запуск не вычтет",
        "  of the retracted, {undone} since the last run: those of them that were billed count as"
        " billed until the next run takes them back",
    ),
    "sample": (
        "  пересчитано заново: {sampled} {sampled:plural:начисление|начисления|начислений}, "
        "из них {asked} независимым медленным расчётом",
        "  computed again: {sampled} {sampled:plural:charge|charges}, {asked} of them by the "
        "independent slow computation too",
    ),
    "broken": (
        "  НЕ СОШЛОСЬ {code}: {text}\n      {row}: {detail}",
        "  BROKEN {code}: {text}\n      {row}: {detail}",
    ),
    "noted": (
        "  обратите внимание, {code}: {text}\n      {row}: {detail}",
        "  note {code}: {text}\n      {row}: {detail}",
    ),
    "more": ("      и ещё {n}", "      and {n} more"),
    "database": ("база данных:", "the database:"),
    "holds": ("Всё сходится.", "Everything holds."),
    "fails": (
        "Не сошлось: {n} {n:plural:правило|правила|правил}. Та же выборка: --seed {seed}",
        "{n} {n:plural:invariant is|invariants are} broken. The same sample: --seed {seed}",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", default="", metavar="CODE",
                        help=either("только эта компания", "this company only"))  # fmt: skip
    parser.add_argument("--sample", type=int, default=SAMPLE, metavar="N",
                        help=either(f"сколько начислений пересчитать ({SAMPLE})",
                                    f"how many charges to compute again ({SAMPLE})"))  # fmt: skip
    parser.add_argument("--seed", default="", metavar="TEXT",
                        help=either("какие именно: то же слово выбирает те же",
                                    "which of them: the same word chooses the same")
                        )  # fmt: skip
    parser.add_argument("--json", action="store_true", help=either("объект JSON", "a JSON object"))


def run(args: argparse.Namespace) -> int:
    ready()
    from kvit.parties import queries as parties
    from kvit.web import invariants

    lang = language()
    tenants = parties.tenants()
    chosen = [one for one in tenants if args.tenant in ("", one.row.code)]
    if args.tenant and not chosen:
        print(say(WORDS, "no_tenant", lang, code=args.tenant), file=sys.stderr)
        codes = ", ".join(one.row.code for one in tenants)
        print(say(WORDS, "tenants", lang, codes=codes or "—"), file=sys.stderr)
        return NOT_FOUND
    seed = args.seed or secrets.token_hex(4)
    database = invariants.verify_database()
    reports = []
    with bar() as progress:
        for one in chosen:
            reports.append(
                invariants.verify_tenant(
                    one,
                    sample=max(0, args.sample),
                    seed=seed,
                    progress=lambda done, whole: progress("verifying", done, whole),
                )
            )
    broken = [*database, *(one for report in reports for one in report.broken)]
    if args.json:
        print(json.dumps(_document(database, reports, seed, lang), ensure_ascii=False))
    else:
        print(typeable("\n".join(_text(database, reports, seed, lang))))
    return BROKEN if broken else HOLDS


def _document(
    database: "list[Broken]", reports: "list[TenantReport]", seed: str, lang: str
) -> dict[str, Any]:
    def said(one: "Broken") -> dict[str, Any]:
        return {**asdict(one), "message": one.text(lang)}

    return {
        "seed": seed,
        "holds": not database and not any(one.broken for one in reports),
        "database": [said(one) for one in database],
        "tenants": [
            {
                **asdict(one),
                "broken": [said(broken) for broken in one.broken],
                "noted": [said(noted) for noted in one.noted],
            }
            for one in reports
        ],
    }


def _text(
    database: "list[Broken]", reports: "list[TenantReport]", seed: str, lang: str
) -> Iterator[str]:
    if database:
        yield say(WORDS, "database", lang)
        for one in database:
            yield from _told("broken", one, lang)
    if not reports:
        yield say(WORDS, "nothing", lang)
    for report in reports:
        yield say(WORDS, "tenant", lang, code=report.tenant, **report.counts)
        if report.usage:
            yield say(WORDS, "usage", lang, **report.usage)
            if report.usage["undone"]:
                yield say(WORDS, "undone", lang, undone=report.usage["undone"])
        yield say(WORDS, "sample", lang, sampled=report.sampled, asked=report.asked_oracle)
        for one in report.broken:
            yield from _told("broken", one, lang)
        for one in report.noted:
            yield from _told("noted", one, lang)
    count = len(database) + sum(len(one.broken) for one in reports)
    yield say(WORDS, "fails", lang, n=count, seed=seed) if count else say(WORDS, "holds", lang)


def _told(how: str, one: "Broken", lang: str) -> Iterator[str]:
    yield say(WORDS, how, lang, code=one.code, text=one.text(lang), row=one.row, detail=one.detail)
    if one.rows > 1:
        yield say(WORDS, "more", lang, n=one.rows - 1)
