"""A customer's timeline: every kind of thing once, newest first, the same by pages of any size."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from time import perf_counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kvit.insight import timeline
from kvit.insight.timeline import Entry
from kvit.invoicing import services as invoicing
from kvit.metering import services as metering
from kvit.metering.rows import EventIn
from kvit.parties import queries as parties
from kvit.parties import services as parties_services
from kvit.parties.rows import CustomerRow
from kvit.platform.paging import CursorUnreadable
from kvit.platform.revisions import revision_of
from kvit.platform.tenancy import tenant_scope
from kvit.web.story import sentence
from tests.invoicing.company import (
    ACTOR,
    BEGIN,
    LATER,
    amend,
    customer_id,
    invoice,
    use,
)

pytestmark = pytest.mark.usefixtures("billed")
SEVER = CustomerRow("north", "ООО «Север»")


def told(code: str = "north", limit: int = 50, **more: object) -> list[Entry]:
    customer = parties.customers_by_code([code])[code]
    entries: list[Entry] = []
    after: str | None = ""
    while after is not None:
        page = timeline.timeline(customer, after=after, limit=limit, **more)  # type: ignore[arg-type]
        entries += page.entries
        after = page.next
    return entries


def story() -> None:
    use("n-1", 200, date(2026, 10, 10), now=LATER)  # the same day as the first
    use("n-1", 300, date(2026, 10, 12), now=LATER)
    amend("n-1", date(2026, 12, 1), "plan", "pre")
    parties_services.add_note(customer_id("north"), "Просил звонить после обеда", actor=ACTOR,
                              now=LATER)  # fmt: skip
    parties_services.change_customer(
        "north", CustomerRow("north", "АО «Север»", phone="+7 999 123-45-67"),
        seen=revision_of(SEVER), actor=ACTOR, now=LATER, reason="по письму",
    )  # fmt: skip
    invoicing.credit(invoice("north").id, {1: 30_000}, reason="Простой", author=ACTOR, now=LATER)


def test_everything_is_told_in_words_newest_first() -> None:
    story()
    texts = [sentence(one, "ru", "Europe/Moscow").replace("\xa0", " ") for one in told()]
    assert texts == [
        "Просил звонить после обеда",
        "Корректировка № 2026-00003 на −366,00 ₽ к счёту № 2026-00001",
        "Изменено: название, телефон",
        "Подписка n-1: с 1 декабря 2026 г. тариф «Вперёд»",
        "Счёт № 2026-00001 на 2 440,00 ₽ за октябрь 2026 г.",
        "Начислено 2 000,00 ₽ по подписке n-1: 2 начисления за октябрь 2026 г.",
        "Потребление за 12 октября 2026 г.: Вызовы — 300 вызовов",
        "Потребление за 10 октября 2026 г.: Вызовы — 10 200 вызовов",
        "Подписка n-1: тариф «Профи» с 1 октября 2026 г.",
        "Клиент заведён",
    ]
    assert all(sentence(one, "en", "UTC") for one in told())
    assert [(one.kind, one.reason) for one in told(kinds={"change", "amendment"})] == [
        ("change", "по письму"), ("amendment", "test"), ("change", "test"),
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_of_any_size_tell_the_same_story(limit: int) -> None:
    story()
    whole = told()
    assert told(limit=limit) == whole
    keys = [(one.at, one.kind, one.id) for one in whole]
    assert keys == sorted(keys, reverse=True)


def test_a_timeline_is_of_one_customer_and_one_company() -> None:
    story()
    assert {one.facts.get("code") for one in told("south", kinds={"subscription"})} == {"s-1"}
    assert told("south", kinds={"usage", "note"}) == []
    north = parties.customers_by_code(["north"])["north"]
    from kvit.parties.rows import TenantRow

    other = parties_services.create_tenant(
        TenantRow("other", "Другая", "RUB", "Europe/Moscow"), actor="cli:test", now=BEGIN
    )
    with tenant_scope(other.id, switch=True):
        assert timeline.timeline(north).entries == ()


def test_a_page_costs_the_same_however_long_the_story_is() -> None:
    story()
    north = parties.customers_by_code(["north"])["north"]
    with CaptureQueriesContext(connection) as few:
        timeline.timeline(north, limit=1)
    with CaptureQueriesContext(connection) as many:
        timeline.timeline(north, limit=50)
    assert len(few) <= 18
    assert abs(len(many) - len(few)) <= 2  # who and what the images of persons are


def test_a_cursor_of_another_list_is_refused() -> None:
    north = parties.customers_by_code(["north"])["north"]
    with pytest.raises(CursorUnreadable):
        timeline.timeline(north, after="bnVsbA==")


def test_ten_thousand_things_open_in_half_a_second() -> None:
    start = datetime(2026, 10, 1, 3, tzinfo=UTC)
    events = [
        EventIn(f"e{n}", "subscription", "n-1", "calls", start + timedelta(minutes=5 * n),
                Decimal(1))
        for n in range(9_000)
    ]  # fmt: skip
    metering.ingest(events, source="many", actor=ACTOR, now=LATER)
    key = customer_id("north")
    for n in range(1_000):
        parties_services.add_note(
            key, f"Заметка {n}", actor=ACTOR, now=LATER + timedelta(seconds=n)
        )
    north = parties.customers_by_code(["north"])["north"]
    seconds = []
    after: str | None = ""
    for _ in range(3):
        began = perf_counter()
        page = timeline.timeline(north, after=after or "")
        seconds.append(perf_counter() - began)
        after = page.next
        assert len(page.entries) == 50
    assert min(seconds) <= 0.5
