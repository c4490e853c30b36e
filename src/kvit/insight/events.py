"""Facts about the state of the books themselves."""

from dataclasses import dataclass
from datetime import date

from kvit.platform.events import Topic


@dataclass(frozen=True, slots=True)
class InvariantsBroken:
    """A nightly check found that something does not hold; `kvit verify` says what and where."""

    day: date
    codes: tuple[str, ...]  # of the invariants, as docs/reference/errors.md has them
    rows: int  # that break them, in all


INVARIANTS_BROKEN = Topic("insight.invariants.broken", InvariantsBroken)
