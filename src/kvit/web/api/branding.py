"""How a seller's documents look, over the API."""

import base64
import binascii

from django.http import HttpRequest
from pydantic import Field

from kvit.core.wording import Words
from kvit.parties import brands
from kvit.parties import queries as parties
from kvit.parties.brands import BrandRefused, BrandRow
from kvit.platform.failures import Failure
from kvit.platform.revisions import revision_of
from kvit.web.api.core import Router, operation, seen, standing
from kvit.web.api.schemas import Code, Input, Reason, Schema, Text

TAG = ("Настройки и доступ", "Settings and access")
router = Router()
WORDS: Words = {
    "logo_not_base64": (
        "Логотип передают текстом base64.",
        "A logo is handed over as base64 text.",
    ),
}
_LONGEST = (brands.LARGEST + 1) * 4 // 3 + 4


class LogoNotText(Failure):
    """The logo is no base64."""

    words = WORDS


class BrandIn(Input):
    """Colour and logo. A logo left out stays as it is; an empty text takes it away."""

    colour: Text = Field("", max_length=9, examples=["#0b57b7"])
    logo: str | None = Field(
        None, max_length=_LONGEST, description="PNG or SVG of shapes alone, base64.",
        examples=[None],
    )  # fmt: skip
    reason: Reason = ""


class LogoOut(Schema):
    """The logo as it is kept: written anew, so its bytes are not those handed in."""

    digest: str
    media_type: str
    width: int
    height: int
    content: str = Field(description="base64")


class BrandOut(Schema):
    """How documents look; an empty colour is black."""

    colour: str
    logo: LogoOut | None


@operation(router, "GET", "/sellers/{code}/brand", right="settings.read", response=BrandOut)
def read_brand(request: HttpRequest, code: Code) -> BrandOut:
    """Colour and logo of a seller's documents."""
    row = _brand(code)
    standing(request, row)
    kept = brands.logos([row.logo]).get(row.logo)
    if kept is None:
        return BrandOut(colour=row.colour, logo=None)
    return BrandOut(
        colour=row.colour,
        logo=LogoOut(
            digest=kept.digest, media_type=kept.media_type, width=kept.width, height=kept.height,
            content=base64.b64encode(kept.content).decode(),
        ),
    )  # fmt: skip


@operation(router, "PUT", "/sellers/{code}/brand", right="settings.write", response=BrandOut)
def save_brand(request: HttpRequest, code: Code, body: BrandIn) -> BrandOut:
    """Make documents look so from now on. A colour that cannot be read on paper is refused with
    the nearest shade that can."""
    before = seen(request)
    if (
        body.logo is None
    ):  # what is left as it is must not be changed between the look and the write
        stands = _brand(code)
        digest, before = stands.logo, before or revision_of(stands)
    else:
        digest = brands.keep_logo(_bytes(body.logo)) if body.logo else ""
    brands.save_brand(
        code, BrandRow(body.colour, digest), seen=before, actor=request.principal.actor,
        now=request.now, reason=body.reason,
    )  # fmt: skip
    return read_brand(request, code)


def _brand(code: str) -> BrandRow:
    seller = parties.sellers().get(code)
    if seller is None:
        raise BrandRefused("brand_seller_unknown", code=code)
    return brands.brands([seller.id]).get(seller.id, BrandRow())


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise LogoNotText("logo_not_base64", field="logo") from None
