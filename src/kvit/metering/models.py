"""Usage as it came: events, the batches that brought them, and what was refused or undone.

Nothing here is ever changed, except the counter of versions; and sealed events may leave the table
for their segments, row by row against a `ReleasedEvent`, and come back. No foreign key leaves
metering, and an event has none at all: a check a row is half the price of a bulk insert, and events
come in with their batch in one transaction.
"""

from django.db import models
from django.db.models import F, Q

from kvit.metering.rows import MAX_KEY, SUBJECT_KINDS
from kvit.platform.tenancy import AppendOnly, TenantModel


def _key(**options: object) -> models.CharField:
    """A code of somebody else's, in byte order: sorted alike on every installation."""
    return models.CharField(max_length=MAX_KEY, db_collation="C", **options)


class UsageCounter(TenantModel):
    """The last usage version of a tenant. Taken last and held until commit: versions follow it."""

    last = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id"], name="usage_counter_once"),
        ]

    def __str__(self) -> str:
        return str(self.last)


class Batch(AppendOnly, TenantModel):
    """What one intake brought, counted: accepted + repeated + conflicting + rejected = offered.

    An intake that brings nothing new leaves no row.
    """

    source = _key()
    version = models.BigIntegerField()
    origin = models.CharField(max_length=500)  # where it came from, for people: a file, a request
    actor = models.CharField(max_length=200)
    received_at = models.DateTimeField()
    accepted = models.BigIntegerField()
    repeated = models.BigIntegerField()
    conflicting = models.BigIntegerField()
    rejected = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "version"], name="batch_version_unique"),
            models.CheckConstraint(
                condition=Q(accepted__gte=0, repeated__gte=0, conflicting__gte=0, rejected__gte=0),
                name="batch_counts_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} v{self.version}"


class Payload(models.Model):
    """What an event says."""

    subject_kind = models.CharField(max_length=12, db_collation="C")
    subject = _key()
    meter = _key()
    time = models.DateTimeField()
    value = models.DecimalField(max_digits=38, decimal_places=12, null=True)
    text = models.TextField(null=True)
    dimensions = models.JSONField()
    payload_hash = models.BinaryField()  # SHA-256 of the fields above, as `rows.payload_of` has it

    class Meta:
        abstract = True


class UsageEvent(AppendOnly, Payload, TenantModel):
    """One accepted event. Whether it is billed or waits is derived elsewhere, never stored here.

    `revision` is 0 for all that is taken in; an event that replaces a disputed one by a person's
    decision has the next number.
    """

    id = models.BigAutoField(primary_key=True)
    source = _key()
    event_id = _key()
    revision = models.SmallIntegerField(default=0)
    batch_id = models.UUIDField()
    position = models.IntegerField()  # its place in what the batch offered, from 1

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "source", "event_id", "revision"], name="usage_event_once"
            ),
            models.CheckConstraint(
                condition=Q(subject_kind__in=SUBJECT_KINDS), name="usage_subject_kind_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "subject_kind", "subject", "meter", "time", "event_id"],
                name="usage_in_order",
            ),
            # Without the tenant: no two tenants share a batch, and every byte here is one a row.
            models.Index(fields=["batch_id"], name="usage_by_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.event_id}"


class ConflictEvent(AppendOnly, Payload, TenantModel):
    """An event that came under the id of another one: kept beside it, billed by nobody."""

    source = _key()
    event_id = _key()
    batch_id = models.UUIDField()
    row = models.IntegerField()  # its line in the file that brought it; 0 without lines

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "source", "event_id", "payload_hash"],
                name="conflict_event_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.event_id} in conflict"


class ConflictResolution(AppendOnly, TenantModel):
    """A person's decision about a conflict: the first event stands, or the other replaces it."""

    conflict = models.ForeignKey(ConflictEvent, on_delete=models.PROTECT)
    outcome = models.CharField(max_length=10)
    reason = models.TextField()
    actor = models.CharField(max_length=200)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "conflict"], name="conflict_decided_once"),
            models.CheckConstraint(
                condition=Q(outcome__in=["keep", "replace"]), name="conflict_outcome_known"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="conflict_reason_given"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome}: {self.reason}"


class RejectedRow(AppendOnly, TenantModel):
    """A row that could not become an event, with what is wrong and how it began."""

    source = _key()
    batch_id = models.UUIDField()
    row = models.IntegerField()
    event_id = _key(blank=True)
    field = models.CharField(max_length=MAX_KEY)
    code = models.CharField(max_length=80)
    params = models.JSONField()
    raw = models.TextField()
    fingerprint = models.BinaryField()  # SHA-256: the same row rejected again is not a new one

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "source", "fingerprint"], name="rejected_row_once"
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "event_id"], name="rejected_by_event")]

    def __str__(self) -> str:
        return f"{self.source}:{self.row} {self.code}"


