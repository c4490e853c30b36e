"""Draft, publish and replace what is sold; use coupons."""

from kvit.catalog.rows import CatalogueIn, PriceIn
from kvit.catalog.services._coupons import CouponRefused, redeem
from kvit.catalog.services._drafts import (
    DraftRefused,
    discard,
    misdated_in,
    missing_in,
    open_draft,
    publish_draft,
    put,
    refuse_publication,
    rename,
    settle,
    standing_of,
    take_out,
)
from kvit.catalog.services._publish import ExampleFails, example_failures, publish
from kvit.catalog.services._simulations import (
    SimulationRefused,
    add_simulated,
    finish_simulation,
    hold_simulation,
    open_simulation,
)

__all__ = [
    "CatalogueIn",
    "CouponRefused",
    "DraftRefused",
    "ExampleFails",
    "PriceIn",
    "SimulationRefused",
    "add_simulated",
    "discard",
    "example_failures",
    "finish_simulation",
    "hold_simulation",
    "misdated_in",
    "missing_in",
    "open_draft",
    "open_simulation",
    "publish",
    "publish_draft",
    "put",
    "redeem",
    "refuse_publication",
    "rename",
    "settle",
    "standing_of",
    "take_out",
]
