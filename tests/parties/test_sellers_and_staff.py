"""Tenants, sellers, branches, members."""

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import pytest
from django.contrib.auth.hashers import check_password
from django.db import IntegrityError, transaction

from kvit.parties import queries
from kvit.parties.models import Membership, Seller, User
from kvit.parties.models import Tenant as TenantTable
from kvit.parties.rows import BranchRow, Changes, SellerRow, Tenant, TenantRow
from kvit.parties.services import (
    PartyRefused,
    add_member,
    apply_branches,
    apply_sellers,
    change_tenant,
    create_tenant,
    remove_member,
)
from kvit.platform.models import AuditRow, EventLog
from kvit.platform.tenancy import tenant_scope

MAIN = SellerRow("main", "ООО «Главный»", inn="7701234567", account="40702810000000000001")


def test_a_tenant_is_found_by_its_code(tenant: Tenant, now: datetime) -> None:
    assert queries.tenant_by_code("acme") == tenant == queries.tenant()
    assert queries.tenant_by_code("nobody") is None
    other = create_tenant(TenantRow("b", "B", "EUR", "Europe/Riga", "en"), actor="t", now=now)
    assert queries.tenants() == [tenant, other]
    assert EventLog.objects.get(topic="parties.tenant.created").payload == {
        "id": str(tenant.id),
        "code": "acme",
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "tenant_exists"),
        ({"code": "b", "zone": "Mars/Olympus"}, "tenant_zone_unknown"),
        ({"code": "b", "currency": "rub"}, "tenant_currency_unknown"),
    ],
)
def test_a_refused_tenant_is_not_made(
    tenant: Tenant, now: datetime, change: dict[str, str], code: str
) -> None:
    with pytest.raises(PartyRefused) as caught:
        create_tenant(replace(tenant.row, **change), actor="t", now=now)
    assert caught.value.code == code
    assert caught.value.text("ru") != str(caught.value)
    assert TenantTable.objects.count() == 1


def test_a_tenant_may_change_and_it_is_audited(tenant: Tenant, now: datetime) -> None:
    row = replace(tenant.row, vat_rounding="line", name="Новое имя")
    assert change_tenant(row, actor="user:1", now=now, reason="policy") is True
    assert change_tenant(row, actor="user:1", now=now, reason="policy") is False
    assert queries.tenant().row == row
    audit = AuditRow.objects.get(action="tenant.changed")
    assert (audit.before["vat_rounding"], audit.after["vat_rounding"]) == ("document", "line")
    fact = EventLog.objects.get(topic="parties.tenant.changed")
    assert fact.payload["fields"] == ["name", "vat_rounding"]
    create_tenant(replace(row, code="b"), actor="t", now=now)
    with pytest.raises(PartyRefused):
        change_tenant(replace(row, code="b"), actor="t", now=now, reason="")
    with pytest.raises(IntegrityError), transaction.atomic():
        change_tenant(replace(row, late_events="never"), actor="t", now=now, reason="")
    assert queries.tenant().row == row


def test_sellers_take_the_tenants_rounding_unless_they_say(tenant: Tenant, now: datetime) -> None:
    own = replace(MAIN, code="own", vat_rounding="line", approval=True, split="service")
    result = apply_sellers([MAIN, own], actor="t", now=now, reason="r")
    assert result == Changes(created=("main", "own"))
    found = queries.sellers()
    assert {code: (one.row, one.vat_rounding) for code, one in found.items()} == {
        "main": (MAIN, "document"),
        "own": (own, "line"),
    }
    assert apply_sellers([own, MAIN], actor="t", now=now, reason="r").created == ()
    changed = replace(MAIN, signer="И. И. Иванов")
    assert apply_sellers([changed], actor="t", now=now, reason="r").changed == ("main",)
    assert AuditRow.objects.get(action="seller.changed").after["signer"] == "И. И. Иванов"
    for wrong in ({"price_basis": "both"}, {"split": "line"}, {"vat_rounding": "never"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            apply_sellers([replace(MAIN, **wrong)], actor="t", now=now, reason="r")
    assert queries.sellers()["main"].row == changed


def test_branches_belong_to_a_seller(tenant: Tenant, now: datetime) -> None:
    apply_sellers([MAIN], actor="t", now=now, reason="r")
    north = BranchRow("north", "Север", seller="main")
    assert apply_branches([north], actor="t", now=now, reason="r").created == ("north",)
    assert apply_branches([north], actor="t", now=now, reason="r").unchanged == ("north",)
    assert queries.branches() == {"north": north}
    with pytest.raises(PartyRefused) as caught:
        apply_branches([replace(north, seller="nobody")], actor="t", now=now, reason="r")
    assert caught.value.code == "seller_unknown"
    with pytest.raises(IntegrityError), transaction.atomic():
        Seller.objects.all().delete()


def test_a_member_is_one_account_in_many_tenants(tenant: Tenant, now: datetime) -> None:
    user = add_member(
        email=" Anna@Example.org", name="Anna", role="owner", actor="t", now=now, password="pw"
    )
    other = create_tenant(replace(tenant.row, code="b"), actor="t", now=now)
    with tenant_scope(other.id, switch=True):
        assert user == add_member(
            email="anna@example.org", name="", role="auditor", actor="t", now=now
        )
        assert user == add_member(
            email="anna@example.org", name="", role="auditor", actor="t", now=now
        )
        assert AuditRow.objects.filter(action="member.added").count() == 1
    assert queries.memberships(user) == [(tenant.id, "owner"), (other.id, "auditor")]
    assert check_password("pw", User.objects.get().password)
    assert "members.write" in queries.rights("owner")
    assert "members.write" not in queries.rights("auditor")

    assert remove_member(user_id=user, role="owner", actor="t", now=now, reason="left") is True
    assert remove_member(user_id=user, role="owner", actor="t", now=now, reason="left") is False
    assert queries.memberships(user) == [(other.id, "auditor")]
    User.objects.update(is_active=False)
    assert queries.memberships(user) == []


def test_members_are_refused_by_reason(tenant: Tenant, now: datetime) -> None:
    with pytest.raises(PartyRefused) as caught:
        add_member(email="a@b.c", name="", role="king", actor="t", now=now)
    assert caught.value.code == "role_unknown"
    add_member(email="a@b.c", name="", role="support", actor="t", now=now)
    assert not User.objects.get().has_usable_password()
    with pytest.raises(PartyRefused) as caught:
        add_member(email="a@b.c", name="", role="support", actor="t", now=now, password="stolen")
    assert caught.value.code == "password_given_twice"
    assert (User.objects.count(), Membership.objects.count()) == (1, 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="A@b.c")


@pytest.mark.django_db
def test_the_default_roles_stand() -> None:
    from kvit.parties.models import Role

    assert set(Role.objects.values_list("code", flat=True)) == {
        "owner",
        "accountant",
        "product_manager",
        "collector",
        "support",
        "auditor",
        "security_officer",
    }
    assert queries.rights("nobody") == frozenset()
    assert queries.memberships(uuid4()) == []
