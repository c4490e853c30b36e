"""Facts that the catalogue tells."""

from dataclasses import dataclass
from uuid import UUID

from kvit.platform.events import Topic


@dataclass(frozen=True, slots=True)
class CataloguePublished:
    """Versions of plans and prices came into force, or will on their day."""

    revision: int
    plans: tuple[str, ...]
    prices: tuple[str, ...]  # "plan/price"


@dataclass(frozen=True, slots=True)
class PublicationRefused:
    """Somebody without the right tried to publish a draft; `objects` are "price:plan/price"."""

    draft_id: UUID
    objects: tuple[str, ...]


CATALOGUE_PUBLISHED = Topic("catalog.catalogue.published", CataloguePublished)
PUBLICATION_REFUSED = Topic("catalog.publication.refused", PublicationRefused)
