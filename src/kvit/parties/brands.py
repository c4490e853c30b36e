"""How a seller's documents look: its colour and its logo, each checked before it is kept."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Subquery

from kvit.core import colours, pictures
from kvit.core.wording import Words
from kvit.parties import models
from kvit.parties.events import SELLER_CHANGED, PartyChanged
from kvit.platform import audit
from kvit.platform.events import publish
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7
from kvit.platform.revisions import Seen, refuse_stale

WORDS: Words = {
    "brand_seller_unknown": ("Продавца {code} нет.", "There is no seller {code}."),
    "brand_colour_wrong": (
        "Цвет пишут шестью цифрами, например #0b57b7.",
        "A colour is written by six digits, as in #0b57b7.",
    ),
    "brand_colour_pale": (
        "{colour} на белой бумаге читается плохо: контраст {contrast}, нужно не меньше 4,5."
        " Ближайший оттенок, который читается: {readable}.",
        "{colour} is hard to read on white paper: its contrast is {contrast}, at least 4.5 is"
        " needed. The nearest shade that can be read is {readable}.",
    ),
    "brand_logo_unknown": (
        "Этого логотипа больше нет: загрузите файл заново.",
        "This logo is not kept: upload the file again.",
    ),
    "picture_empty": ("Файл пустой.", "The file is empty."),
    "picture_unknown": (
        "Логотип бывает в PNG или SVG; этот файл — ни то ни другое.",
        "A logo is a PNG or an SVG; this file is neither.",
    ),
    "picture_too_large": (
        "Файл больше {most} КБ. Уменьшите картинку и загрузите снова.",
        "The file is larger than {most} KB. Make the picture smaller and upload it again.",
    ),
    "picture_too_wide": (
        "Картинка {width} × {height} точек: стороны должны быть не больше {most}.",
        "The picture has {width} × {height} pixels: at most {most} a side are taken.",
    ),
    "picture_interlaced": (
        "PNG с чересстрочной развёрткой не подходит: сохраните его без неё.",
        "An interlaced PNG is not taken: save it without interlacing.",
    ),
    "picture_damaged": (
        "Файл повреждён: картинка в нём не читается до конца.",
        "The file is damaged: its picture cannot be read to the end.",
    ),
    "picture_entities": (
        "В SVG объявлены сущности (ENTITY): сохраните файл без них.",
        "The SVG declares entities: save the file without them.",
    ),
    "picture_without_size": (
        "У SVG нет размеров: укажите viewBox.",
        "The SVG has no size: give it a viewBox.",
    ),
    "picture_too_complex": (
        "В SVG больше {most} фигур или слишком глубокая вложенность: упростите рисунок.",
        "The SVG has more than {most} shapes, or they are nested too deep: simplify it.",
    ),
    "picture_forbidden": (
        "В SVG есть {what}: в логотипе бывают только фигуры. Текст переведите в кривые, стили — в"
        " атрибуты, картинки сохраните в PNG.",
        "The SVG has {what}: a logo holds shapes alone. Turn texts into outlines, styles into"
        " attributes, pictures into a PNG.",
    ),
}


LARGEST = pictures.LARGEST_BYTES


class BrandRefused(Failure):
    """It cannot look so; nothing was changed. `field` says which field is wrong."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class BrandRow:
    """How documents look. "" is "not given": ink, and no logo."""

    colour: str = ""
    logo: str = ""  # the digest of a logo that is kept


@dataclass(frozen=True, slots=True)
class LogoFile:
    """A logo as it is kept."""

    digest: str
    kind: str
    width: int
    height: int
    content: bytes

    @property
    def media_type(self) -> str:
        """What a browser is told."""
        return "image/svg+xml" if self.kind == "svg" else "image/png"

    @property
    def as_svg(self) -> str:
        """The logo as one SVG, with a PNG inside where it is one: what the paper's form reads."""
        if self.kind == "svg":
            return self.content.decode()
        data = base64.b64encode(self.content).decode()
        size = f'width="{self.width}" height="{self.height}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
            f'<image {size} href="data:image/png;base64,{data}"/></svg>'
        )


