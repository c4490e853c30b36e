"""What is applied is what was shown, to the kopeck, or nothing."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kvit.catalog import services as catalog
from kvit.invoicing import queries
from kvit.invoicing.services import preview_payer
from kvit.subscriptions.models import Amendment
from kvit.web import previewed
from kvit.web.amending import Given, read_one
from tests.invoicing.company import (
    ACTOR,
    NOVEMBER,
    OCTOBER,
    amend,
    bill,
    customer_id,
    documents,
    use,
)
from tests.invoicing.test_preview import state

MID_OCTOBER = datetime(2026, 10, 16, 9, tzinfo=UTC)


def fifteen_percent() -> Given:
    return read_one("n-1", "discount", "2026-10-16", "15 %")


def priced(given: Given) -> previewed.Priced:
    return previewed.price(given, reason="VIP", actor=ACTOR, now=MID_OCTOBER)


def make(given: Given, token: str, **said: Any) -> Any:
    asked = {"reason": "VIP", "actor": ACTOR, "now": MID_OCTOBER} | said
    return previewed.make(given, token=token, **asked)


@pytest.mark.usefixtures("acme")
def test_what_was_shown_is_what_is_billed() -> None:
    before = state()
    shown = priced(fifteen_percent())
    assert [(one.before_minor, one.after_minor) for one in shown.figures] == [
        (244_000, 234_555), (122_000, 103_700),
    ]  # fmt: skip
    assert [one.difference_minor for one in shown.figures] == [-9_445, -18_300]
    assert state() == before

    answer = make(fifteen_percent(), shown.token)
    assert answer.recorded
    row = Amendment.objects.get()
    assert (row.reason, row.author) == ("VIP", ACTOR)
    bill(OCTOBER)
    assert documents("north")[0].total_minor == 234_555


@pytest.mark.usefixtures("acme")
def test_usage_that_came_meanwhile_refuses_and_says_both_sums() -> None:
    shown = priced(fifteen_percent())
    use("n-1", 100, date(2026, 10, 15))  # 10.00 net, 12.20 with VAT
    before = state()
    with pytest.raises(previewed.PreviewStale) as refused:
        make(fifteen_percent(), shown.token)
    text = refused.value.text("ru").replace("\N{NO-BREAK SPACE}", " ")
    assert text.startswith("Расчёт устарел: было 2 345,55 ₽, стало 2 357,75 ₽.")
    assert state() == before


@pytest.mark.usefixtures("acme")
def test_another_change_meanwhile_refuses() -> None:
    shown = priced(read_one("n-1", "plan", "2026-11-01", "pre"))
    amend("n-1", date(2026, 10, 20), "discount", {"percent": "5"})
    before = state()
    with pytest.raises(previewed.PreviewStale):
        make(read_one("n-1", "plan", "2026-11-01", "pre"), shown.token)
    assert state() == before


@pytest.mark.usefixtures("acme")
def test_another_change_that_no_bill_shows_refuses_as_well() -> None:
    shown = priced(fifteen_percent())
    amend("n-1", date(2026, 10, 20), "quantity", "2")
    amend("n-1", date(2026, 10, 20), "quantity", "1")  # the bills are those that were shown
    before = state()
    with pytest.raises(previewed.PreviewStale) as refused:
        make(fifteen_percent(), shown.token)
    assert "тем временем изменили подписку" in refused.value.text("ru")
    assert state() == before


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("token", ["", "made up", "another"])
def test_a_change_needs_its_own_preview(token: str) -> None:
    if token == "another":
        token = priced(read_one("n-1", "discount", "2026-10-16", "16 %")).token
    before = state()
    with pytest.raises(previewed.PreviewStale):
        make(fifteen_percent(), token)
    assert state() == before


@pytest.mark.usefixtures("acme")
def test_a_reason_is_asked_for() -> None:
    shown = priced(fifteen_percent())
    with pytest.raises(previewed.PreviewStale) as refused:
        make(fifteen_percent(), shown.token, reason=" ")
    assert refused.value.code == "change_reason_missing"


@pytest.mark.usefixtures("acme")
def test_a_scheduled_change_is_taken_back() -> None:
    amend("n-1", NOVEMBER.start, "plan", "pre")
    given = previewed.withdrawal("n-1", 1, reason="передумали", now=MID_OCTOBER)
    shown = priced(given)
    assert [one.difference_minor for one in shown.figures] == [0, -24_400]
    later = previewed.withdrawal("n-1", 1, reason="", now=MID_OCTOBER + timedelta(minutes=5))
    make(later, shown.token)
    assert preview_payer(customer_id("north"), now=MID_OCTOBER)[1].total_minor("RUB") == 122_000


@pytest.mark.usefixtures("acme")
def test_a_file_is_priced_with_a_verdict_each_and_recorded_whole_or_not_at_all() -> None:
    bad = (
        "subscription,at,change,value\n"
        "n-1,2026-10-16,discount,15 %\n"
        "s-1,2026-11-01,plan,gone\n"
        "s-1,2026-11-01,quantity,3\n"
    )
    shown = priced(previewed.read_text("vip.csv", bad))
    told = [
        (row.subscription, row.change, [one.code for one in faults])
        for row, faults in previewed.verdicts(shown.answer)
    ]
    assert told == [
        ("n-1", "discount", []), ("s-1", "plan", ["unknown_plan"]), ("s-1", "quantity", []),
    ]  # fmt: skip
    assert shown.token == ""
    sound = previewed.read_text("vip.csv", bad.replace("gone", "pre"))
    shown = priced(sound)
    assert len(make(sound, shown.token).numbers) == 3


@pytest.mark.usefixtures("acme")
def test_the_next_bill_of_a_payer_is_seen_and_leaves_nothing() -> None:
    before = state()
    this, following = preview_payer(customer_id("north"), now=MID_OCTOBER)
    assert (this.window, this.total_minor("RUB")) == (OCTOBER, 244_000)
    assert (following.window, following.total_minor("RUB")) == (NOVEMBER, 122_000)
    assert state() == before
    assert queries.last_billed() is None
    bill(OCTOBER)
    assert queries.last_billed() == OCTOBER


@pytest.mark.usefixtures("acme")
def test_a_discount_published_from_a_day_shows_and_bills_from_that_day() -> None:
    """10 % for everybody from 16 October on the fee, and from November on the calls as well:
    1 000 × 15/31 + 1 000 × 16/31 × 0.9 = 948.39; calls 1 000; with VAT of 22 %."""
    for day, scope, code in (
        (date(2026, 10, 16), "pro/fee", "autumn"), (date(2026, 11, 1), "pro/calls", "calls"),
    ):  # fmt: skip
        info = catalog.open_draft(code, effective_from=day, actor=ACTOR, now=MID_OCTOBER)
        document = {"code": code, "name": code, "percent": "10", "scope": scope}
        said = {"actor": ACTOR, "now": MID_OCTOBER}
        info = catalog.put(info.id, "discount", document, expected=info.version, **said)
        catalog.publish_draft(info.id, expected=info.version, reason="осень", **said)
    use("n-1", 10_000, date(2026, 11, 5))
    shown = priced(read_one("s-1", "quantity", "2026-10-16", "1"))
    assert [one.after_minor for one in shown.figures] == [115_704, 109_800]
    told = []
    for period in (OCTOBER, NOVEMBER):
        bill(period)
        told += [documents(who, period)[0].total_minor for who in ("north", "south")]
    assert told == [237_704, 115_704, 219_600, 109_800]
