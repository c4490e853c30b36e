"""Races about bill runs: of one month, against a change of terms, over one bonus balance.

A round has months for itself, and each year another subscription: what a run reads of one does not
grow with the rounds before.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from kvit.invoicing import services as invoicing
from kvit.platform.ids import uuid7
from kvit.subscriptions import services as subscriptions
from kvit.web.prove import company
from kvit.web.prove.company import ACTOR, LATER
from kvit.web.prove.races import HANDS, Round, among, race, same, told

FEE = 100_000
RUNS = 3  # at once: each is many statements, and two are enough to meet
BESIDE = 2  # runs beside changes
MONTHS = 2  # of a round, at most
PERCENTS = (5, 10, 20, 25)
_MONTH = """
    SELECT count(*), coalesce(sum(total_minor), 0) FROM invoicing_invoice
    WHERE billed_in = %(month)s AND kind = 'invoice'"""
_DRAWN = """
    SELECT sum((d->>'amount_minor')::bigint) FROM rating_charge, jsonb_array_elements(discounts) d
    WHERE d->>'code' = %(code)s"""
_CHARGED = "SELECT sum(amount_minor) FROM rating_charge WHERE period_start = %(month)s"


@race("double_run", template="in_turn")
def double_run(place: int) -> Round:
    """Three runs of one month make one document."""
    window = company.month(place + 1)

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=RUNS)
        issued = [key for report in answers for key in getattr(report, "issued", ())]
        yield from same("documents told", len(issued), 1)
        found = company.ask(_MONTH, month=window.start)[0]
        yield from same("the month", (found[0], int(found[1])), (1, FEE * 122 // 100))

    return Round([lambda: company.bill(window)] * RUNS, check)


@race("change_against_run", template="in_turn", weight=3)
def change_against_run(place: int) -> Round:
    """Two runs of a month beside four discounts of one code: the last recorded one is charged.

    What a run missed comes with the next month's; so a round is judged in the next one.
    """
    window = company.month(place + 1)

    def amend(percent: int) -> Any:
        value = {"code": "race", "percent": str(percent)}
        row = company.amendment(company.whose(place + 1), window.start, "discount", value)
        return subscriptions.amend_many([row], actor=ACTOR, now=LATER)

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=BESIDE + len(PERCENTS))
        if not place:
            return
        before, number = company.month(place).start, (place - 1) % company.TURN + 1
        last = company.ask(
            "SELECT a.value->>'percent' FROM subscriptions_amendment a"
            " JOIN subscriptions_subscription s ON s.id = a.subscription_id AND s.code = %(code)s"
            " WHERE a.change = 'discount' AND a.number <= %(last)s ORDER BY a.number DESC LIMIT 1",
            code=f"s-{company.whose(place)}",
            last=number * len(PERCENTS),
        )[0][0]
        yield from same(
            f"the fee of {before} at -{last} %", company.number(_CHARGED, month=before),
            FEE - FEE * int(last) // 100,
        )  # fmt: skip

    return Round(
        [*[lambda: company.bill(window)] * BESIDE, *(partial(amend, one) for one in PERCENTS)],
        check,
    )


@race("bonus_twice", template="in_turn", weight=3)
def bonus_twice(place: int) -> Round:
    """Runs of two months at once draw on one balance of 1 500.00: it is spent once."""
    first = MONTHS * place + 1
    months = [company.month(first + n) for n in range(MONTHS)]
    who, code = company.whose(first), f"bonus-{place}"
    row = company.amendment(who, months[0].start, "discount", {"code": code, "bonus": "1500"})
    gone = company.amendment(who, months[0].start, "discount", {"remove": "all"})
    subscriptions.amend_many([gone, row], actor=ACTOR, now=LATER)

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=MONTHS)
        yield from same("drawn by two fees", company.number(_DRAWN, code=code), 150_000)
        charged = sum(company.number(_CHARGED, month=one.start) for one in months)
        yield from same("two fees less the bonus", charged, MONTHS * FEE - 150_000)

    return Round([partial(company.bill, one) for one in months], check)


@race("order_twice", template="in_turn", weight=2)
def order_twice(place: int) -> Round:
    """Two people order a run of one month: one order stands, and who is at it bills once."""
    window = company.month(place + 1)
    now = window.end_instant(company.ZONE)

    def order() -> Any:
        key = invoicing.order_run(window.start, action="bill", author=ACTOR, now=now)
        invoicing.perform(key, now=now)
        return key

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from among(answers, "done", "order_under_way")
        found = company.ask(_MONTH, month=window.start)[0]
        yield from same("the month", (found[0], int(found[1])), (1, FEE * 122 // 100))
        orders = company.number("SELECT count(*) FROM invoicing_runorder WHERE status <> 'done'")
        yield from same("orders not done", orders, 0)

    return Round([order] * BESIDE, check)


@race("amendment_numbers", template="issued")
def amendment_numbers(place: int) -> Round:
    """Eight amendments of one subscription take eight numbers in a row."""
    window, code = company.month(1), f"s-{place}"
    asked = "SELECT amendments FROM subscriptions_subscription WHERE code = %(code)s"
    before = company.number(asked, code=code)

    def amend(n: int) -> Any:
        value = {"code": f"d-{n}", "percent": str(n + 1)}
        row = company.amendment(place, window.start, "discount", value)
        return subscriptions.amend_many([row], actor=f"{ACTOR}-{uuid7()}"[:80], now=LATER)[0][1]

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=HANDS)
        wanted = list(range(before + 1, before + HANDS + 1))
        yield from same("amendments", company.number(asked, code=code), before + HANDS)
        yield from same(
            "the numbers", sorted(one for one in answers if isinstance(one, int)), wanted
        )

    return Round([partial(amend, n) for n in range(HANDS)], check)
