"""`kvit usage`: what waits, what is in dispute, what could not be read; undo events and decide."""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kvit.core.periods import instant_of, local_date
from kvit.core.wording import Words, date_text, say
from kvit.platform.failures import Failure
from kvit.web.called import typeable
from kvit.web.cli.bill import os_actor
from kvit.web.cli.company import SHORT, add_tenant, day, in_company
from kvit.web.cli.counts import MOST_DAYS, within
from kvit.web.cli.language import either, language

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from kvit.parties.rows import Tenant

LIMIT = 20
WORDS: Words = {
    "event_unknown": (
        "События «{id}» нет.",
        "There is no event “{id}”.",
    ),
    "event_of_several": (
        "Событие «{id}» есть в нескольких источниках; назовите один, --source: {sources}.",
        "Several sources have an event “{id}”; name one, --source: {sources}.",
    ),
    "conflict_unknown": (
        "О событии «{id}» нет открытого спора.",
        "Nothing is in dispute about the event “{id}”.",
    ),
    "conflict_of_several": (
        "Под «{id}» спорят несколько строк; назовите одну: {known}.",
        "Several rows are in dispute under “{id}”; name one: {known}.",
    ),
    "either": (
        "Назовите события или --all, что-то одно.",
        "Name events, or --all: one of the two.",
    ),
    "goes_with": (
        "Параметр {option} — только вместе с {goes_with}.",
        "{option} goes with {goes_with} alone.",
    ),
    "retracted": (
        "{n} {n:plural:событие отменено|события отменены|событий отменено}: "
        "учтёт ближайший запуск kvit bill.",
        "{n} {n:plural:event|events} undone: the next kvit bill takes it into account.",
    ),
    "keep": (
        "Споров решено: {n}. Принятые события остались.",
        "{n} in dispute decided: the accepted events stand.",
    ),
    "sealed": (
        "{n} {n:plural:событие запечатано|события запечатаны|событий запечатано}.",
        "{n} {n:plural:event|events} sealed.",
    ),
    "released": (
        "{n} {n:plural:событие ушло|события ушли|событий ушло} из базы в запечатанные файлы;"
        " в базе строками {left}.",
        "{n} {n:plural:event|events} left the database for sealed files;"
        " {left} rows are left in it.",
    ),
    "returned": (
        "{n} {n:plural:событие вернулось|события вернулись|событий вернулось} в базу;"
        " вне её {away}.",
        "{n} {n:plural:event|events} came back to the database; {away} are outside it.",
    ),
    "held_young": (
        "Дальше — принятое недавно, с {at} ({source}).",
        "Next is what came lately, from {at} on ({source}).",
    ),
    "held_later": (
        "Дальше держит событие более позднего времени: принято {at} ({source}).",
        "Next is held back by an event of a later time, which came {at} ({source}).",
    ),
    "held_disputed": (
        "Дальше держит спор о событии, принятом {at} ({source}): kvit usage conflicts.",
        "Next is held back by a dispute about an event that came {at} ({source}):"
        " kvit usage conflicts.",
    ),
    "held_waits": (
        "Дальше держит ждущее событие, принятое {at} ({source}): kvit usage waiting.",
        "Next is held back by an event that waits and came {at} ({source}): kvit usage waiting.",
    ),
    "never_billed": (
        "Ни один месяц ещё не рассчитан: события остаются в базе.",
        "No month is billed yet: events stay in the database.",
    ),
    "replace": (
        "Споров решено: {n}. Принятые события заменены спорными строками: "
        "учтёт ближайший запуск kvit bill.",
        "{n} in dispute decided: the disputed rows are the events now. The next kvit bill takes "
        "them up.",
    ),
}  # fmt: skip


