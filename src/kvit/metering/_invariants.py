"""What must hold in a tenant's usage, recomputed from the rows; for `kvit verify`."""

from collections.abc import Iterator
from uuid import uuid4

import orjson
from django.db import connection, transaction

from kvit.core.wording import Words
from kvit.metering._released_checks import WORDS as RELEASED_WORDS
from kvit.metering._released_checks import released_problems
from kvit.metering.models import Segment
from kvit.metering.rows import EventIn, payload_of
from kvit.platform import durable_log, files
from kvit.platform.invariants import Problem, found_by
from kvit.platform.tenancy import current_tenant_id

WORDS: Words = {
    "metering_batch_miscounted": (
        "в партии не столько событий, сколько принято",
        "a batch holds another number of events than it accepted",
    ),
    "metering_event_without_batch": (
        "событие не относится ни к одной партии",
        "an event belongs to no batch",
    ),
    "metering_event_twice": (
        "событие с одним номером принято дважды",
        "an event of one id was accepted twice",
    ),
    "metering_event_replaced_and_standing": (
        "заменённое событие не отменено: оно считалось бы дважды",
        "a replaced event is not undone: it would count twice",
    ),
    "metering_event_altered": (
        "содержание события не совпадает с его отпечатком",
        "an event does not say what its hash says",
    ),
    "metering_version_ahead": (
        "версия потребления больше счётчика версий",
        "a usage version is beyond the counter of versions",
    ),
    "metering_retraction_of_nothing": (
        "отменено событие, которого нет",
        "an event is undone that does not exist",
    ),
    "metering_segment_miscounted": (
        "в запечатанном файле не столько событий, сколько принято",
        "sealed files hold another number of events than was accepted",
    ),
    "metering_segment_damaged": (
        "запечатанного файла нет, или он повреждён: верните его из резервной копии",
        "a sealed file is missing or damaged: put it back from a backup",
    ),
    "metering_log_damaged": (
        "файл журнала приёма повреждён и отложен: часть принятого не разобрана",
        "a file of the intake log is damaged and set aside: some of what was taken was not read",
    ),
    "metering_conflict_of_nothing": (
        "спорное событие не с чем сравнить: принятого с этим номером нет",
        "a disputed event has no accepted one of its id beside it",
    ),
    **RELEASED_WORDS,
}

