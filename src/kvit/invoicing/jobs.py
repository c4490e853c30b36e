"""What invoicing leaves to workers: imported at start, so that every worker knows it."""

from kvit.invoicing.services import perform_order

__all__ = ["perform_order"]
