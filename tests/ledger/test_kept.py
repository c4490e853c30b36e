"""What is kept of postings answers what the postings do, whatever the day."""

from datetime import date, datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kvit.ledger import _by_customer, _past, queries, services
from kvit.ledger._past import Base
from kvit.ledger.models import Claim, DayTurnover, PastClaim, PastDay, Posting
from kvit.ledger.queries import Asked
from kvit.ledger.rows import PostingsAsked
from kvit.platform.ids import uuid7
from kvit.platform.tenancy import tenant_scope

ANN, BOB = sorted(uuid7() for _ in range(2))
DAYS = [date(2026, 10, 1) + timedelta(days=n) for n in range(6)]
LATE = datetime.fromisoformat("9000-01-01T00:00+00:00")  # known by then: asked of the postings


def post(seller: UUID, now: datetime) -> None:
    """Claims, an advance, a correction, a posting of nobody's, dollars: some of days to come."""
    moves: list[tuple[str, str, UUID | None, int, str, int]] = [
        ("receivable", "revenue", ANN, 1_220, "RUB", 1),
        ("vat_on_revenue", "vat_out", ANN, 220, "RUB", 1),
        ("receivable", "deferred", BOB, 700, "RUB", 2),
        ("deferred", "revenue", BOB, 700, "RUB", 4),
        ("revenue", "receivable", ANN, 300, "RUB", 3),
        ("bank", "advance", BOB, 900, "RUB", 3),
        ("receivable", "revenue", BOB, 55, "USD", 2),
        ("receivable", "revenue", None, 17, "RUB", 2),
        ("advance", "receivable", BOB, 400, "RUB", 4),
    ]
    for n, (debit, credit, whose, minor, currency, day) in enumerate(moves):
        kind = "payment" if debit == "bank" else "invoice"
        row = services.PostingIn(
            seller, debit, credit, whose, minor, currency, f"{kind}:{n}", 1, DAYS[day]
        )
        services.post_many([row], now=now)


def test_kept_sums_answer_as_the_postings_do(seller: UUID, now: datetime) -> None:
    post(seller, now)
    answers_are_those_of_postings(seller)


def test_a_day_long_past_is_asked_from_a_kept_one(
    seller: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_past, "LEAST", 1)
    post(seller, now)
    assert services.keep_past(before=DAYS[5]) == 1  # four claims stand, four were posted before it
    assert services.keep_past(before=DAYS[5]) == 0
    assert rows_of(DAYS[3]) == [
        (17, DAYS[3], DAYS[4]), (55, DAYS[3], DAYS[4]), (700, DAYS[3], DAYS[4]),
        (1_220, DAYS[2], DAYS[4]),
    ]  # fmt: skip
    for since, until, base in [
        (DAYS[2], DAYS[4], DAYS[2]), (DAYS[1], DAYS[3], DAYS[3]), (DAYS[2], DAYS[2], DAYS[2]),
        (DAYS[0], DAYS[0], DAYS[0]),
    ]:  # fmt: skip
        assert _past.look().nearest(since, until) == Base(base, DAYS[3])
    answers_are_those_of_postings(seller)
    assert list(queries.problems()) == []

    PastClaim.objects.filter(currency="USD").update(balance_minor=56)
    [found] = queries.problems()
    assert found == (
        "ledger_past_not_its_postings", f"owed:2026-10-04 {BOB}", "55 USD, 56 kept", 1
    )  # fmt: skip


def rows_of(day: date) -> list[tuple[int, date, date]]:
    kept = PastClaim.objects.filter(day=day).order_by("balance_minor", "since")
    return list(kept.values_list("balance_minor", "since", "until"))


def test_every_day_between_two_kept_ones_is_told_by_the_later(
    seller: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_past, "LEAST", 1)
    post(seller, now)
    last = services.PostingIn(
        seller, "receivable", "revenue", ANN, 80, "RUB", "note:1", 1, DAYS[5] + timedelta(days=3)
    )
    services.post_many([last], now=now)
    assert services.keep_past(before=DAYS[5] + timedelta(days=9)) == 2
    end = last.effective_on
    beyond = end + timedelta(days=1)
    assert rows_of(end) == [
        (-200, DAYS[4], beyond), (17, DAYS[4], beyond), (55, DAYS[4], beyond),
        (920, DAYS[4], beyond),
    ]  # fmt: skip
    for day in (DAYS[4], DAYS[5], end):
        assert _past.look().nearest(day, day) == Base(day, end)
    answers_are_those_of_postings(seller)
    assert list(queries.problems()) == []
    row = PastClaim.objects.get(day=end, balance_minor=920)
    PastClaim.objects.filter(pk=row.pk).update(since=DAYS[5])
    assert [(one.row, one.detail) for one in queries.problems()] == [
        (f"owed:2026-10-05 {ANN}", "-300 RUB, -1220 kept"),
        (f"owed:2026-10-06 {ANN}", "0 RUB, 920 kept"),
    ]


