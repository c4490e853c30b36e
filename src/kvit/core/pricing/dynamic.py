"""Dynamic: every event brings its own amount, computed by whoever sent it."""

from dataclasses import dataclass
from typing import ClassVar

from kvit.core.pricing.compiled import Compiled, OwnAmount
from kvit.core.pricing.price import Needs, Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamic(Price):
    """The sum of the events' own amounts."""

    model: ClassVar[str] = "dynamic"
    part: ClassVar[Needs] = "dynamic"

    def compile(self) -> Compiled:
        """The event step takes the amount as it is."""
        return Compiled("amounts", event=OwnAmount())
