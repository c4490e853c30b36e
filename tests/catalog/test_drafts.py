"""Drafts: edited step by step, published whole, in sight of everybody else's publications."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from kvit.catalog import queries, services
from kvit.catalog.models import Draft, PriceVersion, Publication
from kvit.catalog.rows import CatalogueIn, DraftInfo, PriceIn
from kvit.core import statements
from kvit.core.catalogue import Meter, PlanTerms, PriceTerms
from kvit.core.pricing import PriceError, parse_price
from kvit.parties.rows import Tenant
from kvit.platform.ids import uuid7
from kvit.platform.models import AuditRow, EventLog

NOW = datetime(2026, 11, 10, 9, tzinfo=UTC)
LATER = datetime(2026, 11, 11, 9, tzinfo=UTC)
DENIS, OLGA = "user:denis", "user:olga"
DECEMBER = date(2026, 12, 1)
CALLS = {
    "plan": "pro", "code": "calls", "name": "Вызовы", "meter": "calls", "prorate": "none",
    "price": {"model": "per_unit", "unit": "0.2"},
    "examples": [{"units": "10", "amount": "2.00"}],
}  # fmt: skip


@pytest.fixture
def sold(tenant: Tenant) -> Tenant:
    """Plan `pro`: calls at 0.10, revision 1."""
    price = PriceTerms(
        "pro", "calls", "Вызовы", parse_price({"model": "per_unit", "unit": "0.1"}),
        meter="calls", prorate="none",
    )  # fmt: skip
    stated = CatalogueIn(
        meters=(Meter("calls", "Вызовы", "вызов", "sum"),),
        plans=(PlanTerms("pro", "Профи"),),
        prices=(PriceIn(price),),
    )
    services.publish(stated, actor=DENIS, now=NOW, reason="начало")
    return tenant


HALF = {"code": "half", "name": "Половина", "percent": "50"}


def drafted(*documents: tuple[statements.Kind, dict[str, Any]], day: date = DECEMBER) -> DraftInfo:
    info = services.open_draft("Звонки дороже", effective_from=day, actor=DENIS, now=NOW)
    for kind, document in documents:
        info = services.put(
            info.id, kind, document, expected=info.version, actor=DENIS, now=NOW
        )  # fmt: skip
    return info


def publish(info: DraftInfo, **said: Any) -> int:
    given = {"expected": info.version, "actor": DENIS, "now": LATER, "reason": "дороже"} | said
    return services.publish_draft(info.id, **given)


def unit_on(day: date) -> str:
    [one] = queries.catalogue().prices_on("pro", day)
    return str(one.price.document()["unit"])


def state() -> tuple[Any, ...]:
    return (
        queries.latest_revision(),
        PriceVersion.objects.count(),
        Publication.objects.count(),
        list(Draft.objects.values_list("status", "version", "content")),
        EventLog.objects.count(),
    )


@pytest.mark.usefixtures("sold")
def test_a_draft_sells_nothing_until_it_is_published_from_its_day() -> None:
    info = drafted(("price", CALLS))
    assert (unit_on(DECEMBER), info.version) == ("0.1", 2)
    assert publish(info) == 2
    assert (unit_on(date(2026, 11, 30)), unit_on(DECEMBER)) == ("0.1", "0.2")
    told = Publication.objects.get(revision=2)
    assert (told.author, told.reason, told.draft_id, told.stated) == (
        DENIS, "дороже", info.id, ["price:pro/calls"],
    )  # fmt: skip
    row = AuditRow.objects.get(action="catalog.price.published", reason="дороже")
    assert (row.before["definition"]["unit"], row.after["definition"]["unit"]) == ("0.1", "0.2")


@pytest.mark.usefixtures("sold")
def test_a_new_plan_is_published_with_its_price_and_meter() -> None:
    price = CALLS | {"plan": "max", "meter": "minutes", "examples": []}
    info = drafted(
        ("plan", {"code": "max", "name": "Максимум"}),
        ("meter", {"code": "minutes", "name": "Минуты"}),
        ("price", price),
        ("discount", {"code": "vip", "name": "VIP", "percent": "5"}),
    )
    publish(info)
    known = queries.catalogue()
    assert [one.code for one in known.prices_on("max", DECEMBER)] == ["calls"]
    assert known.plan_on("max", DECEMBER).name == "Максимум"  # type: ignore[union-attr]
    assert known.discounts_on(date(2026, 11, 30)) == ()
    assert [one.code for one in known.discounts_on(DECEMBER)] == ["vip"]


@pytest.mark.usefixtures("sold")
def test_published_once() -> None:
    info = drafted(("price", CALLS))
    publish(info)
    before = state()
    with pytest.raises(services.DraftRefused) as refused:
        publish(info)
    assert refused.value.code == "draft_closed"
    assert state() == before


@pytest.mark.usefixtures("sold")
@pytest.mark.parametrize(
    ("documents", "code"),
    [
        ([], "draft_empty"),
        ([("price", CALLS | {"meter": "gone"})], "meter_missing"),
        ([("price", CALLS | {"plan": "gone"})], "plan_missing"),
        ([("price", CALLS | {"phase": "intro"})], "phase_missing"),
        ([("plan", {"code": "set", "name": "Набор", "includes": ["gone"]})], "included_missing"),
        ([("plan", {"code": "set", "name": "Набор", "seller": "gone"})], "seller_missing"),
        ([("price", CALLS | {"calendar": "gone"})], "calendar_missing"),
        ([("plan", {"code": "set", "name": "Набор", "calendar": "gone"})], "calendar_missing"),
        ([("price", CALLS | {"filters": {"gone": "x"}})], "dimension_missing"),
        ([("price", CALLS | {"group_by": ["gone"]})], "dimension_missing"),
        ([("discount", HALF | {"scope": "gone"})], "scope_missing"),
        ([("discount", HALF | {"scope": f"{CALLS['plan']}/gone"})], "scope_missing"),
        ([("price", CALLS | {"examples": [{"units": "10", "amount": "3"}]})], "example_fails"),
        (
            [("price", CALLS | {"examples": [{"minutes": "1", "amount": "3"}]})],
            "example_unreadable",
        ),
    ],
)
def test_what_cannot_be_sold_is_not_published(documents: list[Any], code: str) -> None:
    info = drafted(*documents)
    before = state()
    with pytest.raises((services.DraftRefused, services.ExampleFails)) as refused:
        publish(info)
    assert refused.value.code == code
    assert state() == before


@pytest.mark.usefixtures("sold")
def test_what_is_named_may_come_with_the_draft_or_with_kvit() -> None:
    scope = f"{CALLS['plan']}/{CALLS['code']}"
    meter = {"code": "bytes", "name": "Байты", "dimensions": ["region"]}
    documents: list[tuple[statements.Kind, dict[str, Any]]] = [
        ("meter", meter),
        ("calendar", {"code": "own", "holidays": ["2026-12-31"]}),
        ("plan", {"code": "set", "name": "Набор", "calendar": "ru"}),
        ("price", CALLS | {"meter": "bytes", "calendar": "own", "filters": {"region": "eu"}}),
        ("discount", HALF | {"scope": scope}),
    ]
    publish(drafted(*documents))
    assert [one.scope for one in queries.catalogue().discounts] == [scope]


@pytest.mark.usefixtures("sold")
def test_a_discount_of_a_later_day_leaves_the_one_before_it_in_force() -> None:
    for day, percent in ((DECEMBER, "10"), (date(2027, 1, 1), "20"), (date(2027, 1, 1), "30")):
        publish(drafted(("discount", HALF | {"percent": percent}), day=day))
    told = [(one.document["percent"], one.status)
            for one in queries.stated_history("discount", "half")]  # fmt: skip
    assert told == [("30", "published"), ("20", "obsolete"), ("10", "published")]


@pytest.mark.usefixtures("sold")
def test_a_reason_is_asked_for() -> None:
    info = drafted(("price", CALLS))
    with pytest.raises(services.DraftRefused) as refused:
        publish(info, reason="  ")
    assert refused.value.code == "reason_missing"


@pytest.mark.usefixtures("sold")
def test_an_unreadable_document_names_its_field_and_changes_nothing() -> None:
    info = drafted(("price", CALLS))
    before = state()
    wrong = CALLS | {"price": {"model": "per_unit", "unit": "a lot"}}
    with pytest.raises(PriceError) as refused:
        services.put(info.id, "price", wrong, expected=2, actor=DENIS, now=NOW)
    assert (refused.value.code, refused.value.field) == ("not_a_number", "price.price.unit")
    assert state() == before


@pytest.mark.usefixtures("sold")
def test_two_editors_see_each_other() -> None:
    info = drafted(("price", CALLS))
    dearer = CALLS | {"price": {"model": "per_unit", "unit": "0.3"}, "examples": []}
    services.put(info.id, "price", dearer, expected=info.version, actor=OLGA, now=LATER)
    before = state()
    with pytest.raises(services.DraftRefused) as refused:
        publish(info)
    assert refused.value.code == "draft_moved"
    assert OLGA in refused.value.text("ru")
    assert state() == before


@pytest.mark.usefixtures("sold")
def test_a_publication_meanwhile_is_a_conflict_until_it_is_settled() -> None:
    info = drafted(("price", CALLS))
    other = drafted(
        ("price", CALLS | {"price": {"model": "per_unit", "unit": "0.15"}, "examples": []})
    )
    publish(other)
    before = state()
    with pytest.raises(services.DraftRefused) as refused:
        publish(info)
    assert refused.value.code == "draft_conflict"
    assert state() == before
    [change] = queries.changes_of(info.id)
    units = [doc["price"]["unit"] for doc in (change.before, change.stands, change.after)]  # type: ignore[index]
    assert (units, change.conflict) == (["0.1", "0.15", "0.2"], True)

    info = services.settle(info.id, expected=info.version, actor=DENIS, now=LATER)
    publish(info)
    assert unit_on(DECEMBER) == "0.2"
    assert PriceVersion.objects.get(definition__unit="0.15").status == "obsolete"


@pytest.mark.usefixtures("sold")
def test_what_is_taken_out_stays_as_it_stands() -> None:
    info = drafted(("price", CALLS), ("discount", {"code": "vip", "name": "VIP", "percent": "5"}))
    info = services.take_out(
        info.id, "price", "pro/calls", expected=info.version, actor=DENIS, now=NOW
    )
    publish(info)
    assert unit_on(DECEMBER) == "0.1"


@pytest.mark.usefixtures("sold")
def test_a_price_is_ended_by_a_draft() -> None:
    publish(drafted(("price", CALLS | {"ends": True, "examples": []})))
    assert queries.catalogue().prices_on("pro", DECEMBER) == ()
    assert unit_on(date(2026, 11, 30)) == "0.1"


@pytest.mark.usefixtures("sold")
def test_a_discarded_draft_stays_readable_and_closed() -> None:
    info = drafted(("price", CALLS))
    services.discard(info.id, expected=info.version, actor=DENIS, now=NOW, reason="передумали")
    assert queries.drafts().rows == ()
    found = queries.draft(info.id)
    assert found is not None
    assert (found.status, list(found.content["price"])) == ("discarded", ["pro/calls"])
    with pytest.raises(services.DraftRefused):
        services.put(info.id, "price", CALLS, expected=3, actor=DENIS, now=NOW)


@pytest.mark.usefixtures("sold")
def test_an_attempt_without_the_right_is_kept_with_what_it_would_have_made() -> None:
    info = drafted(("price", CALLS))
    services.refuse_publication(info.id, actor=OLGA, now=LATER)
    row = AuditRow.objects.get(action="catalog.price.publication_refused")
    assert (row.actor, row.object_id) == (OLGA, "pro/calls")
    assert (row.before["price"]["unit"], row.after["price"]["unit"]) == ("0.1", "0.2")
    told = EventLog.objects.get(topic="catalog.publication.refused")
    assert told.payload["objects"] == ["price:pro/calls"]
    assert unit_on(DECEMBER) == "0.1"
    with pytest.raises(services.DraftRefused):
        services.refuse_publication(uuid7(), actor=OLGA, now=LATER)


@pytest.mark.usefixtures("sold")
def test_history_tells_who_when_why_and_what_was_before() -> None:
    publish(drafted(("price", CALLS)))
    latest, *rest = queries.history("pro")
    assert (latest.kind, latest.key, latest.revision) == ("price", "pro/calls", 2)
    assert (latest.author, latest.at, latest.reason) == (DENIS, LATER, "дороже")
    assert latest.effective_from == DECEMBER
    assert latest.before is not None
    assert (latest.before["price"]["unit"], latest.document["price"]["unit"]) == ("0.1", "0.2")  # type: ignore[index]
    assert [(one.kind, one.before, one.reason) for one in rest] == [
        ("price", None, "начало"), ("plan", None, "начало"),
    ]  # fmt: skip


def test_nothing_of_another_company_is_found(sold: Tenant) -> None:
    info = drafted(("price", CALLS))
    from kvit.parties.rows import TenantRow
    from kvit.parties.services import create_tenant
    from kvit.platform.tenancy import tenant_scope

    other = create_tenant(
        TenantRow("other", "ООО «Другое»", currency="RUB", zone="Europe/Moscow"),
        actor=OLGA, now=NOW,
    )  # fmt: skip
    with tenant_scope(other.id, switch=True):
        assert queries.draft(info.id) is None
        with pytest.raises(services.DraftRefused) as refused:
            publish(info)
        assert refused.value.code == "draft_unknown"


def ids(infos: list[DraftInfo]) -> list[UUID]:
    return [one.id for one in infos]


@pytest.mark.usefixtures("sold")
def test_drafts_are_listed_by_their_last_edit() -> None:
    first, second = drafted(), drafted()
    services.put(first.id, "price", CALLS, expected=1, actor=OLGA, now=LATER)
    page = queries.drafts(limit=1)
    assert ids(list(page.rows)) == [first.id]
    assert page.next is not None
    assert ids(list(queries.drafts(after=page.next).rows)) == [second.id]


VIP = {"code": "vip", "name": "VIP", "percent": "5"}


@pytest.mark.usefixtures("sold")
def test_a_discount_changes_from_the_drafts_day_and_its_past_is_kept() -> None:
    publish(drafted(("discount", VIP)))
    january = services.open_draft("Больше", effective_from=date(2027, 1, 1), actor=DENIS, now=NOW)
    info = services.put(
        january.id, "discount", VIP | {"percent": "7"}, expected=1, actor=DENIS, now=NOW
    )
    [change] = queries.changes_of(info.id)
    assert (change.stands["percent"], change.after["percent"]) == ("5", "7")  # type: ignore[index]
    publish(info)
    known = queries.catalogue()
    assert [
        [(one.percent, one.effective_from) for one in known.discounts_on(day)]
        for day in (date(2026, 11, 30), DECEMBER, date(2027, 1, 1))
    ] == [[], [(5, DECEMBER)], [(7, date(2027, 1, 1))]]
    known = queries.catalogue(as_of=queries.latest_revision() - 1)
    assert [one.percent for one in known.discounts_on(date(2027, 1, 1))] == [5]


@pytest.mark.usefixtures("sold")
def test_a_discount_stated_anew_for_its_day_replaces_that_version_alone() -> None:
    publish(drafted(("discount", VIP)))
    publish(drafted(("discount", VIP | {"percent": "6"})))
    assert [one.percent for one in queries.discounts()] == [6]


@pytest.mark.usefixtures("sold")
def test_how_a_meter_counts_is_not_changed_from_a_later_day() -> None:
    """It would change at once, whatever day the draft names: refused, with what to do."""
    info = drafted(
        ("meter", {"code": "calls", "name": "Вызовы", "unit": "вызов", "aggregation": "max"})
    )
    before = state()
    with pytest.raises(services.DraftRefused) as refused:
        publish(info)
    assert refused.value.code == "meter_day"
    assert refused.value.text("en").endswith("give the draft a day no later than 2026-11-11.")
    assert state() == before
    today = services.rename(
        info.id, title="Сегодня", effective_from=LATER.date(), expected=info.version,
        actor=DENIS, now=LATER,
    )  # fmt: skip
    publish(today)
    assert queries.meters()["calls"].aggregation == "max"


@pytest.mark.usefixtures("sold")
def test_a_meter_may_be_called_otherwise_from_a_later_day() -> None:
    publish(
        drafted(
            ("meter", {"code": "calls", "name": "Звонки", "unit": "звонок", "aggregation": "sum"})
        )
    )
    assert queries.meters()["calls"].name == "Звонки"
