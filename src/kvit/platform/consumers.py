"""The drain: hands events to their consumers, each once, in order within a key.

One transaction takes up to 500 deliveries of one shard under an advisory lock, applies them and
removes them. When a batch fails it is tried event by event; the key of an event that fails is
**parked** with its reason, its later events wait, all other keys go on. A parked key is tried
again after a while by the same drain, or at once after `unpark`.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, connection, transaction

from kvit.platform import audit, clock, epoch
from kvit.platform.events import SHARDS, Consumer, consumers, event_of
from kvit.platform.models import Delivery, EventLog, ParkedKey
from kvit.platform.tenancy import current_tenant_id, tenant_scope

BATCH = 500
# Seconds until the next try of a parked key, by the number of tries; then the last one for ever.
RETRY_AFTER_S = (60, 300, 3600, 6 * 3600)

_log = logging.getLogger("kvit.consumers")

_TAKE = f"""
SELECT d.id, d.tenant, d.event, d.key FROM platform_delivery d
WHERE d.consumer = %s AND d.shard = %s AND NOT {epoch.IS_HELD} AND NOT EXISTS (
  SELECT 1 FROM platform_parkedkey p WHERE p.consumer = d.consumer AND p.tenant = d.tenant
  AND p.key = d.key AND p.retry_at > clock_timestamp())
ORDER BY d.id LIMIT %s
"""
_PARK = """
INSERT INTO platform_parkedkey (consumer, tenant, key, event, reason, tries, retry_at)
VALUES (%(consumer)s, %(tenant)s, %(key)s, %(event)s, %(reason)s, 1,
        clock_timestamp() + make_interval(secs => (%(waits)s::int[])[1]))
ON CONFLICT (consumer, tenant, key) DO UPDATE SET
  event = excluded.event, reason = excluded.reason, tries = platform_parkedkey.tries + 1,
  retry_at = clock_timestamp() + make_interval(
    secs => (%(waits)s::int[])[least(platform_parkedkey.tries + 1, %(count)s)])
"""


@dataclass(frozen=True, slots=True)
class _Waiting:
    delivery: int
    event: UUID
    key: str


def drain_all() -> int:
    """Deliver until nothing more goes through; returns how many deliveries did."""
    total = 0
    while True:
        went = sum(drain(consumer, shard) for consumer, shard in _waiting_shards())
        if went == 0:
            return total
        total += went


def drain(consumer: str, shard: int, *, limit: int = BATCH) -> int:
    """Deliver at most `limit` events of one shard in one transaction; returns how many.

    Nothing is done when another drain holds the shard.
    """
    hearer = consumers()[consumer]
    by_tenant: dict[UUID, list[_Waiting]] = defaultdict(list)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s), %s)", [consumer, shard])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_TAKE, [consumer, shard, limit])
        for delivery, tenant, event, key in cursor.fetchall():
            by_tenant[tenant].append(_Waiting(delivery, event, key))
        return sum(_deliver(hearer, tenant, waiting) for tenant, waiting in by_tenant.items())


def unpark(consumer: str, *, key: str, actor: str, now: datetime, reason: str) -> bool:
    """Let a parked key of the tenant in scope be tried at once, in order; says if it was parked."""
    tenant = current_tenant_id()
    with transaction.atomic():
        gone, _ = ParkedKey.objects.filter(consumer=consumer, tenant=tenant, key=key).delete()
        if gone:
            audit.record(
                action="key.unparked",
                object_type="platform.parked_key",
                object_id=f"{consumer}:{key}"[:80],
                actor=actor,
                now=now,
                reason=reason,
            )
    return gone > 0


def _waiting_shards() -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c, s FROM unnest(%s::text[]) c, generate_series(0, %s) s WHERE EXISTS"
            " (SELECT 1 FROM platform_delivery d WHERE d.consumer = c AND d.shard = s)",
            [sorted(consumers()), SHARDS - 1],
        )
        return [(consumer, shard) for consumer, shard in cursor.fetchall()]


def _deliver(hearer: Consumer, tenant: UUID, waiting: Sequence[_Waiting]) -> int:
    """Apply one tenant's events and remove their deliveries; park the keys of those that fail."""
    with tenant_scope(tenant, switch=True):
        now = clock.now_for(tenant)
        rows = EventLog.objects.in_bulk([one.event for one in waiting])
        failed: dict[str, tuple[UUID, str]] = {}
        try:
            _apply(hearer, [rows[one.event] for one in waiting], now)
            done = list(waiting)
        except OperationalError:
            raise  # the server's trouble and not this event's: the whole drain is tried again
        except Exception:  # noqa: BLE001 - whatever a handler raises is blamed on one event, below
            done, failed = _deliver_singly(hearer, tenant, waiting, rows, now)
        Delivery.objects.filter(pk__in=[one.delivery for one in done]).delete()
        healed = {one.key for one in done} - failed.keys()
        ParkedKey.objects.filter(consumer=hearer.name, tenant=tenant, key__in=healed).delete()
        for key, (event, reason) in failed.items():
            _park(hearer.name, tenant, key, event, reason)
    return len(done)


def _deliver_singly(
    hearer: Consumer,
    tenant: UUID,
    waiting: Sequence[_Waiting],
    rows: Mapping[UUID, EventLog],
    now: datetime,
) -> tuple[list[_Waiting], dict[str, tuple[UUID, str]]]:
    """Return what went through, and by key the event that did not, with the reason."""
    done: list[_Waiting] = []
    failed: dict[str, tuple[UUID, str]] = {}
    for one in waiting:
        if one.key in failed:
            continue
        try:
            _apply(hearer, [rows[one.event]], now)
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - see above; the reason is kept and shown
            _log.error("parked %s of %s for %s", one.key, tenant, hearer.name, exc_info=error)
            # The first line only: a database's details may quote a row.
            said = (str(error).splitlines() or [""])[0]
            failed[one.key] = (one.event, f"{type(error).__name__}: {said}"[:500])
        else:
            done.append(one)
    return done, failed


def _park(consumer: str, tenant: UUID, key: str, event: UUID, reason: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _PARK,
            {
                "consumer": consumer,
                "tenant": tenant,
                "key": key,
                "event": event,
                "reason": reason,
                "waits": list(RETRY_AFTER_S),
                "count": len(RETRY_AFTER_S),
            },
        )


def _apply(hearer: Consumer, rows: Sequence[EventLog], now: datetime) -> None:
    with transaction.atomic():
        hearer.handle([event_of(row) for row in rows], now=now)
        # A deferred key would fail at the commit of all instead of here, at the event to blame.
        connection.check_constraints()