_INVARIANTS = {
    "metering_batch_miscounted": """
        SELECT 'batch:' || b.id, format('accepted %%s, holds %%s', b.accepted, coalesce(e.n, 0))
        FROM metering_batch b
        LEFT JOIN (SELECT batch_id, count(*) AS n FROM metering_usageevent
                   WHERE tenant_id = %(tenant)s GROUP BY batch_id) e ON e.batch_id = b.id
        WHERE b.tenant_id = %(tenant)s AND b.version > (
            -- Asked in the same moment: rows may be leaving meanwhile.
            SELECT coalesce(max(until_version), 0) FROM metering_releasedseal
            WHERE tenant_id = %(tenant)s)
          AND b.accepted <> coalesce(e.n, 0) ORDER BY b.version
    """,
    "metering_event_without_batch": """
        SELECT e.source || '/' || e.event_id, 'batch:' || e.batch_id
        FROM metering_usageevent e WHERE e.tenant_id = %(tenant)s AND NOT EXISTS (
            SELECT FROM metering_batch b WHERE b.tenant_id = e.tenant_id AND b.id = e.batch_id)
        ORDER BY e.id
    """,
    "metering_event_twice": """
        SELECT source || '/' || event_id, format('%%s events of revision %%s', count(*), revision)
        FROM metering_usageevent WHERE tenant_id = %(tenant)s
        GROUP BY source, event_id, revision HAVING count(*) > 1 ORDER BY 1
    """,
    "metering_event_replaced_and_standing": """
        -- The few that replaced another first: without statistics a join of all with all is
        -- planned otherwise, quadratic in the events.
        WITH n AS MATERIALIZED (
            SELECT source, event_id, revision FROM metering_usageevent
            WHERE tenant_id = %(tenant)s AND revision > 0)
        SELECT n.source || '/' || n.event_id, format('revision %%s stands', e.revision)
        FROM n, LATERAL (
            SELECT e.id, e.revision FROM metering_usageevent e WHERE e.tenant_id = %(tenant)s
              AND e.source = n.source AND e.event_id = n.event_id AND e.revision = n.revision - 1
            UNION ALL
            SELECT e.number, n.revision - 1 FROM metering_releasedevent e
            WHERE e.tenant_id = %(tenant)s
              AND e.id = metering_event_key(%(tenant)s, n.source, n.event_id, n.revision - 1)
            LIMIT 1) e
        WHERE NOT EXISTS (
            SELECT FROM metering_retraction r WHERE r.tenant_id = %(tenant)s AND r.event = e.id)
        ORDER BY e.id
    """,
    "metering_version_ahead": """
        SELECT what, format('version %%s, the counter stands at %%s', v.version, c.last)
        FROM (SELECT 'batch:' || id AS what, version FROM metering_batch
              WHERE tenant_id = %(tenant)s
              UNION ALL SELECT 'retraction:' || id, version FROM metering_retraction
              WHERE tenant_id = %(tenant)s) v
        LEFT JOIN metering_usagecounter c ON c.tenant_id = %(tenant)s
        WHERE v.version > coalesce(c.last, 0) ORDER BY v.version, what
    """,
    "metering_retraction_of_nothing": """
        SELECT 'retraction:' || r.id, format('event %%s', r.event)
        FROM metering_retraction r WHERE r.tenant_id = %(tenant)s AND NOT EXISTS (
            SELECT FROM metering_usageevent e WHERE e.tenant_id = r.tenant_id AND e.id = r.event)
          AND NOT EXISTS (
            SELECT FROM metering_releasedevent e WHERE e.tenant_id = r.tenant_id
            AND e.number = r.event)
        ORDER BY r.version
    """,
    "metering_segment_miscounted": """
        SELECT 'version:' || s.until_version, format('%%s sealed, %%s accepted', s.n, s.accepted)
        FROM (SELECT g.until_version, g.n,
                     (SELECT coalesce(sum(b.accepted), 0) FROM metering_batch b
                      WHERE b.tenant_id = %(tenant)s AND b.version > g.from_version
                        AND b.version <= g.until_version) AS accepted
              FROM (SELECT from_version, until_version, sum(rows) AS n FROM metering_segment
                    WHERE tenant_id = %(tenant)s GROUP BY 1, 2, is_whole) g) s
        WHERE s.n <> s.accepted ORDER BY s.until_version
    """,
    "metering_conflict_of_nothing": """
        SELECT 'conflict:' || c.id, c.source || '/' || c.event_id
        FROM metering_conflictevent c WHERE c.tenant_id = %(tenant)s AND NOT EXISTS (
            SELECT FROM metering_usageevent e WHERE e.tenant_id = c.tenant_id
            AND e.source = c.source AND e.event_id = c.event_id)
          AND NOT EXISTS (
            SELECT FROM metering_releasedevent e WHERE e.tenant_id = c.tenant_id
            AND e.id = metering_event_key(c.tenant_id, c.source, c.event_id, 0))
        ORDER BY c.id
    """,
}


def problems() -> Iterator[Problem]:
    """Recompute what must hold, what the constraints promise included: an owner can drop them."""
    yield from found_by(_INVARIANTS)
    yield from _altered()
    yield from _damaged()
    yield from released_problems()
    for path in durable_log.damaged(str(current_tenant_id())):
        yield Problem("metering_log_damaged", f"file:{path.name}", str(path))


def _damaged() -> Iterator[Problem]:
    """Hash every sealed file again."""
    for version, *digests in Segment.objects.order_by("until_version", "part").values_list(
        "until_version", "events_digest", "index_digest"
    ):
        for digest in digests:
            try:
                files.check(digest)
            except files.FileUnusable:
                path = str(files.path_of(digest))
                yield Problem("metering_segment_damaged", f"version:{version}", path)


def _altered() -> Iterator[Problem]:
    """Hash every event again: a change below the guard of append-only tables shows here.

    Whoever reads on may do so within the transaction; memory holds one batch of events.
    """
    with transaction.atomic():
        connection.sync_tenant()
        yield from _hashed_again()


def _hashed_again() -> Iterator[Problem]:
    with connection.connection.cursor(name=f"hash_{uuid4().hex}") as cursor:
        cursor.execute(
            """
            SELECT source, payload_hash, event_id, subject_kind, subject, meter, "time", value,
                   text, dimensions::text
            FROM metering_usageevent WHERE tenant_id = %s ORDER BY id
            """,
            [current_tenant_id()],
        )
        while rows := cursor.fetchmany(20_000):
            for source, digest, *said, dimensions in rows:
                event = EventIn._make([*said, orjson.loads(dimensions), 0, 0])
                if payload_of(event)[2] != bytes(digest):
                    row = f"{source}/{event.event_id}"
                    yield Problem("metering_event_altered", row, bytes(digest).hex())
