"""A change of subscriptions is priced, looked at, and made exactly as it was shown, or not at all.

    priced = price(given, reason="…", now=now)          nothing is recorded
    make(given, token=priced.token, …)                  recorded, if the bills are still the same

The token names the change and every line of the bills that were shown. What came meanwhile (usage,
a price, a tax, another change) makes other bills: then nothing is done, and it is said what the
sum was and what it has become.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.core import signing
from django.db import transaction

from kvit.core.money import Money
from kvit.core.periods import Period
from kvit.core.wording import Words
from kvit.integrations.port import ChangeRow, Fault, Place
from kvit.invoicing.rows import Bill, Preview
from kvit.platform.failures import Failure
from kvit.subscriptions import queries as subscriptions
from kvit.subscriptions import services as subscriptions_services
from kvit.web.amending import Amended, Given, amend, read_file

SALT = "kvit.previewed"
LASTS_S = 24 * 3600
REMEMBERED = 50  # sums that a token carries, to say what they were
WORDS: Words = {
    "preview_stale": (
        "Расчёт устарел: было {was}, стало {becomes}. Ничего не записано: посмотрите новый расчёт"
        " и подтвердите его.",
        "The preview is out of date: it was {was} and has become {becomes}. Nothing was recorded:"
        " look at the new preview and confirm it.",
    ),
    "preview_stale_otherwise": (
        "Расчёт устарел: тем временем изменили подписку или строки счетов. Ничего не записано:"
        " посмотрите новый расчёт и подтвердите его.",
        "The preview is out of date: the subscription or lines of the bills were changed meanwhile."
        " Nothing was recorded: look at the new preview and confirm it.",
    ),
    "preview_missing": (
        "Сначала посмотрите расчёт: без него изменение не записывается.",
        "Look at the preview first: without it the change is not recorded.",
    ),
    "change_reason_missing": (
        "Напишите причину: она останется в истории подписки.",
        "Say why: the reason stays in the subscription's history.",
    ),
}


class PreviewStale(Failure):
    """What was shown is not what would be billed; nothing was recorded."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Figure:
    """What a payer's bill of a period comes to, without and with the change, in one currency."""

    customer_id: UUID
    window: Period
    currency: str
    before_minor: int
    after_minor: int

    @property
    def difference_minor(self) -> int:
        return self.after_minor - self.before_minor


@dataclass(frozen=True, slots=True)
class Priced:
    """What became of the rows, the bills before and after, and the token that makes them so.

    `token` is empty where a row cannot stand: then there is nothing to confirm.
    """

    answer: Amended
    figures: tuple[Figure, ...]
    token: str


def read_text(name: str, text: str) -> Given:
    """Read the text of a file in the form of changes.csv."""
    with tempfile.TemporaryDirectory(prefix="kvit-changes-") as scratch:
        path = Path(scratch) / "changes.csv"
        path.write_text(text, encoding="utf-8")
        given = read_file(path)
    rows = [replace(row, place=replace(row.place, file=name)) for row in given.rows]
    faults = [replace(one, place=replace(one.place, file=name)) for one in given.faults]
    return Given(rows, faults)


def withdrawal(subscription: str, number: int, *, reason: str, now: datetime) -> Given:
    """Return the change that takes an amendment back, by its number."""
    row = ChangeRow(Place(""), subscription, now, "withdraw", str(number), reason)
    return Given([row], [])


def price(given: Given, *, reason: str, actor: str, now: datetime) -> Priced:
    """Price a change: this and the next bill of everybody it touches. Nothing is recorded."""
    answer = amend(given, reason=reason, actor=actor, now=now, dry_run=True)
    if answer.preview is None:
        return Priced(answer, (), "")
    figures = tuple(_figures(answer.preview))
    token = "" if answer.faults else _token(given, answer.preview, figures)
    return Priced(answer, figures, token)


