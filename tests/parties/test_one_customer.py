"""A customer at a form: made, changed, refused in words; found by what people type."""

from dataclasses import replace
from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kvit.parties import queries, services
from kvit.parties.models import Customer, SearchKey
from kvit.parties.rows import BranchRow, CustomerAsked, CustomerRow, SellerRow, Tenant
from kvit.parties.services import CustomerNotTaken
from kvit.platform.models import AuditRow
from kvit.platform.revisions import Stale, revision_of
from kvit.platform.tenancy import tenant_scope

ROMASHKA = CustomerRow(
    "romashka", "ООО «Ромашка»", inn="7707083893", kpp="770701001", phone="+7 999 123-45-67"
)
SEVER = CustomerRow("sever", "АО «Северный контур»", segment="key", email="buh@sever.example")
YOLKA = CustomerRow("nord-2041-7", "ИП Ёлкин Пётр", kind="sole", inn="500100732259")


def make(*rows: CustomerRow, now: datetime) -> None:
    for row in rows:
        services.create_customer(row, actor="user:7", now=now)


def change(row: CustomerRow, seen: CustomerRow, now: datetime) -> bool:
    return services.change_customer(
        seen.code, row, seen=revision_of(seen), actor="user:7", now=now, reason="по письму"
    )


def found(text: str = "", order: str = "name", **wanted: object) -> list[str]:
    page = queries.customers_page(CustomerAsked(text=text, **wanted), order=order)  # type: ignore[arg-type]
    assert page.count == len(page.rows)
    return [one.row.code for one in page.rows]


def refused(code: str, row: CustomerRow, now: datetime) -> CustomerNotTaken:
    before = (Customer.objects.count(), SearchKey.objects.count(), AuditRow.objects.count())
    with pytest.raises(CustomerNotTaken) as caught:
        make(row, now=now)
    assert (Customer.objects.count(), SearchKey.objects.count(), AuditRow.objects.count()) == before
    assert caught.value.code == code
    assert caught.value.text("ru") != caught.value.text("en")
    return caught.value


def test_one_is_found_by_anything_that_people_type(tenant: Tenant, now: datetime) -> None:
    make(ROMASHKA, SEVER, YOLKA, now=now)
    for text, codes in [
        ("ромашке", ["romashka"]),
        ("Северного контура", ["sever"]),
        ("контур северный", ["sever"]),
        ("7707083893", ["romashka"]),
        ("770708", ["romashka"]),
        ("8 999 123-45-67", ["romashka"]),
        ("nord-2041", ["nord-2041-7"]),
        ("елкину", ["nord-2041-7"]),
        ("buh@sever.example", ["sever"]),
        ("hjvfirf", ["romashka"]),  # «ромашка» in the English layout
        ("ромашка контур", []),
        ("такого нет", []),
        ("%", []),
        ("", ["nord-2041-7", "romashka", "sever"]),
    ]:
        assert found(text) == codes, text


def test_a_new_name_is_found_and_the_old_one_no_more(tenant: Tenant, now: datetime) -> None:
    make(ROMASHKA, now=now)
    assert change(replace(ROMASHKA, name="ООО «Лютик»"), ROMASHKA, now)
    assert found("лютика") == ["romashka"]
    assert found("ромашку") == []


def test_the_list_is_narrowed_and_sorted(tenant: Tenant, now: datetime) -> None:
    make(ROMASHKA, SEVER, replace(YOLKA, payer="sever"), now=now)
    ids = {code: one.id for code, one in queries.customers().items()}
    assert found(kind="sole") == ["nord-2041-7"]
    assert found(segment="key") == ["sever"]
    assert found(payer_id=ids["sever"]) == ["nord-2041-7"]
    assert found(among=[ids["romashka"]]) == ["romashka"]
    assert found(without=[ids["romashka"]], order="-name") == ["sever", "nord-2041-7"]
    assert found(branches=["north"]) == []
    assert queries.customer_choices().segments == ("key",)


def test_pages_go_on_where_the_last_ended(tenant: Tenant, now: datetime) -> None:
    make(*(CustomerRow(f"c{n}", "Тёзка") for n in range(5)), now=now)
    seen: list[object] = []
    after: str | None = ""
    while after is not None:
        page = queries.customers_page(CustomerAsked(), after=after, limit=2)
        assert page.count == 5
        seen += [one.id for one in page.rows]
        after = page.next
    assert len(set(seen)) == len(seen) == 5


