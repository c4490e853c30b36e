"""When a standing schedule is due.

A worked example: day 3 at 06:00 in Moscow, set up on 10 October 2026. October is over at midnight
of 1 November; day 1 is 1 November, so October is billed on 3 November at 06:00. September's moment,
3 October, lay before the schedule was set up: it is nobody's business any more.
"""

from collections.abc import Iterator
from datetime import datetime, time, timedelta

from kvit.core.periods import Period, add_months, instant_of, local_date


def due_months(
    *, day: int, at: time, begun: bool, since: datetime, now: datetime, zone: str
) -> Iterator[tuple[Period, datetime]]:
    """Yield calendar months with their moments, those that lie in (since, now], in order of time.

    Args:
        day: of the month after, or where `begun` of the month itself; 1 is its first day.
    """
    start = add_months(local_date(since, zone).replace(day=1), -2)
    while True:
        month = Period(start, add_months(start, 1))
        base = month.start if begun else month.end
        moment = instant_of(datetime.combine(base + timedelta(days=day - 1), at), zone)
        if moment > now:
            return
        if moment > since:
            yield month, moment
        start = month.end
