"""Where is my event: its way from arrival to a line of an invoice, or the step where it stopped.

    received 14:02 → accepted → meter «calls» → subscription n-1 → October → charge → 2026-00001/2

Any id that was ever sent has an answer. Plain data with texts in the reader's language, for pages
and the API alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kvit.catalog import queries as catalog
from kvit.core.periods import Period
from kvit.core.wording import Words, money_text, period_text, say
from kvit.integrations.port import Fault, Place
from kvit.invoicing import queries as invoicing
from kvit.metering import queries as metering
from kvit.metering.queries import EventView
from kvit.platform.failures import Failure
from kvit.rating import queries as rating
from kvit.rating.queries import EventAsked, EventFate
from kvit.rating.rows import ChargeInfo, Waiting
from kvit.web.api import intake
from kvit.web.own import own_subjects

BILLED, WAITS, STOPPED = "billed", "waits", "stopped"
WAITING = frozenset({"not_rated", "late", "draft", "not_invoiced"})
WORDS: Words = {
    "received": ("Получено", "Received"),
    "received_text": ("источник {source}, {origin}", "source {source}, {origin}"),
    "kept_text": (
        "источник {source}, пачкой: на диске, ещё не разобрано",
        "source {source}, in bulk: on the disk, not looked into yet",
    ),
    "do_unread": (
        "Подождите минуту. Если не проходит, проверьте, что работает исполнитель: kvit run worker.",
        "Wait a minute. If it stays so, see that a worker runs: kvit run worker.",
    ),
    "accepted": ("Принято", "Accepted"),
    "accepted_text": ("версия потребления {version}", "usage version {version}"),
    "replaced": ("Заменено", "Replaced"),
    "replaced_text": ("по решению спора: {reason}", "by the decision of a dispute: {reason}"),
    "retracted": ("Отменено", "Undone"),
    "retracted_text": ("причина: {reason}", "reason: {reason}"),
    "meter": ("Счётчик", "Meter"),
    "subscription": ("Подписка", "Subscription"),
    "period": ("Период", "Period"),
    "charge": ("Начисление", "Charge"),
    "charge_text": ("{price}: {amount}", "{price}: {amount}"),
    "invoice": ("Счёт", "Invoice"),
    "invoice_text": ("№ {number}, строка {line}", "no. {number}, line {line}"),
    "draft_text": ("черновик, строка {line}", "a draft, line {line}"),
    "rejected": ("Отклонено", "Rejected"),
    "conflict": ("Спор", "In dispute"),
    "conflict_text": (
        "под этим id уже есть событие с другим содержанием",
        "another event has this id and says something else",
    ),
    "conflict_kept": ("решено, верно принятое: {reason}", "decided, the accepted: {reason}"),
    "conflict_replaced": ("решено, заменило принятое: {reason}", "decided, it replaced: {reason}"),
    "unknown_meter": ("счётчика «{meter}» нет в каталоге", "the catalogue has no meter “{meter}”"),
    "unknown_subscription": ("подписки «{subject}» нет", "there is no subscription “{subject}”"),
    "unknown_customer": ("клиента «{subject}» нет", "there is no customer “{subject}”"),
    "usage_ambiguous": (
        "счётчик не ровно в одной подписке клиента {subject}",
        "not exactly one subscription of customer {subject} has the meter",
    ),
    "usage_outside": (
        "подписка {subscription} в это время не действует",
        "the subscription {subscription} does not serve at that time",
    ),
    "not_rated": ("период ещё не рассчитан", "its period has not been charged yet"),
    "late": (
        "пришло после расчёта периода: войдёт в ближайший запуск перерасчётом",
        "came after its period was charged: the next run brings it as a recalculation",
    ),
    "not_priced": ("цена ждёт исправления ошибки", "its price waits for a fault to be mended"),
    "unpriced_usage": (
        "в тарифе нет цены, которая берёт этот счётчик",
        "no price of the plan asks for this meter",
    ),
    "not_invoiced": (
        "начисление ещё не в счёте: его возьмёт ближайший запуск",
        "the charge is on no invoice yet: the next run takes it",
    ),
    "do_unknown_meter": (
        "Заведите счётчик в каталоге: событие учтёт ближайший запуск.",
        "Add the meter to the catalogue: the next run takes the event.",
    ),
    "do_unknown_subscription": (
        "Заведите подписку с этим кодом или исправьте код в источнике и отмените это событие.",
        "Add a subscription of that code, or mend the code at the source and undo this event.",
    ),
    "do_unknown_customer": (
        "Заведите клиента с этим кодом или исправьте код в источнике и отмените это событие.",
        "Add a customer of that code, or mend the code at the source and undo this event.",
    ),
    "do_usage_ambiguous": (
        "Пришлите событие с кодом подписки, а это отмените.",
        "Send the event with a subscription's code, and undo this one.",
    ),
    "do_usage_outside": (
        "Проверьте даты подписки и время события. Лишнее событие отмените.",
        "Check the dates of the subscription and the time. Undo an event too many.",
    ),
    "do_not_rated": ("Сделайте расчётный запуск за период события.", "Start a run of its period."),
    "do_late": ("Сделайте следующий расчётный запуск.", "Start the next bill run."),
    "do_not_priced": (
        "Исправьте цену, названную в итогах запуска, и запустите расчёт снова.",
        "Mend the price that the run names, and start the run again.",
    ),
    "do_unpriced_usage": (
        "Добавьте цену на счётчик в тариф подписки, сделайте её бесплатной или отмените событие.",
        "Add a price for the meter to the plan, make it free, or undo the event.",
    ),
    "do_not_invoiced": ("Сделайте расчётный запуск.", "Start a bill run."),
    "do_draft": ("Утвердите черновик.", "Approve the draft."),
    "do_conflict": (
        "Решите, какое содержание верно: принятое или спорное.",
        "Decide which content is right: the accepted or the disputed.",
    ),
    "never_seen": (
        "Событие «{id}» мы не получали. Проверьте id и что источник его отправил.",
        "We never received the event “{id}”. Check the id, and that its source sent it.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summed:
    """Where all usage stands: accepted = billed + not billed + undone. `undone_since` are of the
    undone those since the last run, which its bills still have; `unread` is not accepted yet."""

    accepted: int
    billed: int
    not_billed: int  # it waits, or its period was not charged yet
    undone: int
    undone_since: int
    unread: int


def summed(counts: metering.Counts) -> Summed:
    """Return where all usage stands now."""
    standing = counts.accepted - counts.retracted
    # What was undone since the last run is among the billed still: the next takes it back.
    billed = min(rating.billed_events(), standing)
    undone_since = metering.undone_since(invoicing.looked_from())
    return Summed(
        counts.accepted, billed, standing - billed, counts.retracted, undone_since, counts.unread
    )


class EventNeverSeen(Failure):
    """No source ever sent an event of that id."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the way. `at` is its moment, `ok` False where the way ends for now.

    `about` names what the step can open: ("invoice", id, line), ("subscription", code), …
    """

    code: str
    title: str
    text: str
    ok: bool = True
    at: datetime | None = None
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fate:
    """One event's way. `outcome` is billed, waits (a run or a person brings it on) or stopped."""

    source: str
    event_id: str
    outcome: str
    steps: tuple[Step, ...]
    remedy: str
    event: EventView | None
    conflict_id: UUID | None = None


