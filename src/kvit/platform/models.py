"""Tables of the platform: the event log, its deliveries and parked keys; audit rows; test clocks;
idempotency keys; what limits are counted in.
"""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from kvit.platform.tenancy import AppendOnly, TenantModel


class EventLog(AppendOnly, TenantModel):
    """A fact, written in the transaction that made it true, and kept."""

    topic = models.CharField(max_length=80)
    key = models.CharField(max_length=80)  # facts of one key are heard in their order
    payload = models.JSONField()
    schema_version = models.SmallIntegerField()
    actor = models.CharField(max_length=80)
    occurred_at = models.DateTimeField()  # by the tenant's clock
    recorded_at = models.DateTimeField(db_default=Now())  # by the server's clock

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "topic", "key"], name="event_by_key"),
            BrinIndex(fields=["recorded_at"], name="event_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.key}"


class Delivery(models.Model):
    """An event that a consumer has still to hear. Ids only, of all tenants: a drain reads it
    before it knows whose rows come. `id` is the order in which the publishers committed their
    rows of one key, see `kvit.platform.events`.
    """

    id = models.BigAutoField(primary_key=True)
    consumer = models.CharField(max_length=80)
    shard = models.SmallIntegerField()
    tenant = models.UUIDField()
    event = models.UUIDField()
    key = models.CharField(max_length=80)

    class Meta:
        indexes = [models.Index(fields=["consumer", "shard", "id"], name="delivery_queue")]

    def __str__(self) -> str:
        return f"{self.consumer} {self.event}"


class ParkedKey(models.Model):
    """A key whose next event a consumer could not apply; its later events wait behind it."""

    consumer = models.CharField(max_length=80)
    tenant = models.UUIDField()
    key = models.CharField(max_length=80)
    event = models.UUIDField()
    reason = models.TextField()
    tries = models.IntegerField(default=1)
    parked_at = models.DateTimeField(db_default=Now())
    retry_at = models.DateTimeField()  # by the server's clock

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["consumer", "tenant", "key"], name="parked_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.consumer} {self.key}: {self.reason}"


class AuditRow(AppendOnly, TenantModel):
    """Who changed what, when, from where, from what to what, and why."""

    actor = models.CharField(max_length=80)
    origin = models.CharField(max_length=120)  # host, address or command
    at = models.DateTimeField()  # by the tenant's clock
    recorded_at = models.DateTimeField(db_default=Now())  # by the server's clock
    action = models.CharField(max_length=80)
    object_type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=300)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    # Given by the database, rising (an identity column): whoever inserts leaves it to that.
    number = models.BigIntegerField(db_default=0, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "number"], name="audit_by_number"),
            models.Index(fields=["tenant_id", "object_type", "object_id"], name="audit_by_object"),
            BrinIndex(fields=["recorded_at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_type}:{self.object_id}"


class TestClock(TenantModel):
    """The business time of a tenant that lives by a clock of its own; at most one a tenant."""

    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id"], name="test_clock_one")]

    def __str__(self) -> str:
        return self.at.isoformat()


class IdempotencyKey(TenantModel):
    """What was answered to a request that its caller named, so that a repeat is answered alike."""

    scope = models.CharField(max_length=80)
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64)
    response = models.JSONField(null=True)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "scope", "key"], name="idempotency_key_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"


class CacheEntry(models.Model):
    """An entry of Django's cache (`kvit.platform.cache`); of no tenant, read before a login."""

    key = models.CharField(max_length=250, primary_key=True)
    value = models.TextField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key


class TokenBucket(models.Model):
    """A limit that is being used up (`kvit.platform.throttle`); of no tenant."""

    name = models.CharField(max_length=200, primary_key=True)
    full_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name