def test_a_day_that_a_former_version_kept_tells_of_itself_alone_until_the_night(
    seller: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_past, "LEAST", 1)
    post(seller, now)
    services.keep_past(before=DAYS[5])
    PastDay.objects.update(since=None, made_of=None, postings=4)
    PastClaim.objects.update(since=date.min, until=date.max)
    assert _past.look().nearest(DAYS[2], DAYS[2]) == Base(DAYS[3], DAYS[3])
    answers_are_those_of_postings(seller)
    assert list(queries.problems()) == []
    assert services.keep_past(before=DAYS[5]) == 1
    assert _past.look().nearest(DAYS[2], DAYS[2]) == Base(DAYS[2], DAYS[3])
    answers_are_those_of_postings(seller)


def test_a_kept_day_that_something_was_posted_before_is_passed_by_and_made_anew(
    seller: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_past, "LEAST", 1)
    post(seller, now)
    services.keep_past(before=DAYS[5])
    late = services.PostingIn(seller, "receivable", "revenue", ANN, 5, "RUB", "note:1", 1, DAYS[1])
    services.post_many([late], now=now)
    assert _past.look().nearest(DAYS[3], DAYS[3]) == _past.STANDING
    answers_are_those_of_postings(seller)
    assert list(queries.problems()) == []
    assert services.keep_past(before=DAYS[5]) == 1
    assert _past.look().nearest(DAYS[3], DAYS[3]) == Base(DAYS[3], DAYS[3])
    answers_are_those_of_postings(seller)
    assert list(queries.problems()) == []


def test_behind_so_many_customers_only_those_of_the_page_are_looked_at(
    seller: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_by_customer, "COUNTED", 0)
    monkeypatch.setattr(_past, "LEAST", 1)
    post(seller, now)
    whole = queries.customers_page(Asked(None, DAYS[5], DAYS[5]), limit=1)
    assert (whole.count, len(whole.rows), whole.next is None) == (1, 1, False)
    answers_are_those_of_postings(seller)
    services.keep_past(before=DAYS[5])
    answers_are_those_of_postings(seller)


