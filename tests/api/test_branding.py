"""A seller's looks over the API: the same checks as the page."""

import base64

from kvit.parties import queries
from kvit.parties.brands import BrandRow, brands
from tests.api.conftest import Callers
from tests.parties.test_brands import SVG, seller

__all__ = ["seller"]


def standing() -> BrandRow:
    key = queries.sellers()["main"].id
    return brands([key]).get(key, BrandRow())


def test_the_api_does_the_same(api: Callers, seller: str) -> None:
    admin = api()
    logo = base64.b64encode(SVG).decode()
    made = admin.put("/sellers/main/brand", {"colour": "#0b57b7", "logo": logo})
    assert (made.status, made.json["logo"]["width"], made.json["colour"]) == (200, 10, "#0b57b7")
    kept = admin.put("/sellers/main/brand", {"colour": "#1d6b52"})
    assert kept.json["logo"] == made.json["logo"]  # left out: it stays
    pale = admin.put("/sellers/main/brand", {"colour": "#f5a623"})
    assert (pale.status, pale.code, pale.json["field"]) == (422, "brand_colour_pale", "colour")
    broken = admin.put("/sellers/main/brand", {"colour": "", "logo": "!"})
    assert (broken.status, broken.code) == (422, "logo_not_base64")
    assert standing() == BrandRow("#1d6b52", made.json["logo"]["digest"])
    assert admin.put("/sellers/main/brand", {"colour": "", "logo": ""}).json["logo"] is None
    assert api("settings.read").put("/sellers/main/brand", {"colour": ""}).status == 403