class BulkVerdict(AppendOnly, TenantModel):
    """What became of a request that was taken in bulk; its id was told when it was taken.

    That this row stands is what makes a request of the log done: it commits with its events.
    """

    actor = models.CharField(max_length=200)
    received_at = models.DateTimeField()
    offered = models.IntegerField()
    accepted = models.IntegerField()
    repeated = models.IntegerField()
    conflicting = models.IntegerField()
    rejected = models.IntegerField()
    version = models.BigIntegerField()
    verdicts = models.JSONField()  # of the events that were not accepted
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    offered=F("accepted") + F("repeated") + F("conflicting") + F("rejected")
                ),
                name="bulk_verdict_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id}: {self.accepted} of {self.offered}"


class Retraction(AppendOnly, TenantModel):
    """An accepted event undone, with a reason: from `version` on it counts for nothing."""

    event = models.BigIntegerField()  # UsageEvent.id
    version = models.BigIntegerField()
    reason = models.TextField()
    actor = models.CharField(max_length=200)
    retracted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "event"], name="event_retracted_once"),
            models.CheckConstraint(condition=~Q(reason=""), name="retraction_reason_given"),
        ]
        indexes = [models.Index(fields=["tenant_id", "version"], name="retraction_by_version")]

    def __str__(self) -> str:
        return f"event {self.event} from version {self.version}"


class Segment(AppendOnly, TenantModel):
    """Sealed usage: the events of the versions (from_version, until_version], sorted, in a file.

    The files lie in the store under their hashes before this row commits; one that no row names
    is an orphan of a seal that was cut off. Parts of one seal share its versions.
    """

    from_version = models.BigIntegerField()
    until_version = models.BigIntegerField()
    part = models.IntegerField()  # 0, 1, … in the order of subjects
    rows = models.BigIntegerField()
    runs = models.BigIntegerField()
    scale = models.BigIntegerField()  # values are whole numbers over it
    events_digest = models.CharField(max_length=64)
    index_digest = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()
    # It says all of an event: earlier ones knew neither source nor version.
    is_whole = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "until_version", "part"], name="segment_once"
            ),
            models.CheckConstraint(
                condition=Q(until_version__gt=F("from_version")), name="segment_versions_rise"
            ),
        ]

    def __str__(self) -> str:
        return f"v{self.from_version}…v{self.until_version} part {self.part}"


class ReleasedSeal(TenantModel):
    """A seal that is read instead of rows: events of its versions leave the table, in its order.

    From the first to the last of these the versions follow each other without a gap, from 0 on.
    `gone` of its events have left; while they go or come back, neither all nor none.
    """

    from_version = models.BigIntegerField()
    until_version = models.BigIntegerField()
    rows = models.BigIntegerField()
    gone = models.BigIntegerField(default=0)
    is_returning = models.BooleanField(default=False)
    released_at = models.DateTimeField()
    actor = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "until_version"], name="released_seal_once"
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "from_version"], name="released_seal_follows_one"
            ),
            models.CheckConstraint(
                condition=Q(until_version__gt=F("from_version")), name="released_versions_rise"
            ),
            models.CheckConstraint(
                condition=Q(gone__gte=0, gone__lte=F("rows")), name="released_gone_of_rows"
            ),
        ]

    def __str__(self) -> str:
        return f"v{self.from_version}…v{self.until_version}: {self.gone} of {self.rows}"


class ReleasedEvent(TenantModel):
    """What the database keeps of an event that has left the table: enough to know it again, and its
    place. A hundred bytes, and no text.

    It is written in the transaction that deletes the event's row, and deleted in the one that
    brings it back; the database allows neither without the other.
    """

    # Of company, source, id and revision: `_released.KEY`.
    id = models.UUIDField(primary_key=True)
    said = models.UUIDField()  # the first half of the payload's hash
    number = models.BigIntegerField()  # UsageEvent.id
    until_version = models.BigIntegerField()  # of its seal
    part = models.IntegerField()  # the segment of that seal
    place = models.IntegerField()  # the row of that segment

    class Meta:
        # Without the tenant: no two tenants share a number, and every byte here is one an event.
        indexes = [models.Index(fields=["number"], name="released_by_number")]

    def __str__(self) -> str:
        return f"event {self.number}: v{self.until_version} part {self.part} row {self.place}"