@pytest.mark.once
def test_the_largest_debts_of_a_kept_day_are_read_off_an_index(
    seller: UUID, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_by_customer, "COUNTED", 0)
    monkeypatch.setattr(_past, "LEAST", 1)
    post(seller, now)
    services.keep_past(before=DAYS[5])
    with CaptureQueriesContext(connection) as caught:
        queries.customers_page(Asked(None, DAYS[3], DAYS[3]), limit=1)
    [page] = [one["sql"] for one in caught if "ORDER BY closing" in one["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {page}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "past_by_debt" in plan
    assert "Sort" not in plan


def answers_are_those_of_postings(seller: UUID) -> None:
    for since, until in combinations(DAYS, 2):
        assert queries.trial_balance(seller, since=since, until=until) == queries.trial_balance(
            seller, since=since, until=until, as_recorded_by=LATE
        )
        for account in ("", "62.01", "62.02", "90.01"):
            asked = Asked(seller, since, until, account)
            posted = Asked(seller, since, until, account, known=LATE)
            assert queries.customers_page(asked) == queries.customers_page(posted)
            assert walked(asked) == walked(posted)
            assert cards(asked) == cards(posted)
    for on in DAYS:
        assert queries.balances(seller, on=on) == queries.balances(
            seller, on=on, as_recorded_by=LATE
        )
        end = on + timedelta(days=1)
        assert queries.customers_page(Asked(None, end, end)) == queries.customers_page(
            Asked(None, end, end, known=LATE)
        )
        assert walked(Asked(None, end, end)) == walked(Asked(None, end, end, known=LATE))
        claims = Claim.objects.values("customer_id")
        known = queries.receivables_by_customer(seller, on=on, as_recorded_by=LATE)
        owed: dict[UUID, dict[str, int]] = {}
        whole: dict[str, int] = {}
        for one in known:
            owed.setdefault(one.customer_id or UUID(int=0), {})[one.currency] = one.balance_minor
            whole[one.currency] = whole.get(one.currency, 0) + one.balance_minor
        named = {key: sums for key, sums in owed.items() if key.int}
        assert queries.owed_by([ANN, BOB], on=on) == named
        assert queries.owed_in_all(None, on=on) == queries.owed_in_all(claims, on=on) == whole
        owing = queries.owing_ids(on=on).values_list("customer_id", flat=True)
        assert set(owing) == {key for key, sums in owed.items() if max(sums.values()) > 0}
        assert queries.owed_in_all(claims.filter(customer_id=ANN), on=on) == owed.get(ANN, {})
        assert queries.owed_in_all(claims.none(), on=on) == {}


def walked(asked: Asked) -> list[Any]:
    """Every customer, a page each."""
    pages = [queries.customers_page(asked, limit=1)]
    while pages[-1].next:
        pages.append(queries.customers_page(asked, after=pages[-1].next, limit=1))
    return [(page.rows, page.sums) for page in pages]


@pytest.mark.parametrize("on", [DAYS[0], DAYS[3], DAYS[5]])  # before, between, after all
def test_customers_go_by_what_they_owe(seller: UUID, now: datetime, on: date) -> None:
    post(seller, now)
    everybody = Claim.objects.values("customer_id").distinct()
    owed = queries.owed_by([ANN, BOB, UUID(int=0)], on=on)
    rubles = {key: owed.get(key, {}).get("RUB", 0) for key in (ANN, BOB, UUID(int=0))}
    if on == DAYS[5]:
        assert (rubles[ANN], rubles[BOB]) == (920, -200)
    for falls in (True, False):
        found, after = [], ""
        while True:
            page = queries.page_by_debt(
                everybody, currency="RUB", on=on, falls=falls, after=after, limit=1
            )
            found += page.rows
            if page.next is None:
                break
            after = page.next
        assert (page.count, len(found)) == (3, 3)
        named = [key for key in found if key.int]
        assert named == sorted([ANN, BOB], key=lambda key: (rubles[key], key), reverse=falls)
    with CaptureQueriesContext(connection) as caught:  # who owes nothing is not looked at
        queries.page_by_debt(everybody, currency="RUB", on=on, falls=True, limit=1)
    asked = [one["sql"] for one in caught if "owed DESC" in one["sql"]]
    assert len(asked) == (2 if sum(minor > 0 for minor in rubles.values()) < 2 else 1)
    none = queries.page_by_debt(everybody.none(), currency="RUB", on=on, falls=True)
    assert (none.rows, none.next, none.count) == ((), None, 0)


def cards(asked: Asked) -> list[Any]:
    """Return the whole card, page by page of two lines."""
    found, after = [], ""
    while True:
        card = queries.card_page(asked, after=after, limit=2)
        found.append((card.lines, card.count, card.sums))
        if card.next is None:
            return found
        after = card.next


def test_the_journal_counts_by_days_what_it_would_count_one_by_one(
    seller: UUID, now: datetime
) -> None:
    post(seller, now)
    for wanted in ({}, {"account": "62.01"}, {"since": DAYS[2], "until": DAYS[3]}):
        page, sums = queries.postings_page(PostingsAsked(**wanted))
        one_by_one, same = queries.postings_page(PostingsAsked(**wanted, least_minor=1))
        assert (page, sums) == (one_by_one, same)
    assert queries.claimed_by_documents() == {"RUB": 1_220 + 700 - 300 + 17 - 400, "USD": 55}


def test_many_rows_of_a_day_become_one(seller: UUID, now: datetime) -> None:
    post(seller, now)
    row = Posting.objects.filter(debit="62.01", customer_id=ANN).get()
    again = services.PostingIn(
        seller, row.debit, row.credit, BOB, 5, "RUB", "invoice:again", 1, row.effective_on
    )
    services.post_many([again], now=now)
    before = queries.trial_balance(seller, since=DAYS[0], until=DAYS[5])
    assert (services.merge_turnovers(), services.merge_turnovers()) == (1, 0)
    assert queries.trial_balance(seller, since=DAYS[0], until=DAYS[5]) == before
    assert list(queries.problems()) == []


def test_a_kept_sum_that_differs_is_found(seller: UUID, now: datetime) -> None:
    post(seller, now)
    with tenant_scope(uuid7(), switch=True):
        assert list(queries.problems()) == []
    DayTurnover.objects.filter(debit="51").update(amount_minor=901)
    Claim.objects.filter(customer_id=ANN).update(balance_minor=921)
    Claim.objects.filter(currency="USD").delete()
    assert [(one.code, one.row, one.detail) for one in queries.problems()] == [
        (
            "ledger_day_not_its_postings",
            "turnover:2026-10-04 51-62.02 RUB",
            "1 postings, 1 kept; 900, 901 kept",
        ),
        ("ledger_claim_not_its_postings", f"claim:{ANN}", "920 RUB, 921 kept"),
        ("ledger_claim_not_its_postings", f"claim:{BOB}", "55 USD, 0 kept"),
    ]