class CannotChoose(Failure):
    """What is named is not there, or is not one thing."""

    words = WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, russian: str, english: str) -> argparse.ArgumentParser:
        text = either(russian, english)
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--source", default="", metavar="NAME",
                            help=either("только этот источник: имя файла без расширения",
                                        "this source only: a file's name without extension")
                            )  # fmt: skip
        add_tenant(action)
        return action

    for name, russian, english in (
        ("waiting", "принятые события, которые ждут, и почему", "accepted events that wait, why"),
        ("conflicts", "спорные события: принятое и спорное", "events in dispute, both contents"),
        ("rejected", "строки, которые не удалось прочитать", "rows that could not be read"),
    ):
        add(name, russian, english).add_argument(
            "--limit", type=int, default=LIMIT, metavar="N",
            help=either(f"сколько показать ({LIMIT})", f"how many to show ({LIMIT})"),
        )  # fmt: skip
    _add_seal(add("seal", "запечатать новые события для быстрого расчёта",
                  "seal new events, for fast rating"))  # fmt: skip
    event = add("event", "история одного события", "the history of one event")
    event.add_argument("id", metavar="ID", help=either("id события", "an event's id"))
    retract = add("retract", "отменить события", "undo events")
    retract.add_argument("ids", nargs="+", metavar="ID",
                         help=either("id событий", "ids of events"))  # fmt: skip
    keep = add("keep", "решить спор: верно принятое", "decide: the accepted event stands")
    replace = add("replace", "решить спор: верна спорная строка", "decide: the disputed row stands")
    for action in (keep, replace):
        action.add_argument("ids", nargs="*", metavar="ID",
                            help=either("событие или конец номера спора",
                                        "an event, or the end of the dispute's id"))  # fmt: skip
        action.add_argument("--all", action="store_true",
                            help=either("все открытые споры", "everything in dispute")
                            )  # fmt: skip
    for action in (retract, keep, replace):
        action.add_argument("--reason", required=True, help=either("причина", "why"))


def _add_seal(seal: argparse.ArgumentParser) -> None:
    way = seal.add_mutually_exclusive_group()
    way.add_argument("--release", action="store_true",
                     help=either("убрать из базы строки давно рассчитанных событий: они останутся в"
                                 " запечатанных файлах",
                                 "let rows of events that were billed long ago leave the database:"
                                 " they stay in sealed files"))  # fmt: skip
    way.add_argument("--bring-back", action="store_true",
                     help=either("вернуть строки в базу", "bring the rows back to the database")
                     )  # fmt: skip
    seal.add_argument("--keep-days", type=within(0, MOST_DAYS), metavar="N",
                      help=either("сколько дней после конца месяца строки остаются"
                                  " (KVIT_KEEP_EVENTS_DAYS)",
                                  "days after a month's end that rows stay (KVIT_KEEP_EVENTS_DAYS)")
                      )  # fmt: skip
    seal.add_argument("--since", type=day, metavar="DATE",
                      help=either("вернуть события с этого дня (все)",
                                  "bring back events from this day on (all)"))  # fmt: skip


def run(args: argparse.Namespace) -> int:
    if args.action == "seal":
        _check_seal(args)
    actions: dict[str, Callable[[argparse.Namespace, Tenant], tuple[dict[str, Any], str]]] = {
        "waiting": _show, "conflicts": _show, "rejected": _show, "event": _event,
    }  # fmt: skip
    with in_company(args.tenant, origin=f"kvit usage {args.action}") as (tenant, now):
        if args.action in actions:
            document, text = actions[args.action](args, tenant)
        elif args.action == "seal":
            document, text = _seal(args, tenant, now)
        elif args.action == "retract":
            document, text = _retract(args, now)
        else:
            document, text = _decide(args, now)
    print(json.dumps(document, ensure_ascii=False) if args.json else typeable(text))
    return 0


def _show(args: argparse.Namespace, tenant: "Tenant") -> tuple[dict[str, Any], str]:
    from kvit.web.cli import usage_report

    limit = max(0, args.limit)
    report = getattr(usage_report, args.action)(args.source, limit, tenant.row.zone, language())
    return report.document, "\n".join(report.lines)


def _event(args: argparse.Namespace, tenant: "Tenant") -> tuple[dict[str, Any], str]:
    from kvit.web.cli import usage_report

    source = _source(args.id, args.source)
    report = usage_report.event(source, args.id, tenant.row.zone, language())
    return report.document, "\n".join(report.lines)


def _check_seal(args: argparse.Namespace) -> None:
    """Raises `CannotChoose`: an option would be of no effect."""
    for option, goes_with, is_alone in (
        ("--keep-days", "--release", args.keep_days is not None and not args.release),
        ("--since", "--bring-back", args.since is not None and not args.bring_back),
    ):
        if is_alone:
            raise CannotChoose("goes_with", option=option, goes_with=goes_with)