def fates_of(event_id: str, *, zone: str, lang: str) -> list[Fate]:
    """Return what became of an id, for each source that sent it. A member of a branch is told of
    accepted events of their own subscriptions and customers alone.

    Raises:
        EventNeverSeen: none did.
    """
    among = own_subjects()
    found = [
        _accepted(view, lang)
        for source in metering.sources_of(event_id)
        for view in metering.event(source, event_id)[-1:]
        if metering.may_see(among, view.subject_kind, view.subject)
    ]
    if among is None:
        found += _kept_aside(event_id, found, lang)
    if not found:
        raise EventNeverSeen("never_seen", id=event_id[:200])
    return found


def _kept_aside(event_id: str, found: Sequence[Fate], lang: str) -> Iterator[Fate]:
    """Yield what was not accepted, or not looked into yet: nobody knows whose it is."""
    seen = metering.traces(event_id)
    accepted = {fate.source for fate in found}
    yield from (_conflict(row, lang) for row in seen.conflicts if not row["outcome"])
    yield from (
        _rejected(event_id, row, lang) for row in seen.rejections if row["source"] not in accepted
    )
    yield from _unread(event_id, lang)


def _unread(event_id: str, lang: str) -> Iterator[Fate]:
    """Yield what was taken in bulk and not looked into yet."""
    known = event_id.encode("utf-8", "replace")
    # A sign of an id may be written by its number, or behind a stroke.
    mention = () if not event_id.isprintable() or set(event_id) & set('\\"/') else (known, b"\\u")
    for one in metering.unread_requests(mention):
        if mention and not any(sign in one.body for sign in mention):
            continue
        for source, events in intake.read(one.body, source=one.source).offer.events.items():
            if any(event.event_id == event_id for event in events):
                text = say(WORDS, "kept_text", lang, source=source)
                step = Step("received", say(WORDS, "received", lang), text, at=one.received_at)
                remedy = say(WORDS, "do_unread", lang)
                yield Fate(source, event_id, WAITS, (step,), remedy, None)