def test_a_search_goes_through_the_index_and_sees_no_other_tenant(
    tenant: Tenant, now: datetime
) -> None:
    from kvit.parties.rows import TenantRow

    make(ROMASHKA, now=now)
    other = services.create_tenant(
        TenantRow("other", "Другая", "RUB", "Europe/Moscow"), actor="cli:test", now=now
    )
    with tenant_scope(other.id, switch=True):
        assert found("ромашка") == []
        services.apply_customers(
            [CustomerRow(f"x{n}", f"Клиент {n}") for n in range(3_000)],
            actor="cli:test", now=now, reason="test",
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN SELECT customer_id FROM parties_searchkey"
            " WHERE tenant_id = %s AND key >= 'ромашк' AND key < 'ромашкя'",
            [tenant.id],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    condition = plan.split("Index Cond")[1].split("\n")[0]
    assert "key >= 'ромашк'" in condition
    with CaptureQueriesContext(connection) as seen:
        assert queries.looked_up("ромашка", limit=5) == [Customer.objects.get().id]
    assert len(seen) <= 4


def test_requisites_are_checked_and_written_without_spaces(tenant: Tenant, now: datetime) -> None:
    make(replace(ROMASHKA, inn="77 0708 3893", ogrn="1027700132195"), now=now)
    row = queries.customers_by_code(["romashka"])["romashka"].row
    assert (row.inn, row.ogrn) == ("7707083893", "1027700132195")


@pytest.mark.parametrize(
    ("code", "field", "changed"),
    [
        ("inn_check_digit", "inn", {"inn": "7707083894"}),
        ("inn_shape", "inn", {"inn": "500100732259"}),
        ("kpp_shape", "kpp", {"kpp": "7707"}),
        ("ogrn_check_digit", "ogrn", {"ogrn": "1027700132196"}),
        ("bik_shape", "bik", {"bik": "144525225"}),
        ("account_key", "account", {"account": "40702810900000005556", "bik": "044525225"}),
        ("customer_bik_missing", "bik", {"account": "40702810900000005555"}),
        ("customer_kpp_of_person", "kpp", {"kind": "sole", "inn": "500100732259"}),
        ("customer_name_missing", "name", {"name": "  "}),
        ("customer_name_missing", "name", {"name": "\u202e\u200b\u00a0\x01"}),
        ("customer_branch_unknown", "branch", {"branch": "south"}),
    ],
)
def test_a_field_that_cannot_be_right_is_named(
    tenant: Tenant, now: datetime, code: str, field: str, changed: dict[str, str]
) -> None:
    services.apply_sellers([SellerRow("main", "М")], actor="cli:test", now=now, reason="")
    services.apply_branches(
        [BranchRow("north", "Север", "main")], actor="cli:test", now=now, reason=""
    )
    error = refused(code, replace(ROMASHKA, **changed), now)  # type: ignore[arg-type]
    assert error.params["field"] == field


def test_a_second_customer_of_an_inn_is_refused_with_the_first(
    tenant: Tenant, now: datetime
) -> None:
    make(ROMASHKA, SEVER, now=now)
    first = queries.customers_by_code(["romashka"])["romashka"].id
    error = refused("customer_inn_taken", replace(ROMASHKA, code="r2"), now)
    assert (error.params["other"], error.params["customer"]) == ("romashka", first)
    refused("customer_inn_taken", replace(ROMASHKA, code="r2", kpp=""), now)
    refused("customer_exists", ROMASHKA, now)
    with pytest.raises(CustomerNotTaken):
        change(replace(SEVER, inn=ROMASHKA.inn), SEVER, now)
    make(replace(ROMASHKA, code="r2", kpp="780101001"), now=now)  # another division
    assert len(queries.of_inn("7707083893")) == 2


def test_a_change_from_an_older_reading_is_refused(tenant: Tenant, now: datetime) -> None:
    make(ROMASHKA, now=now)
    mine, theirs = replace(ROMASHKA, segment="vip"), replace(ROMASHKA, email="a@b.example")
    assert change(theirs, ROMASHKA, now)
    with pytest.raises(Stale) as caught:
        change(mine, ROMASHKA, now)
    assert (caught.value.stands, caught.value.params) == (theirs, {"who": "user:7"})
    assert queries.customers_by_code(["romashka"])["romashka"].row == theirs
    assert change(replace(theirs, segment="vip"), theirs, now)
    assert not change(replace(theirs, segment="vip"), replace(theirs, segment="vip"), now)
    with pytest.raises(CustomerNotTaken):
        change(replace(SEVER, code="nobody"), replace(SEVER, code="nobody"), now)


def test_notes_are_kept_newest_first_and_out_of_the_audit(tenant: Tenant, now: datetime) -> None:
    make(ROMASHKA, now=now)
    one = queries.customers_by_code(["romashka"])["romashka"].id
    made = [services.add_note(one, f"Звонил {n}", actor="user:7", now=now) for n in range(3)]
    assert [note.text for note in queries.notes_of(one)] == ["Звонил 2", "Звонил 1", "Звонил 0"]
    rest = queries.notes_of(one, before=(made[2].at, made[2].id), limit=1)
    assert [note.text for note in rest] == ["Звонил 1"]
    with queries.masking():  # a note may be about a person
        assert {note.text for note in queries.notes_of(one)} == {"•••"}
    assert "Звонил" not in str(AuditRow.objects.get(object_id=str(made[0].id)).after)
    with pytest.raises(CustomerNotTaken):
        services.add_note(one, "  ", actor="user:7", now=now)
    assert len(queries.notes_of(one)) == 3


def test_actors_are_named(tenant: Tenant, now: datetime) -> None:
    user = services.add_member(
        email="Olga@acme.example", name="Ольга", role="accountant", actor="cli:test", now=now
    )
    told = ["cli:kvit", f"user:{user}", "user:7", "key:nonsense"]
    assert queries.actor_names(told) == {f"user:{user}": "Ольга"}