def _seal(
    args: argparse.Namespace, tenant: "Tenant", now: "datetime"
) -> tuple[dict[str, Any], str]:
    from kvit.metering import queries
    from kvit.metering import services as metering
    from kvit.metering.rows import EARLIEST

    if args.release:
        return _release(args, tenant, now)
    if args.bring_back:
        since = EARLIEST if args.since is None else instant_of(args.since, tenant.row.zone)
        back = metering.bring_back(since=since, actor=os_actor(), now=now)
        away = queries.stored().released
        return {"returned": back, "released": away}, say(
            WORDS, "returned", language(), n=back, away=away
        )
    sealed = metering.seal(now=now)
    return {"sealed": sealed}, say(WORDS, "sealed", language(), n=sealed)


def _release(
    args: argparse.Namespace, tenant: "Tenant", now: "datetime"
) -> tuple[dict[str, Any], str]:
    from kvit.metering import queries
    from kvit.metering import services as metering
    from kvit.platform import settings
    from kvit.web import sealing

    days = settings.load().keep_events_days if args.keep_days is None else args.keep_days
    settled = sealing.settled(days, now=now)
    gone = metering.release(settled, actor=os_actor(), now=now) if settled else 0
    held = queries.held_back(settled) if settled else None
    left = queries.stored().rows
    texts = [say(WORDS, "released" if settled else "never_billed", language(), n=gone, left=left)]
    if held:
        at = date_text(local_date(held.received_at, tenant.row.zone), language())
        texts.append(say(WORDS, f"held_{held.reason}", language(), source=held.source, at=at))
    reason = held.reason if held else ""
    return {"released": gone, "rows": left, "held_back_by": reason}, "\n".join(texts)


def _retract(args: argparse.Namespace, now: "datetime") -> tuple[dict[str, Any], str]:
    from kvit.metering import services

    found = [(_source(one, args.source), one) for one in dict.fromkeys(args.ids)]
    version = services.retract(found, reason=args.reason, actor=os_actor(), now=now)
    text = say(WORDS, "retracted", language(), n=len(found))
    return {"events": len(found), "version": version}, text


def _decide(args: argparse.Namespace, now: "datetime") -> tuple[dict[str, Any], str]:
    from django.db import transaction

    from kvit.metering import queries, services

    version = queries.latest_version()
    with transaction.atomic():  # all that is named, or nothing
        chosen = _conflicts(args)
        for one in chosen:
            version = services.resolve_conflict(
                one, outcome=args.action, reason=args.reason, actor=os_actor(), now=now
            )
    text = say(WORDS, args.action, language(), n=len(chosen))
    return {"conflicts": len(chosen), "version": version}, text


def _source(event_id: str, named: str) -> str:
    """Return the one source that has the event.

    Raises:
        CannotChoose: none has it, or several.
    """
    from kvit.metering import queries

    sources = [one for one in queries.sources_of(event_id) if named in ("", one)]
    if not sources:
        raise CannotChoose("event_unknown", id=event_id)
    if len(sources) > 1:
        raise CannotChoose("event_of_several", id=event_id, sources=", ".join(sources))
    return sources[0]


def _conflicts(args: argparse.Namespace) -> "list[UUID]":
    """Return the open conflicts that are meant.

    Raises:
        CannotChoose: an id names none; or several rows claim to replace one event.
    """
    from kvit.metering import queries

    if bool(args.ids) == args.all:
        raise CannotChoose("either")
    found = [one for one in queries.conflicts() if args.source in ("", one["source"])]
    chosen: dict[UUID, None] = {}
    for name in dict.fromkeys(args.ids or [one["event_id"] for one in found]):
        mine = [one for one in found if one["event_id"] == name] or _by_end(found, name)
        if not mine:
            raise CannotChoose("conflict_unknown", id=name)
        if len({one["source"] for one in mine}) > 1 and not args.all:
            _refuse(mine, name)
        if args.action == "replace" and _has_rivals(mine):
            _refuse(mine, name)
        chosen |= dict.fromkeys(one["id"] for one in mine)
    return list(chosen)


def _by_end(found: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    end = name.lstrip("….").lower()
    return [one for one in found if len(end) >= SHORT and str(one["id"]).endswith(end)]


def _has_rivals(found: Sequence[dict[str, Any]]) -> bool:
    """Whether two rows want to be one event."""
    return len({(one["source"], one["event_id"]) for one in found}) < len(found)


def _refuse(found: Iterable[dict[str, Any]], name: str) -> None:
    known = ", ".join(f"…{str(one['id'])[-SHORT:]} ({one['source']})" for one in found)
    raise CannotChoose("conflict_of_several", id=name, known=known)
