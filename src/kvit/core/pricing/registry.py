"""The pricing models that exist: one line each."""

from kvit.core.pricing.allowance import Allowance
from kvit.core.pricing.banded import Banded
from kvit.core.pricing.blocks import Blocks
from kvit.core.pricing.capacity import Capacity
from kvit.core.pricing.composed import Composed
from kvit.core.pricing.destination import DestinationPrice
from kvit.core.pricing.dynamic import Dynamic
from kvit.core.pricing.flat import Flat
from kvit.core.pricing.graduated import Graduated
from kvit.core.pricing.graduated_percentage import GraduatedPercentage
from kvit.core.pricing.matrix import Matrix
from kvit.core.pricing.package import Package
from kvit.core.pricing.per_unit import PerUnit
from kvit.core.pricing.percentage import Percentage
from kvit.core.pricing.price import MODELS, Price
from kvit.core.pricing.stairstep import Stairstep
from kvit.core.pricing.timed import Timed
from kvit.core.pricing.volume import Volume

_ALL: tuple[type[Price], ...] = (
    Flat,
    PerUnit,
    Graduated,
    Volume,
    Stairstep,
    Package,
    Percentage,
    GraduatedPercentage,
    Blocks,
    Capacity,
    Matrix,
    Dynamic,
    Timed,
    Banded,
    DestinationPrice,
    Allowance,
    Composed,
)
MODELS.update({kind.model: kind for kind in _ALL})

__all__ = ["MODELS"]
