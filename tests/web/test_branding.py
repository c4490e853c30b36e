"""Colour and logo: seen on a sheet first, then on every paper to come."""

import io
from collections.abc import Mapping

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pypdf import PdfReader

from kvit.parties import queries
from kvit.parties.brands import BrandRow, brands
from kvit.platform.models import AuditRow
from tests.parties.test_brands import SVG, seller
from tests.web.conftest import Office

__all__ = ["seller"]
PAGE = "/office/settings/sellers/main/brand/"


def standing() -> BrandRow:
    key = queries.sellers()["main"].id
    return brands([key]).get(key, BrandRow())


def sent(owner: Client, **fields: object) -> Mapping[str, object]:
    return {
        "seen": owner.get(PAGE).context["seen"],
        "colour": "",
        "logo": "",
        "reason": "r",
    } | fields


def test_looks_are_shown_then_kept_and_can_be_taken_back(office: Office, seller: str) -> None:
    owner = office("owner")
    file = SimpleUploadedFile("logo.svg", SVG, "image/svg+xml")
    first = owner.post(PAGE, sent(owner, colour="0B57B7", file=file))
    shown = first.context["form"].shown
    assert (first.status_code, shown.colour, standing()) == (200, "#0b57b7", BrandRow())
    assert f"/office/logos/{shown.logo}/" in first.content.decode()
    again = sent(owner, colour=shown.colour, logo=shown.logo, confirm="1")
    assert owner.post(PAGE, again).status_code == 302
    assert standing() == BrandRow("#0b57b7", shown.logo)
    picture = owner.get(f"/office/logos/{shown.logo}/")
    assert picture["Content-Type"] == "image/svg+xml"
    assert "sandbox" in picture["Content-Security-Policy"]
    assert b"M0 0h10v5z" in picture.content
    row = AuditRow.objects.get(action="seller.branded")
    back = owner.get(f"{PAGE}?restore={row.pk}").context["form"].shown
    assert back == BrandRow()
    sample = owner.get(f"{PAGE}sample.pdf?colour=%230b57b7&logo={shown.logo}")
    assert "ОБРАЗЕЦ" in PdfReader(io.BytesIO(sample.content)).pages[0].extract_text()


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"colour": "#f5a623"}, "colour", "#a06c16"),
        ({"file": SimpleUploadedFile("a.svg", SVG.replace(b"<path", b"<script/><path"))}, "file",
         "&lt;script&gt;"),
        ({"file": SimpleUploadedFile("a.png", b"GIF89a")}, "file", "PNG или SVG"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_at_its_field(
    office: Office, seller: str, fields: dict[str, object], field: str, words: str
) -> None:
    owner = office("owner")
    answer = owner.post(PAGE, sent(owner, confirm="1", **fields))
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
    assert words in answer.content.decode()
    assert standing() == BrandRow()


def test_only_who_may_change_settings_changes_looks(office: Office, seller: str) -> None:
    assert office("accountant").get(PAGE).status_code == 403
    assert office("owner").get("/office/logos/" + "0" * 64 + "/").status_code == 404
