"""Facts that the catalogue tells."""

from dataclasses import dataclass

from kvit.platform.events import Topic


@dataclass(frozen=True, slots=True)
class CataloguePublished:
    """Versions of plans and prices came into force, or will on their day."""

    revision: int
    plans: tuple[str, ...]
    prices: tuple[str, ...]  # "plan/price"


CATALOGUE_PUBLISHED = Topic("catalog.catalogue.published", CataloguePublished)
