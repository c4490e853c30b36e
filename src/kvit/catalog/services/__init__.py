"""Draft, publish and replace what is sold; use coupons."""

from kvit.catalog.rows import CatalogueIn, PriceIn
from kvit.catalog.services._coupons import CouponRefused, redeem
from kvit.catalog.services._drafts import (
    DraftRefused,
    discard,
    open_draft,
    publish_draft,
    put,
    refuse_publication,
    rename,
    settle,
    take_out,
)
from kvit.catalog.services._publish import ExampleFails, publish

__all__ = [
    "CatalogueIn",
    "CouponRefused",
    "DraftRefused",
    "ExampleFails",
    "PriceIn",
    "discard",
    "open_draft",
    "publish",
    "publish_draft",
    "put",
    "redeem",
    "refuse_publication",
    "rename",
    "settle",
    "take_out",
]
