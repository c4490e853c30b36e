"""What must hold of events that have left: the mark, the segments, what knows them again."""

from collections.abc import Iterator, Sequence
from uuid import UUID

import numpy as np
import pyarrow as pa

from kvit.core.wording import Words
from kvit.metering._released import (
    Part,
    Wanted,
    copy_staged,
    hashes_of,
    in_transaction,
    key_of,
    next_number,
    segments,
    still_mark,
    told,
)
from kvit.metering._sealed import SealedUnusable, mark
from kvit.metering.models import ReleasedEvent, ReleasedSeal, Retraction
from kvit.platform.invariants import Problem, found_by

CHUNK = 20_000
WORDS: Words = {
    "metering_released_miscounted": (
        "из базы в запечатанные файлы ушло не столько событий, сколько отмечено",
        "another number of events has left the database for sealed files than is marked",
    ),
    "metering_released_gap": (
        "версии, события которых ушли из базы, идут не подряд или не запечатаны",
        "versions whose events have left the database do not follow each other, or are not sealed",
    ),
    "metering_released_twice": (
        "событие и в базе, и среди ушедших из неё: оно считалось бы дважды",
        "an event is in the database and among those that have left it: it would count twice",
    ),
    "metering_released_batch_miscounted": (
        "в запечатанных файлах не столько событий партии, сколько принято",
        "sealed files hold another number of events of a batch than it accepted",
    ),
    "metering_released_altered": (
        "запечатанный файл говорит о событии не то, что было принято",
        "a sealed file says of an event what was not accepted",
    ),
}
_CHECKS = {
    "metering_released_gap": """
        SELECT 'version:' || r.until_version,
               format('from %%s after %%s; %%s rows, %%s sealed', r.from_version, r.before, r.rows,
                      r.sealed)
        FROM (SELECT s.*, lag(until_version, 1, 0::bigint) OVER (ORDER BY until_version) AS before,
                     (SELECT coalesce(sum(g.rows), 0) FROM metering_segment g
                      WHERE g.tenant_id = s.tenant_id AND g.from_version = s.from_version
                        AND g.until_version = s.until_version AND g.is_whole) AS sealed
              FROM metering_releasedseal s WHERE s.tenant_id = %(tenant)s) r
        WHERE r.from_version <> r.before OR r.rows <> r.sealed ORDER BY 1
    """,
    "metering_released_miscounted": """
        SELECT 'version:' || s.until_version,
               format('%%s of %%s have left; %%s are known, %%s are left', s.gone, s.rows,
                      s.known, s.here)
        FROM (SELECT r.*, coalesce(k.n, 0) AS known,
                     (SELECT count(*) FROM metering_batch b JOIN metering_usageevent e
                             ON e.tenant_id = b.tenant_id AND e.batch_id = b.id
                      WHERE b.tenant_id = %(tenant)s AND b.version > r.from_version
                        AND b.version <= r.until_version) AS here
              FROM metering_releasedseal r
              LEFT JOIN (SELECT until_version, count(*) AS n FROM metering_releasedevent
                         WHERE tenant_id = %(tenant)s GROUP BY 1) k USING (until_version)
              WHERE r.tenant_id = %(tenant)s) s
        WHERE s.known <> s.gone OR s.here <> s.rows - s.gone ORDER BY s.until_version
    """,
    "metering_released_twice": """
        SELECT e.source || '/' || e.event_id, format('revision %%s', e.revision)
        FROM metering_usageevent e JOIN metering_releasedevent r ON r.tenant_id = e.tenant_id
             AND r.id = metering_event_key(e.tenant_id, e.source, e.event_id, e.revision)
        WHERE e.tenant_id = %(tenant)s ORDER BY e.id
    """,
}
_COUNTS = {"version": "bigint", "n": "bigint"}
_OF_BATCHES = """
    SELECT 'version:' || coalesce(s.version, b.version),
           format('accepted %%s, sealed %%s', b.accepted, coalesce(s.n, 0))
    FROM (SELECT version, sum(n) AS n FROM pg_temp.released_counts WHERE asked = %(asked)s
          GROUP BY 1) s
    FULL JOIN (SELECT version, accepted FROM metering_batch
               WHERE tenant_id = %(tenant)s AND version <= %(released)s AND accepted > 0) b
      ON b.version = s.version
    WHERE coalesce(s.n, 0) <> coalesce(b.accepted, 0) ORDER BY 1
"""


def released_problems() -> Iterator[Problem]:
    """Recompute it, reading every event again; a file that is damaged is told of elsewhere."""
    if not ReleasedSeal.objects.exists():
        return  # and if there is one less than there should be, batches miss their rows
    yield from found_by(_CHECKS)
    try:
        yield from _of_batches()
        yield from _altered()
    except SealedUnusable:
        return


def _of_batches() -> Iterator[Problem]:
    number = next_number()
    with in_transaction():
        released = still_mark().version
        # An empty one: of segments that are not there nothing would be staged.
        copy_staged("released_counts", _COUNTS, pa.table({"version": [0], "n": [0]}), number)
        for _, segment in segments(Wanted(), released):
            copy_staged("released_counts", _COUNTS, segment.versions, number)
        asked = {"metering_released_batch_miscounted": _OF_BATCHES}
        found = list(found_by(asked, asked=number, released=released))
    yield from found


def _altered() -> Iterator[Problem]:
    """Hash what segments say of each event again, and compare with what knows it again; and look
    whether what another one replaced is undone."""
    for manifest, segment in segments(Wanted(), mark().version):
        for start in range(0, manifest.rows, CHUNK):
            places = np.arange(start, min(start + CHUNK, manifest.rows))
            rows = told(Part(manifest, segment, places))
            names = list(
                zip(*(rows[name].to_pylist() for name in ("source", "event_id", "revision")),
                    strict=True)
            )  # fmt: skip
            where = manifest.until_version, manifest.part
            said = (
                (key_of(*name), UUID(bytes=digest[:16]), *where, place)
                for name, digest, place in zip(names, hashes_of(rows), places.tolist(), strict=True)
            )
            numbers = rows["id"].to_pylist()
            known = {
                number: tuple(found)
                for number, *found in ReleasedEvent.objects.filter(number__in=numbers).values_list(
                    "number", "id", "said", "until_version", "part", "place"
                )
            }
            for number, name, one in zip(numbers, names, said, strict=True):
                if known.get(number, one) != one:
                    row = f"{name[0]}/{name[1]}"
                    yield Problem("metering_released_altered", row, f"event {number}")
            yield from _standing([name for name in names if name[2]])


def _standing(replacing: Sequence[tuple[str, str, int]]) -> Iterator[Problem]:
    """Yield what was replaced by these and is not undone."""
    keys = {key_of(source, event_id, revision - 1): (source, event_id, revision - 1)
            for source, event_id, revision in replacing}  # fmt: skip
    found = ReleasedEvent.objects.filter(pk__in=keys)
    undone = Retraction.objects.filter(event__in=found.values("number")).values("event")
    for key in found.exclude(number__in=undone).values_list("pk", flat=True):
        source, event_id, revision = keys[key]
        yield Problem(
            "metering_event_replaced_and_standing",
            f"{source}/{event_id}",
            f"revision {revision} stands",
        )