def _accepted(view: EventView, lang: str) -> Fate:
    def word(key: str, **params: Any) -> str:
        return say(WORDS, key, lang, **params)

    steps = [
        Step("received", word("received"), view.source, at=view.received_at),
        Step("accepted", word("accepted"), word("accepted_text", version=view.version)),
    ]
    if view.revision:
        reason = metering.event(view.source, view.event_id)[-2].retraction_reason
        steps.append(Step("replaced", word("replaced"), word("replaced_text", reason=reason)))
    if view.retracted_from is not None:
        told = word("retracted_text", reason=view.retraction_reason)
        steps.append(Step("retracted", word("retracted"), told, ok=False))
        return Fate(view.source, view.event_id, STOPPED, tuple(steps), "", view)
    fate = rating.fate_of(
        EventAsked(
            view.subject_kind, view.subject, view.meter, view.time, view.dimensions, view.version
        )
    )
    more, reason = _way(view, fate, lang)
    outcome = BILLED if not reason else WAITS if reason in WAITING else STOPPED
    remedy = word(f"do_{reason}") if reason else ""
    return Fate(view.source, view.event_id, outcome, (*steps, *more), remedy, view)


def _way(view: EventView, fate: EventFate, lang: str) -> tuple[list[Step], str]:
    """Return the steps from the meter on, and why they end before an issued invoice."""
    told = {"meter": view.meter, "subject": view.subject, "subscription": fate.subscription}

    def stop(code: str) -> Step:
        return Step(code, say(WORDS, code, lang), say(WORDS, fate.reason, lang, **told), ok=False)

    def step(code: str, text: str, *about: str) -> Step:
        return Step(code, say(WORDS, code, lang), text, about=about)

    if fate.reason == "unknown_meter":
        return [stop("meter")], fate.reason
    meter = catalog.meters().get(view.meter)
    steps = [step("meter", (meter.name if meter else "") or view.meter, "meter", view.meter)]
    if not fate.subscription:
        return [*steps, stop("subscription")], fate.reason
    if fate.reason == "usage_outside":
        return [*steps, stop("subscription")], fate.reason
    steps.append(step("subscription", fate.subscription, "subscription", fate.subscription))
    if fate.period_start is None or fate.period_end is None:
        return [*steps, stop("period")], fate.reason
    period = period_text(Period(fate.period_start, fate.period_end), lang)
    if fate.reason == "late":
        return [*steps, step("period", period), stop("charge")], fate.reason
    steps.append(step("period", period))
    if fate.reason:
        return [*steps, stop("charge")], fate.reason
    return _invoiced(steps, fate.charges, lang)


def _invoiced(
    steps: list[Step], charges: tuple[ChargeInfo, ...], lang: str
) -> tuple[list[Step], str]:
    lines = invoicing.lines_of_charges([one.id for one in charges])
    documents = invoicing.rows_of([invoice for invoice, _ in lines.values()])
    reason = ""
    for charge in charges:
        amount = money_text(charge.amount_minor, charge.currency, lang)
        text = say(
            WORDS, "charge_text", lang, price=charge.name or charge.price_code, amount=amount
        )
        steps.append(Step("charge", say(WORDS, "charge", lang), text))
        where = lines.get(charge.id)
        if where is None:
            # Nothing used makes no line; it is charged all the same, with nothing.
            if charge.amount_minor or charge.units:
                reason = "not_invoiced"
                steps.append(
                    Step("invoice", say(WORDS, "invoice", lang), say(WORDS, reason, lang), ok=False)
                )
            continue
        invoice, line = where
        document = documents[invoice]
        key = "invoice_text" if document.number else "draft_text"
        text = say(WORDS, key, lang, number=document.number, line=line)
        about = ("invoice", str(invoice), str(line))
        is_issued = bool(document.number)
        reason = reason if is_issued else "draft"
        steps.append(Step("invoice", say(WORDS, "invoice", lang), text, ok=is_issued, about=about))
    return steps, reason


def _conflict(row: Mapping[str, Any], lang: str) -> Fate:
    steps = (
        Step("received", say(WORDS, "received", lang), row["source"], at=row["received_at"]),
        Step("conflict", say(WORDS, "conflict", lang), say(WORDS, "conflict_text", lang), ok=False),
    )
    remedy = say(WORDS, "do_conflict", lang)
    return Fate(row["source"], "", STOPPED, steps, remedy, None, row["id"])


def _rejected(event_id: str, row: Mapping[str, Any], lang: str) -> Fate:
    fault = fault_of(row)
    steps = (
        Step("received", say(WORDS, "received", lang), row["source"], at=row["received_at"]),
        Step("rejected", say(WORDS, "rejected", lang), fault.message(lang), ok=False),
    )
    return Fate(row["source"], event_id, STOPPED, steps, fault.remedy(lang), None)


def waiting_text(one: Waiting, lang: str) -> str:
    """Say why usage waits."""
    return say(
        WORDS, one.reason, lang, meter=one.meter, subject=one.subject, subscription=one.subject
    )


def fault_of(row: Mapping[str, Any]) -> Fault:
    """Return a rejected row's fault, which knows its words."""
    params = {name: str(value) for name, value in row["params"].items()}
    return Fault(row["code"], Place(row["source"], row["row"] or None, row["field"]), params)
