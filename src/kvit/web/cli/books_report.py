"""Reports of one seller's books: for people, for programs, for spreadsheets."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TextIO
from uuid import UUID

from kvit.core.money import minor_text
from kvit.core.wording import Words, date_text, money_text, say
from kvit.invoicing import queries as invoicing
from kvit.ledger import queries as ledger
from kvit.ledger.queries import CardLine, TrialBalanceRow
from kvit.parties import queries as parties
from kvit.parties.rows import Seller
from kvit.web.cli.bill_report import table
from kvit.web.cli.books import FIRST, LAST

INVOICE = "invoice:"  # what a source begins with that is a document of invoicing
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a cell that begins so
CARD = ("seller", "date", "recorded_at", "document", "source", "against", "customer", "name",
        "currency", "debit", "credit", "balance")  # fmt: skip
WORDS: Words = {
    "trial_balance": ("Оборотно-сальдовая ведомость: {seller}", "Trial balance: {seller}"),
    "card": (
        "Карточка счёта {account} {name}: {seller}",
        "Card of account {account} {name}: {seller}",
    ),
    "receivables": ("Расчёты с покупателями: {seller}", "Receivables: {seller}"),
    "of_customer": ("Клиент: {code} {name}", "Customer: {code} {name}"),
    "whole": ("за всё время", "over all time"),
    "until": ("по {until}", "up to {until}"),
    "since": ("с {since}", "since {since}"),
    "between": ("с {since} по {until}", "from {since} to {until}"),
    "known": (", как было известно {moment}", ", as known at {moment}"),
    "account": ("Счёт", "Account"),
    "name": ("Название", "Name"),
    "opening_debit": ("Нач. Дт", "Opening Dr"),
    "opening_credit": ("Нач. Кт", "Opening Cr"),
    "debit": ("Дебет", "Debit"),
    "credit": ("Кредит", "Credit"),
    "closing_debit": ("Кон. Дт", "Closing Dr"),
    "closing_credit": ("Кон. Кт", "Closing Cr"),
    "day": ("Дата", "Date"),
    "document": ("Документ", "Document"),
    "against": ("Корр. счёт", "Against"),
    "customer": ("Клиент", "Customer"),
    "balance": ("Остаток", "Balance"),
    "owes": ("Должен", "Owes"),
    "total": ("Итого", "Total"),
    "opening": ("Остаток на начало", "Opening balance"),
    "nobody": ("без клиента", "no customer"),
    "empty": ("Проводок нет.", "There are no postings."),
    "no_debts": ("Никто не должен.", "Nobody owes anything."),
    "ours": (
        "Должны нам {owed}, должны мы {owing}, всего {total}.",
        "They owe {owed}, we owe {owing}, {total} in all.",
    ),
    "balanced": (
        "Дебет равен кредиту: {turnover}, остатки {closing}.",
        "Debit equals credit: {turnover}; balances {closing}.",
    ),
    "unbalanced": (
        "НЕ СХОДИТСЯ: дебет {debit}, кредит {credit}. Запустите kvit verify.",
        "DOES NOT BALANCE: debit {debit}, credit {credit}. Run kvit verify.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """The same three times. In `rows` sums are numbers in text and stand in `numbers`."""

    lines: list[str]
    document: dict[str, Any]
    head: Sequence[str]
    rows: list[Sequence[str]]
    numbers: frozenset[str]
    balanced: bool = True


@dataclass(slots=True)
class Books:
    """One seller's books from a day to a day (both included), as they were known at a moment."""

    seller: Seller
    since: date
    until: date
    known_by: datetime | None
    zone: str
    lang: str
    _people: dict[UUID, tuple[str, str]] = field(default_factory=dict)

    def trial_balance(self) -> Report:
        """Accounts with opening balance, turnover and closing balance, a table a currency."""
        found = ledger.trial_balance(
            self.seller.id,
            since=self.since,
            until=self.until + timedelta(days=1),
            as_recorded_by=self.known_by,
        )
        lines = [self._heading("trial_balance")]
        balanced = True
        for currency in sorted({row.currency for row in found}):
            rows = [row for row in found if row.currency == currency]
            lines += ["", *self._trial_table(rows, currency)]
            debit, credit = sum(r.debit_minor for r in rows), sum(r.credit_minor for r in rows)
            closing = [row.closing_minor for row in rows]
            holds = debit == credit and sum(closing) == 0 == sum(r.opening_minor for r in rows)
            balanced &= holds
            lines += ["", self._say(
                "balanced" if holds else "unbalanced",
                debit=self._money(debit, currency),
                credit=self._money(credit, currency),
                turnover=self._money(debit, currency),
                closing=self._money(sum(one for one in closing if one > 0), currency),
            )]  # fmt: skip
        if not found:
            lines += ["", self._say("empty")]
        sides = ("opening_debit", "opening_credit", "debit", "credit", "closing_debit",
                 "closing_credit")  # fmt: skip
        return Report(
            lines,
            self._document(rows=[_account(row) for row in found], balanced=balanced),
            ("seller", "account", "name", "currency", *sides),
            [
                (self.seller.row.code, row.account, row.name, row.currency,
                 *(minor_text(one, row.currency) for one in _sides(row)))
                for row in found
            ],
            frozenset(sides),
            balanced,
        )  # fmt: skip

    def card(self, account: str, customer_id: UUID | None) -> Report:
        """The movements of an account with its running balance, a table a currency."""
        found = ledger.account_card(
            self.seller.id,
            account,
            since=self.since,
            until=self.until + timedelta(days=1),
            customer_id=customer_id,
            as_recorded_by=self.known_by,
        )
        before = self._balances_before(account, customer_id)
        self._know({one.customer_id for one in found} | {customer_id})
        documents = invoicing.numbers(
            UUID(one.source.removeprefix(INVOICE))
            for one in found
            if one.source.startswith(INVOICE)
        )
        rows = [self._card_row(one, documents) for one in found]
        lines = [self._heading("card", account=account,
                               name=ledger.accounts(self.seller.id)[account])]  # fmt: skip
        if customer_id is not None:
            code, name = self._people[customer_id]
            lines.append(self._say("of_customer", code=code, name=name))
        for currency in sorted({one.currency for one in found} | set(before)):
            mine = [one for one in found if one.currency == currency]
            lines += ["", *self._card_table(mine, before.get(currency, 0), currency, documents)]
        if not found and not before:
            lines += ["", self._say("empty")]
        return Report(
            lines,
            self._document(
                account=account,
                opening={key: minor_text(minor, key) for key, minor in before.items()},
                rows=rows,
            ),
            CARD,
            [tuple(one[name] for name in CARD) for one in rows],
            frozenset({"debit", "credit", "balance"}),
        )

    def receivables(self) -> Report:
        """What each customer owes, the largest debt first, a table a currency."""
        found = ledger.receivables_by_customer(
            self.seller.id, on=self.until, as_recorded_by=self.known_by
        )
        self._know({one.customer_id for one in found})
        found.sort(key=lambda one: (one.currency, -one.balance_minor, self._who(one.customer_id)))
        lines = [self._heading("receivables")]
        for currency in dict.fromkeys(one.currency for one in found):
            mine = [one for one in found if one.currency == currency]
            total = sum(one.balance_minor for one in mine)
            owed = sum(one.balance_minor for one in mine if one.balance_minor > 0)
            body = [
                [*self._who(one.customer_id), self._money(one.balance_minor, currency)]
                for one in mine
            ]
            head = [self._say("customer"), self._say("name"), self._say("owes")]
            foot = [self._say("total"), "", self._money(total, currency)]
            lines += ["", *table([head, *body, foot], numbers=(2,), rule=1), ""]
            lines.append(self._say("ours", owed=self._money(owed, currency),
                                   owing=self._money(owed - total, currency),
                                   total=self._money(total, currency)))  # fmt: skip
        if not found:
            lines += ["", self._say("no_debts")]
        rows = [
            {
                "customer": self._who(one.customer_id)[0],
                "name": self._who(one.customer_id)[1],
                "currency": one.currency,
                "balance": minor_text(one.balance_minor, one.currency),
            }
            for one in found
        ]
        return Report(
            lines,
            self._document(rows=rows),
            ("seller", "customer", "name", "currency", "balance"),
            [(self.seller.row.code, *one.values()) for one in rows],
            frozenset({"balance"}),
        )

    def _trial_table(self, rows: Sequence[TrialBalanceRow], currency: str) -> Iterator[str]:
        keys = ("account", "opening_debit", "opening_credit", "debit", "credit", "closing_debit",
                "closing_credit", "name")  # fmt: skip
        body = [[row.account, *self._sums(_sides(row), currency), row.name] for row in rows]
        totals = [sum(column) for column in zip(*map(_sides, rows), strict=True)]
        foot = [self._say("total"), *(self._money(one, currency) for one in totals), ""]
        head = [self._say(key) for key in keys]
        return table([head, *body, foot], numbers=range(1, 7), rule=1)

    def _card_table(
        self, found: Sequence[CardLine], before: int, currency: str, documents: dict[UUID, str]
    ) -> Iterator[str]:
        keys = ("day", "document", "against", "customer", "debit", "credit", "balance")
        body = [["", self._say("opening"), "", "", "", "", self._money(before, currency)]]
        body += [
            [
                one.effective_on.isoformat(), _document_name(one, documents), one.against,
                self._who(one.customer_id)[0],
                *self._sums((one.debit_minor, one.credit_minor), currency),
                self._money(one.balance_minor, currency),
            ]
            for one in found
        ]  # fmt: skip
        debit, credit = sum(o.debit_minor for o in found), sum(o.credit_minor for o in found)
        closing = before + debit - credit
        foot = [self._say("total"), "", "", "",
                *(self._money(one, currency) for one in (debit, credit, closing))]  # fmt: skip
        head = [self._say(key) for key in keys]
        return table([head, *body, foot], numbers=(4, 5, 6), rule=1)

    def _card_row(self, one: CardLine, documents: dict[UUID, str]) -> dict[str, str]:
        return {
            "seller": self.seller.row.code,
            "date": one.effective_on.isoformat(),
            "recorded_at": one.recorded_at.isoformat(),
            "document": _document_name(one, documents),
            "source": one.source,
            "against": one.against,
            "customer": self._who(one.customer_id)[0],
            "name": self._who(one.customer_id)[1],
            "currency": one.currency,
            "debit": minor_text(one.debit_minor, one.currency),
            "credit": minor_text(one.credit_minor, one.currency),
            "balance": minor_text(one.balance_minor, one.currency),
        }

    def _balances_before(self, account: str, customer_id: UUID | None) -> dict[str, int]:
        """Return the balance of the account before the first day, by currency."""
        found = ledger.balances(
            self.seller.id,
            on=self.since - timedelta(days=1),
            customer_id=customer_id,
            as_recorded_by=self.known_by,
        )
        return {currency: minor for (code, currency), minor in found.items() if code == account}

    def _know(self, ids: Iterable[UUID | None]) -> None:
        """Look up code and name of customers: their home is `parties`, the books have ids alone."""
        people = parties.customers_by_id({one for one in ids if one is not None})
        self._people |= {key: (one.row.code, one.row.name) for key, one in people.items()}

    def _who(self, customer_id: UUID | None) -> tuple[str, str]:
        if customer_id is None:
            return "", self._say("nobody")
        return self._people[customer_id]

    def _heading(self, key: str, **params: str) -> str:
        told = "whole"
        if self.since > FIRST:
            told = "since" if self.until >= LAST else "between"
        elif self.until < LAST:
            told = "until"
        since, until = date_text(self.since, self.lang), date_text(self.until, self.lang)
        text = self._say(key, seller=self.seller.row.name, **params)
        text += f", {self._say(told, since=since, until=until)}"
        if self.known_by is not None:
            text += self._say("known", moment=self.known_by.isoformat(" ", "minutes"))
        return text

    def _document(self, **more: Any) -> dict[str, Any]:
        return {
            "seller": self.seller.row.code,
            "from": None if self.since <= FIRST else self.since.isoformat(),
            "to": None if self.until >= LAST else self.until.isoformat(),
            "known_by": None if self.known_by is None else self.known_by.isoformat(),
            **more,
        }

    def _sums(self, sums: Iterable[int], currency: str) -> Iterator[str]:
        """Write sums; a nought is left out, so that the eye finds what is there."""
        return (self._money(one, currency) if one else "" for one in sums)

    def _money(self, minor: int, currency: str) -> str:
        return money_text(minor, currency, self.lang)

    def _say(self, key: str, **params: Any) -> str:
        return say(WORDS, key, self.lang, **params)


