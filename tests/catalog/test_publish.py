"""Publishing: examples first, one version a day, nothing edited."""

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from kvit.catalog import queries, services
from kvit.catalog.models import HolidayCalendar, PriceVersion
from kvit.core.catalogue import ALWAYS, Meter, PlanTerms, PriceTerms
from kvit.core.pricing import parse_price
from kvit.parties.rows import Tenant
from kvit.platform.models import EventLog
from kvit.platform.reading import reading

NOW = datetime(2026, 11, 10, 9, tzinfo=UTC)
ACTOR = "user:7"


def price(unit: str, *examples: dict[str, str], **said: Any) -> services.PriceIn:
    terms = PriceTerms(
        "pro", "fee", "Fee", parse_price({"model": "per_unit", "unit": unit}), **said
    )
    return services.PriceIn(terms, examples)


def publish(*prices: services.PriceIn) -> int:
    stated = services.CatalogueIn(
        meters=(Meter("calls", "Calls", "", "sum"),),
        plans=(PlanTerms("pro", "Pro"),) if not PriceVersion.objects.exists() else (),
        prices=prices,
    )
    return services.publish(stated, actor=ACTOR, now=NOW)


def unit_on(day: date, as_of: int | None = None) -> list[str]:
    found = queries.catalogue(as_of=as_of).prices_on("pro", day)
    return [str(one.price.document()["unit"]) for one in found]


def test_a_price_whose_example_fails_publishes_nothing(tenant: Tenant) -> None:
    with pytest.raises(services.ExampleFails) as failed:
        publish(
            price("1"), price("2", {"units": "3", "amount": "7"}, effective_from=date(2026, 5, 1))
        )
    assert failed.value.text("ru") == (
        "Пример 1 цены pro/fee не выполняется: в нём 7, цена даёт 6. Исправьте цену или пример."
    )
    assert queries.latest_revision() == 0
    assert not PriceVersion.objects.exists()
    assert not EventLog.objects.filter(topic="catalog.catalogue.published").exists()


def test_versions_by_day_and_by_revision(tenant: Tenant) -> None:
    assert publish(price("1")) == 1
    assert publish(price("2", effective_from=date(2026, 5, 1))) == 2
    assert publish(price("3", effective_from=date(2026, 5, 1))) == 3  # replaces the second
    assert unit_on(date(2026, 4, 30)) == ["1"]
    assert unit_on(date(2026, 5, 1)) == ["3"]
    assert unit_on(date(2026, 5, 1), as_of=2) == ["2"]
    assert unit_on(date(2026, 5, 1), as_of=1) == ["1"]
    assert PriceVersion.objects.filter(status="obsolete").count() == 1


def test_what_is_read_back_is_what_was_stated(tenant: Tenant) -> None:
    said = {
        "when": "advance", "prorate": "fixed_30", "continues": True, "counts_quantity": False,
        "price_basis": "gross", "filters": (("region", ("eu", "us")),), "group_by": ("region",),
        "phase": "intro", "calendar": "ru",
    }  # fmt: skip
    stated = price("1.25", **said).terms
    publish(services.PriceIn(stated))
    back = queries.catalogue().prices["pro"][0]
    assert {name: getattr(back, name) for name in said} == said
    assert back.price == stated.price
    assert back.effective_from == ALWAYS
    assert queries.price_version(back.version_id) == back


def test_pages_keep_the_catalogue_until_it_changes(tenant: Tenant) -> None:
    def asked() -> tuple[list[str], int]:
        with CaptureQueriesContext(connection) as seen, reading():
            found = unit_on(date(2026, 6, 1))
        return found, sum("catalog_" in one["sql"] for one in seen)

    publish(price("1"))
    assert asked()[0] == ["1"]
    assert asked() == (["1"], 1)  # the revision alone
    with reading(), suppress(ZeroDivisionError):
        assert unit_on(date(2026, 6, 1)) == ["1"]
        with transaction.atomic():
            publish(price("2", effective_from=date(2026, 5, 1)))
            assert unit_on(date(2026, 6, 1)) == ["2"]
            raise ZeroDivisionError  # a dry run: what was published is not kept
    assert asked() == (["1"], 1)
    publish(price("3", effective_from=date(2026, 5, 1)))
    assert asked()[0] == ["3"]
    assert unit_on(date(2026, 6, 1)) == ["3"]


def test_a_calendar_stated_anew_leaves_what_was_known_before(tenant: Tenant) -> None:
    first, second = date(2026, 11, 4), date(2026, 12, 31)

    def state(*days: date) -> int:
        stated = services.CatalogueIn(calendars={"own": dict.fromkeys(days, "holiday")})
        return services.publish(stated, actor=ACTOR, now=NOW)

    services.publish(services.CatalogueIn(), actor=ACTOR, now=NOW)
    known, again, later = state(first), state(first), state(first, second)
    told = {
        at: sorted(queries.calendars(as_of=at)["own"].holidays)
        for at in (known - 1, known, again, later, None)
    }
    assert told == {
        known - 1: [first], known: [first], again: [first], later: [first, second],
        None: [first, second],
    }  # fmt: skip
    assert HolidayCalendar.objects.count() == 2  # the same once more is no new one
    assert queries.days_of_calendars() == {"own": {first: "holiday", second: "holiday"}}