def brands(seller_ids: Iterable[UUID]) -> dict[UUID, BrandRow]:
    """Return the looks of these sellers; those of plain documents are left out."""
    rows = models.Brand.objects.filter(seller_id__in=list(seller_ids))
    return {
        seller: BrandRow(colour, logo)
        for seller, colour, logo in rows.values_list("seller_id", "colour", "logo")
        if colour or logo
    }


def letterhead(seller_id: UUID) -> tuple[str, BrandRow | None]:
    """Return what a seller is called and its look, if it has one, in one question."""
    brand = models.Brand.objects.filter(seller_id=OuterRef("pk"))
    seller = models.Seller.objects.annotate(
        colour=Subquery(brand.values("colour")), logo=Subquery(brand.values("logo"))
    )
    name, colour, logo = seller.values_list("name", "colour", "logo").get(pk=seller_id)
    return name, BrandRow(colour or "", logo or "") if colour or logo else None


def logos(digests: Iterable[str]) -> dict[str, LogoFile]:
    """Return the kept logos of these digests."""
    rows = models.Logo.objects.filter(digest__in=set(digests) - {""})
    return {
        one.digest: LogoFile(one.digest, one.kind, one.width, one.height, bytes(one.content))
        for one in rows
    }


@transaction.atomic
def keep_logo(content: bytes) -> str:
    """Check a picture, write it anew and keep it; return its digest. Nothing bears it yet.

    Raises:
        BrandRefused: it is no PNG or SVG that a logo may be.
    """
    try:
        picture = pictures.cleaned(content)
    except pictures.BadPicture as error:
        raise BrandRefused(error.code, field="logo", **error.params) from None
    digest = hashlib.sha256(picture.content).hexdigest()
    models.Logo.objects.get_or_create(
        digest=digest,
        defaults={
            "id": uuid7(), "kind": picture.kind, "width": picture.width, "height": picture.height,
            "content": picture.content,
        },
    )  # fmt: skip
    return digest


@transaction.atomic
def save_brand(
    code: str, row: BrandRow, *, seen: Seen = None, actor: str, now: datetime, reason: str = ""
) -> bool:
    """Make documents of a seller look so from now on; returns whether anything changed.

    What is printed already keeps its looks: it is never printed anew.

    Raises:
        BrandRefused: the colour cannot be read on paper, or no such seller or logo is known.
        Stale: they were changed since they were seen.
    """
    seller = models.Seller.objects.select_for_update().filter(code=code).first()
    if seller is None:
        raise BrandRefused("brand_seller_unknown", code=code)
    row = BrandRow(checked_colour(row.colour), row.logo)
    if row.logo and not models.Logo.objects.filter(digest=row.logo).exists():
        raise BrandRefused("brand_logo_unknown", field="logo")
    before = brands([seller.id]).get(seller.id, BrandRow())
    refuse_stale(before, seen, of=("parties.brand", str(seller.id)))
    if before == row:
        return False
    models.Brand.objects.update_or_create(seller=seller, defaults=asdict(row))
    audit.record(
        action="seller.branded",
        object_type="parties.brand",
        object_id=str(seller.id),
        before=asdict(before),
        after=asdict(row),
        actor=actor,
        now=now,
        reason=reason,
    )
    changed = tuple(
        name for name in ("colour", "logo") if getattr(before, name) != getattr(row, name)
    )
    fact = PartyChanged(seller.id, code, changed)
    publish(SELLER_CHANGED, key=str(seller.id), payload=fact, actor=actor, now=now)
    return True


def checked_colour(text: str) -> str:
    """Return the colour as it is kept, once a text in it can be read on paper; "" is none."""
    if not text.strip():
        return ""
    try:
        colour = colours.parse_colour(text)
    except colours.BadColour:
        raise BrandRefused("brand_colour_wrong", field="colour") from None
    found = colours.contrast(colour)
    if found < colours.TEXT:
        raise BrandRefused(
            "brand_colour_pale", field="colour", colour=colour, contrast=f"{found:.1f}",
            readable=colours.readable(colour),
        )  # fmt: skip
    return colour
