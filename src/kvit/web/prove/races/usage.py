"""A race about events that leave the table while more is told of them, and while a run reads.

Two let go what is settled, a few rows at a time. Beside them the same events are sent again, by a
file and by a request, each with one late event; one is disputed, one undone, the one that the round
before left in dispute is replaced; somebody reads as of the version before, and a run bills the
month. Each of them has the same answer wherever the events are.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Any

from django.db import transaction

from kvit.metering import queries
from kvit.metering import services as metering
from kvit.metering.queries import Settled
from kvit.metering.rows import EARLIEST, EventIn, Offer
from kvit.web.prove import company
from kvit.web.prove.company import ACTOR, LATER
from kvit.web.prove.planted import attribute
from kvit.web.prove.races import Call, Round, among, race, same

EVENTS = 12  # of a month, and a late one
A_CHUNK, BUSY_S = 3, 0.05  # rows of one transaction, so that many meet it; for who is in the way
DISPUTED, UNDONE = 0, 1  # places of events
OTHER = Decimal(500)  # what the disputed one comes to if it is replaced
LOOKS = 3
BACK = 8  # rounds after which all come back: what is read does not grow with the rounds before
FAR = datetime(2200, 1, 1, tzinfo=UTC)
GONE = 3  # rounds after which events have left, whoever was first


@race("release_against_events", template="in_turn", weight=8)
def release_against_events(place: int) -> Round:
    """Events leave beside late ones, repeats, a dispute, corrections, a reader and a run: each is
    counted once, and a charge is that of the events of its version."""
    window, known = company.month(place + 1), queries.conflicts(decided=False).first()
    if place and place % BACK == 0:
        metering.bring_back(since=EARLIEST, actor=ACTOR, now=LATER)
    before = metering.ingest(_base(place), source=_source(place), actor=ACTOR, now=LATER).version
    whole, late = sum(map(_value, range(EVENTS)), Decimal(0)), _value(EVENTS)

    def check(answers: Sequence[Any]) -> Iterable[str]:
        left, left_too, sent, request, disputed, corrected, seen, ran = answers
        yield from among([left, left_too], "done", "metering_release_busy")
        others = [sent, request, disputed, corrected, seen, ran]
        yield from among(others, "done")
        if any(isinstance(one, Exception) for one in others):
            return
        file, old = sent
        yield from same("events of before accepted again", old, 0)
        taken = [file.accepted, request.accepted]
        yield from same("late events accepted", sorted(taken), [0, 1])
        repeats = [file.repeated, len(request.repeats)]
        yield from same("repeats", sorted(repeats), [_sent(place) - 1, _sent(place)])
        yield from same("in dispute", (disputed.accepted, disputed.conflicting), (0, 1))
        yield from same("what was seen", {*seen}, {(whole, EVENTS, EVENTS)})
        came = min(one.version for one, n in zip((file, request), taken, strict=True) if n)

        def wanted(version: int) -> Decimal:
            return whole + late * (version >= came) - _value(UNDONE) * (version >= corrected)

        [[version, units]] = company.ask(
            "SELECT usage_version, units FROM rating_charge WHERE period_start = %(month)s"
            " AND revision = 0 AND price_code = 'calls'",
            month=window.start,
        )
        yield from same(f"the units as of {version}", units, wanted(version))
        yield from same("the month", _read(place)[0], wanted(queries.latest_version()))
        if known is not None:
            then = whole + late - _value(UNDONE) - _value(DISPUTED) + OTHER
            yield from same("the month before", _read(place - 1)[0], then)
        if place >= GONE and not queries.stored().released:
            yield "nothing has left"

    calls: list[Call] = [
        _release, _release, partial(_send, place), partial(_ask, place), partial(_dispute, place),
        partial(_correct, place, known), partial(_look, place, before),
        partial(company.bill, window),
    ]  # fmt: skip
    return Round(calls, check)


def _release() -> int:
    own = import_module("kvit.metering._release")
    with attribute(own, "CHUNK", A_CHUNK), attribute(own, "BUSY_S", BUSY_S):
        return metering.release(Settled(FAR, FAR), actor=ACTOR, now=LATER)


def _send(place: int) -> tuple[Any, int]:
    """Send a file again, and one of before, which has left; return what became of it, and how many
    events of before were new."""
    taken = metering.ingest(_again(place), source=_source(place), actor=ACTOR, now=LATER)
    if place < GONE:
        return taken, 0
    source = _source(place - GONE)
    old = metering.ingest(_base(place - GONE), source=source, actor=ACTOR, now=LATER)
    return taken, old.accepted


def _ask(place: int) -> Any:
    offer = Offer({_source(place): _again(place)}, [], _source(place))
    return metering.ingest_together([offer], actor=ACTOR, now=LATER, origin="api")[0]


def _dispute(place: int) -> Any:
    other = [_event(place, DISPUTED, OTHER)]
    return metering.ingest(other, source=_source(place), actor=ACTOR, now=LATER)


def _correct(place: int, known: Any) -> int:
    """Undo an event of this month, and replace the one in dispute; return since when it is."""
    undone = [(_source(place), _name(place, UNDONE))]
    since = metering.retract(undone, reason="proof", actor=ACTOR, now=LATER)
    if known is not None:
        metering.resolve_conflict(
            known["id"], outcome="replace", reason="proof", actor=ACTOR, now=LATER
        )
    return since


def _look(place: int, version: int) -> list[tuple[Decimal, int, int]]:
    names = [_name(place, n) for n in range(EVENTS)]
    return [(*_read(place, version), len(queries.last_views(names))) for _ in range(LOOKS)]


def _read(place: int, version: int | None = None) -> tuple[Decimal, int]:
    """Return what the events of a round's month come to, and how many stand in its list of keys."""
    window, code = company.month(place + 1), f"s-{company.whose(place + 1)}"
    span: dict[str, Any] = {
        "since": window.start_instant(company.ZONE), "until": window.end_instant(company.ZONE),
        "as_of": version,
    }  # fmt: skip
    with transaction.atomic():
        batches = list(queries.usage([("subscription", code)], **span))
    values = [row.value for batch in batches for row in queries.rows(batch)]
    keys = queries.distinct_keys(subjects=[code], **span)
    return sum((one for one in values if one is not None), Decimal(0)), sum(
        key.events for key in keys
    )


def _base(place: int) -> list[EventIn]:
    return [_event(place, n) for n in range(EVENTS)]


def _again(place: int) -> list[EventIn]:
    """The same again, of another order, with a late one: it may come before they have left."""
    return [_event(place, n) for n in range(EVENTS, -1, -1)]


def _sent(place: int) -> int:
    return len(_again(place))


def _event(place: int, n: int, value: Decimal | None = None) -> EventIn:
    at = company.month(place + 1).start_instant(company.ZONE) + timedelta(hours=1 + 20 * n)
    code = f"s-{company.whose(place + 1)}"
    return EventIn(_name(place, n), "subscription", code, "calls", at, value or _value(n))


def _value(n: int) -> Decimal:
    return Decimal(100 + n)


def _name(place: int, n: int) -> str:
    return f"r-{place}-{n}"


def _source(place: int) -> str:
    return f"race-{place}"