@transaction.atomic
def make(given: Given, *, reason: str, token: str, actor: str, now: datetime) -> Amended:
    """Record a change that was priced. Faults of rows come back as in a dry run, none recorded.

    Raises:
        PreviewStale: the bills would not be those that were shown, a subscription has other
            amendments than it had, or nothing was shown.
    """
    if not reason.strip():
        raise PreviewStale("change_reason_missing")
    shown = _opened(token)
    # Hold first, then look: nobody amends or charges them between the look and the change.
    known = subscriptions.by_codes({row.subscription for row in given.rows})
    subscriptions_services.lock([one.id for one in known.values()])
    priced = price(given, reason=reason, actor=actor, now=now)
    if priced.answer.faults:
        return priced.answer
    if _opened(priced.token)["digest"] != shown["digest"]:
        raise _stale(shown, priced.figures)
    return amend(given, reason=reason, actor=actor, now=now)


def _figures(preview: Preview) -> Iterator[Figure]:
    for one in preview.customers:
        for window, before, after in zip(preview.windows, one.before, one.after, strict=True):
            for currency in sorted(_currencies(before, after)):
                yield Figure(
                    one.customer_id,
                    window,
                    currency,
                    before.total_minor(currency),
                    after.total_minor(currency),
                )


def _currencies(*bills: Bill) -> set[str]:
    return {document.currency for bill in bills for document in bill.documents}


def _token(given: Given, preview: Preview, figures: Sequence[Figure]) -> str:
    known = subscriptions.by_codes({row.subscription for row in given.rows})
    told = [
        [[row.subscription, _at(row), row.change, row.value] for row in given.rows],
        # A change that no bill shows yet was not seen either.
        sorted([code, one.amendments] for code, one in known.items()),
        [
            [str(one.customer_id), _bills_told(one.before), _bills_told(one.after)]
            for one in preview.customers
        ],
        sorted((one.code, one.subscription, one.price) for one in preview.problems),
    ]
    digest = hashlib.sha256(orjson.dumps(told, default=str)).hexdigest()
    sums = [[*_key(one), one.after_minor] for one in figures[:REMEMBERED]]
    return signing.dumps({"digest": digest, "sums": sums}, salt=SALT, compress=True)


def _at(row: ChangeRow) -> datetime | None:
    """A withdrawal counts from what it withdraws; the moment at which it is asked for is another at
    the look and at the change."""
    return None if row.change == "withdraw" else row.at


def _bills_told(bills: Sequence[Bill]) -> list[Any]:
    """Everything of the bills that a person sees: documents, lines, sums. Not their ids."""
    return [
        [
            str(bill.window),
            sorted(
                [
                    document.kind, document.waits_for, document.currency, document.total_minor,
                    [
                        [line.subscription, line.price, str(line.starts_on), str(line.ends_on),
                         str(line.units), line.net_minor, line.vat_minor]
                        for line in document.lines
                    ],
                ]
                for document in bill.documents
            ),
        ]
        for bill in bills
    ]  # fmt: skip


def _key(figure: Figure) -> list[str]:
    return [str(figure.customer_id), str(figure.window), figure.currency]


def _opened(token: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = signing.loads(token, salt=SALT, max_age=LASTS_S)
    except signing.BadSignature:
        raise PreviewStale("preview_missing") from None
    return found


def _stale(shown: Mapping[str, Any], figures: Sequence[Figure]) -> PreviewStale:
    """Say the first sum that has changed."""
    present = {tuple(_key(one)): one.after_minor for one in figures}
    for *key, was in shown["sums"]:
        becomes = present.get(tuple(key), 0)
        if becomes != was:
            currency = key[2]
            return PreviewStale(
                "preview_stale", was=Money(was, currency), becomes=Money(becomes, currency)
            )
    return PreviewStale("preview_stale_otherwise")


def verdicts(answer: Amended) -> Iterator[tuple[ChangeRow, list[Fault]]]:
    """Yield each row with what is wrong with it."""
    faults: dict[int | None, list[Fault]] = {}
    for fault in answer.faults:
        faults.setdefault(fault.place.row, []).append(fault)
    for row in answer.rows:
        yield row, faults.pop(row.place.row, [])
