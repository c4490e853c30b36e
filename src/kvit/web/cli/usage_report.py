"""What `kvit usage` shows: groups that wait, two contents of one event, unreadable rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from kvit.core.wording import Words, say
from kvit.integrations.port import REMEDIES, Fault, Place
from kvit.metering import queries as metering
from kvit.metering.queries import EventView
from kvit.rating import queries as rating
from kvit.rating.rows import Waiting
from kvit.web.bill_json import decimal_text, fault_document
from kvit.web.cli.bill_report import fault_lines
from kvit.web.cli.company import SHORT

WHOLE_GROUP = frozenset(
    {"unknown_meter", "unknown_subscription", "unknown_customer", "usage_ambiguous",
     "usage_outside"}
)  # fmt: skip
WORDS: Words = {
    "no_waiting": ("Ни одно событие не ждёт.", "No event waits."),
    "no_conflicts": ("Спорных событий нет.", "Nothing is in dispute."),
    "no_rejected": ("Все строки прочитаны.", "Every row could be read."),
    "unknown_meter": ("счётчика «{meter}» нет", "there is no meter “{meter}”"),
    "unknown_subscription": ("подписки «{subject}» нет", "there is no subscription “{subject}”"),
    "unknown_customer": ("клиента «{subject}» нет", "there is no customer “{subject}”"),
    "usage_ambiguous": (
        "счётчик не ровно в одной подписке клиента",
        "not exactly one subscription of the customer has the meter",
    ),
    "usage_outside": (
        "подписка в это время не действует",
        "the subscription does not serve at that time",
    ),
    "unpriced_usage": ("в тарифе у счётчика нет цены", "no price of the plan asks for the meter"),
    "not_priced": ("цена ждёт исправления ошибки", "its price waits for a fault to be mended"),
    "mend_price": (
        "Исправьте цену, на которую указал kvit bill, и запустите его снова.",
        "Mend the price that kvit bill named, and run it again.",
    ),
    "group": (
        "{n} {n:plural:событие|события|событий}, {whose}, счётчик {meter}: {why}",
        "{n} {n:plural:event|events}, {whose}, meter {meter}: {why}",
    ),
    "subscription": ("подписка {code}", "subscription {code}"),
    "customer": ("клиент {code}", "customer {code}"),
    "more": ("… и ещё {n}: --limit", "… and {n} more: --limit"),
    "more_waiting": (
        "Всего ждёт {n} {n:plural:событие|события|событий}; показать больше: --limit",
        "{n} {n:plural:event waits|events wait} in all; to see more: --limit",
    ),
    "undo": (
        "Отменить ненужные: kvit usage retract ID… --reason …",
        "Undo what is not wanted: kvit usage retract ID… --reason …",
    ),
    "dispute": (
        "{id}, источник {source}, спор …{end}",
        "{id}, source {source}, dispute …{end}",
    ),
    "accepted": ("    принято: ", "    accepted:"),
    "disputed": ("    спорно:  ", "    disputed:"),
    "row": ("{file}, строка {row}", "{file}, row {row}"),
    "decide": (
        "Верно принятое: kvit usage keep ID… --reason …\n"
        "Верна спорная строка: kvit usage replace ID… --reason …",
        "The accepted one is right: kvit usage keep ID… --reason …\n"
        "The disputed row is right: kvit usage replace ID… --reason …",
    ),
    "event": ("{id}, источник {source}", "{id}, source {source}"),
    "stands": ("действует", "stands"),
    "undone": ("отменено: {reason}", "undone: {reason}"),
    "waits": ("ждёт: {why}", "waits: {why}"),
    "decided_keep": ("решено, осталось принятое: {reason}", "decided, the accepted: {reason}"),
    "decided_replace": ("решено, заменило принятое: {reason}", "decided, replaced it: {reason}"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """The same, for programs and for people."""

    document: dict[str, Any]
    lines: list[str]


def waiting(source: str, limit: int, zone: str, lang: str) -> Report:
    """Show what waits and why, at most `limit` events of it."""
    documents: list[dict[str, Any]] = []
    lines, left, total = [], limit, 0
    for one in rating.waiting_by_reason():
        count, listed = _events(one, source, left)
        if not count:
            continue
        total += count
        left -= len(listed)
        documents.append(_group(one, count, listed, lang))
        lines.append(_group_line(documents[-1], lang))
        lines += [f"    {_content(_event(view), zone)}" for view in listed]
        lines.append(f"      {documents[-1]['remedy']}")
    if not total:
        lines.append(say(WORDS, "no_waiting", lang))
    else:
        if total > limit:
            lines.append(say(WORDS, "more_waiting", lang, n=total))
        lines += ["", say(WORDS, "undo", lang)]
    return Report({"waiting": documents, "events": total}, lines)


def conflicts(source: str, limit: int, zone: str, lang: str) -> Report:
    """Show each open conflict, what was accepted beside what disputes it."""
    found = metering.conflicts()
    if source:
        found = found.filter(source=source)
    total = found.count()
    documents, lines = [], []
    files = _Files()
    for row in found[:limit]:
        accepted = metering.event(row["source"], row["event_id"])[-1]
        document = {
            "id": str(row["id"]),
            "source": row["source"],
            "event_id": row["event_id"],
            "accepted": _event(accepted),
            "disputed": _event(row) | {"file": files.of(row["batch_id"]), "row": row["row"]},
        }
        documents.append(document)
        end = document["id"][-SHORT:]
        lines += [
            say(WORDS, "dispute", lang, id=row["event_id"], source=row["source"], end=end),
            f"{say(WORDS, 'accepted', lang)} {_content(document['accepted'], zone)}",
            f"{say(WORDS, 'disputed', lang)} {_content(document['disputed'], zone)}  "
            + say(WORDS, "row", lang, file=document["disputed"]["file"], row=row["row"] or "–"),
        ]
    lines += _tail(total, len(documents), "no_conflicts", "decide", lang)
    return Report({"conflicts": documents, "total": total}, lines)


def rejected(source: str, limit: int, zone: str, lang: str) -> Report:
    """Show the rows that never became events."""
    found = metering.rejections()
    if source:
        found = found.filter(source=source)
    total = found.count()
    documents: list[dict[str, Any]] = []
    lines: list[str] = []
    files = _Files()
    for row in found[:limit]:
        place = Place(files.of(row["batch_id"]), row["row"] or None, row["field"])
        fault = Fault(row["code"], place, {key: str(one) for key, one in row["params"].items()})
        documents.append(
            fault_document(fault, lang) | {"source": row["source"], "event_id": row["event_id"]}
        )
        lines += fault_lines(fault, lang)
    lines += _tail(total, len(documents), "no_rejected", "", lang)
    return Report({"rejected": documents, "total": total}, lines)


def event(source: str, event_id: str, zone: str, lang: str) -> Report:
    """Show an event with all that replaced it and all that disputed it."""
    views = metering.event(source, event_id)
    groups = rating.waiting_by_reason()
    lines = [say(WORDS, "event", lang, id=event_id, source=source)]
    revisions = []
    for view in views:
        why = next((one for one in groups if _is_in(view, one)), None)
        if view.retracted_from is not None:
            state, said = "undone", say(WORDS, "undone", lang, reason=view.retraction_reason)
        elif why is not None:
            state, said = "waits", say(WORDS, "waits", lang, why=_why(why, lang))
        else:
            state, said = "stands", say(WORDS, "stands", lang)
        revisions.append(
            _event(view)
            | {"version": view.version, "received_at": view.received_at.isoformat(),
               "state": state, "reason": why.reason if why and state == "waits" else "",
               "retraction_reason": view.retraction_reason}
        )  # fmt: skip
        lines.append(f"    {_content(revisions[-1], zone)}  {said}")
    disputes = []
    for row in (*metering.conflicts(), *metering.conflicts(decided=True)):
        if (row["source"], row["event_id"]) == (source, event_id):
            outcome = row["conflictresolution__outcome"] or ""
            disputes.append(_event(row) | {"id": str(row["id"]), "outcome": outcome})
            said = f"…{str(row['id'])[-SHORT:]}"
            if outcome:
                reason = row["conflictresolution__reason"]
                said = say(WORDS, f"decided_{outcome}", lang, reason=reason)
            lines.append(f"{say(WORDS, 'disputed', lang)} {_content(disputes[-1], zone)}  {said}")
    document = {
        "source": source, "event_id": event_id, "revisions": revisions, "disputes": disputes,
    }  # fmt: skip
    return Report(document, lines)


class _Files:
    """The file that each batch came from."""

    def __init__(self) -> None:
        self.known: dict[Any, str] = {}

    def of(self, batch_id: Any) -> str:
        if batch_id not in self.known:
            [batch] = metering.batches().filter(id=batch_id)
            self.known[batch_id] = batch["origin"] or batch["source"]
        return self.known[batch_id]


def _events(group: Waiting, source: str, limit: int) -> tuple[int, list[EventView]]:
    """Return how many events of a group are of the source, and the first of them. They are not
    listed where others of the same time are billed: nobody kept which is which."""
    key, since, until = group[1:4], group.since, group.until
    count, listed = metering.standing(key, since=since, until=until, limit=limit, source=source)
    if group.reason in WHOLE_GROUP or not count:
        return count, listed
    whole = metering.standing(key, since=since, until=until, limit=0)[0] if source else count
    return (count, listed) if whole == group.events else (group.events, [])


def _is_in(view: EventView, group: Waiting) -> bool:
    return (
        view.retracted_from is None
        and (view.subject_kind, view.subject, view.meter) == group[1:4]
        and group.since <= view.time < group.until
    )


def _group(group: Waiting, count: int, listed: Sequence[EventView], lang: str) -> dict[str, Any]:
    if group.reason == "not_priced":
        remedy = say(WORDS, "mend_price", lang)
    else:
        remedy = say(REMEDIES, group.reason, lang)
    return {
        "reason": group.reason,
        "message": _why(group, lang),
        "remedy": remedy,
        "subject_kind": group.subject_kind,
        "subject": group.subject,
        "meter": group.meter,
        "events": count,
        "since": group.since.isoformat(),
        "until": group.until.isoformat(),
        "listed": [_event(one) for one in listed],
    }


def _why(group: Waiting, lang: str) -> str:
    return say(WORDS, group.reason, lang, subject=group.subject, meter=group.meter)


def _group_line(document: Mapping[str, Any], lang: str) -> str:
    whose = say(WORDS, document["subject_kind"], lang, code=document["subject"])
    return say(
        WORDS, "group", lang, n=document["events"], whose=whose, meter=document["meter"],
        why=document["message"],
    )  # fmt: skip


def _event(found: EventView | Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event says; `found` is a view or a row of `metering.conflicts()`."""

    def of(name: str) -> Any:
        return found[name] if isinstance(found, Mapping) else getattr(found, name)

    value = of("value")
    return {
        "source": of("source"),
        "event_id": of("event_id"),
        "time": of("time").isoformat(),
        "subject_kind": of("subject_kind"),
        "subject": of("subject"),
        "meter": of("meter"),
        "value": of("text") if value is None else decimal_text(value),
        "dimensions": dict(of("dimensions")),
    }


def _content(event: Mapping[str, Any], zone: str) -> str:
    moment = datetime.fromisoformat(event["time"]).astimezone(ZoneInfo(zone))
    where = " ".join(f"{key}={value}" for key, value in sorted(event["dimensions"].items()))
    words = (
        f"{moment:%Y-%m-%d %H:%M:%S}", event["event_id"], event["subject"], event["meter"],
        event["value"] or "", where,
    )  # fmt: skip
    return "  ".join(filter(None, words))


def _tail(total: int, shown: int, nothing: str, hint: str, lang: str) -> Iterator[str]:
    if not total:
        yield say(WORDS, nothing, lang)
        return
    if total > shown:
        yield say(WORDS, "more", lang, n=total - shown)
    if hint:
        yield ""
        yield say(WORDS, hint, lang)