def _sides(row: TrialBalanceRow) -> tuple[int, ...]:
    """Return opening, turnover and closing, each as debit and credit, none below nought."""
    opening, closing = row.opening_minor, row.closing_minor
    return (
        max(opening, 0), max(-opening, 0), row.debit_minor, row.credit_minor,
        max(closing, 0), max(-closing, 0),
    )  # fmt: skip


def _account(row: TrialBalanceRow) -> dict[str, str]:
    sums = (row.opening_minor, row.debit_minor, row.credit_minor, row.closing_minor)
    names = ("opening", "debit", "credit", "closing")
    said = {"account": row.account, "name": row.name, "kind": row.kind, "currency": row.currency}
    return said | {
        name: minor_text(one, row.currency) for name, one in zip(names, sums, strict=True)
    }


def _document_name(one: CardLine, documents: dict[UUID, str]) -> str:
    """Return the number of the document that posted; the source itself where it is none."""
    if not one.source.startswith(INVOICE):
        return one.source
    return documents.get(UUID(one.source.removeprefix(INVOICE)), "") or one.source


def write_csv(reports: Sequence[Report], out: TextIO) -> None:
    """Write one table of all sellers. Sums are plain numbers; a text that a spreadsheet would take
    for a formula gets an apostrophe."""
    head = reports[0].head
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for report in reports:
        for row in report.rows:
            writer.writerow(
                cell if name in report.numbers else _text(cell)
                for name, cell in zip(head, row, strict=True)
            )


def _text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell
