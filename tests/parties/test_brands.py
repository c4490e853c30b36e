"""A seller's looks: kept once it can be right, with a way back; nothing else is touched."""

import hashlib
from datetime import datetime

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from kvit.parties import models, queries
from kvit.parties.brands import BrandRefused, BrandRow, brands, keep_logo, logos, save_brand
from kvit.parties.rows import SellerRow, Tenant, TenantRow
from kvit.parties.services import apply_sellers, create_tenant
from kvit.platform.models import AuditRow, EventLog
from kvit.platform.tenancy import tenant_scope

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 5"><path d="M0 0h10v5z"/></svg>'


@pytest.fixture
def seller(tenant: Tenant, now: datetime) -> str:
    apply_sellers([SellerRow("main", "ООО «Главный»")], actor="t", now=now, reason="r")
    return "main"


def standing() -> BrandRow | None:
    key = queries.sellers()["main"].id
    return brands([key]).get(key)


def test_a_brand_is_kept_audited_told_and_taken_back(seller: str, now: datetime) -> None:
    logo = keep_logo(SVG)
    row = BrandRow("#0b57b7", logo)
    assert standing() is None
    assert save_brand(seller, BrandRow("0B57B7", logo), actor="user:1", now=now, reason="new")
    assert save_brand(seller, row, actor="user:1", now=now) is False
    assert standing() == row
    kept = logos([logo])[logo]
    assert (kept.media_type, kept.width, kept.height) == ("image/svg+xml", 10, 5)
    assert hashlib.sha256(kept.content).hexdigest() == logo
    audit = AuditRow.objects.get(action="seller.branded")
    assert (audit.before, audit.after) == (
        {"colour": "", "logo": ""}, {"colour": "#0b57b7", "logo": logo},
    )  # fmt: skip
    fact = EventLog.objects.get(topic="parties.seller.changed")
    assert fact.payload["fields"] == ["colour", "logo"]
    save_brand(seller, BrandRow(), actor="user:1", now=now, reason="back")
    assert standing() is None
    assert logos([logo])[logo] == kept  # a change can be taken back again


@pytest.mark.parametrize(
    ("row", "code", "told"),
    [
        (BrandRow("#f5a623"), "brand_colour_pale", "#a06c16"),
        (BrandRow("#777777"), "brand_colour_pale", "#767676"),
        (BrandRow("red"), "brand_colour_wrong", "#0b57b7"),
        (BrandRow("", "0" * 64), "brand_logo_unknown", ""),
    ],
)
def test_what_cannot_be_read_or_is_not_kept_changes_nothing(
    seller: str, now: datetime, row: BrandRow, code: str, told: str
) -> None:
    with pytest.raises(BrandRefused) as caught:
        save_brand(seller, row, actor="user:1", now=now)
    assert (caught.value.code, told in caught.value.text("ru")) == (code, True)
    assert standing() is None
    assert not AuditRow.objects.filter(action="seller.branded").exists()


def test_a_file_that_is_no_logo_is_not_kept(seller: str) -> None:
    with pytest.raises(BrandRefused) as caught:
        keep_logo(SVG.replace(b"<path", b"<script/><path"))
    assert caught.value.code == "picture_forbidden"
    assert "<script>" in caught.value.text("ru")
    assert not models.Logo.objects.exists()


def test_a_logo_is_its_companys_alone_and_never_changed(seller: str, now: datetime) -> None:
    logo = keep_logo(SVG)
    assert keep_logo(SVG) == logo
    assert models.Logo.objects.count() == 1
    other = create_tenant(TenantRow("b", "B", "EUR", "Europe/Riga", "en"), actor="t", now=now)
    with tenant_scope(other.id, switch=True):
        assert logos([logo]) == {}
    with pytest.raises(DatabaseError), transaction.atomic():
        models.Logo.objects.update(width=1)


def test_the_database_refuses_a_colour_that_is_none(seller: str) -> None:
    key = queries.sellers()["main"].id
    with pytest.raises(IntegrityError), transaction.atomic():
        models.Brand.objects.create(seller_id=key, colour="orange")
    assert connection.is_usable()
