"""What a folder, or another system, last said: so that a change made elsewhere is seen."""

from django.db import models
from django.db.models import Q

from kvit.platform.tenancy import TenantModel


class ImportedObject(TenantModel):
    """The content of one object as last applied from outside.

    Three contents meet at an import: what the folder wants, what it wanted last (here), and what
    stands. If what stands is not what was last applied, somebody else changed it.
    """

    kind = models.CharField(max_length=20)
    code = models.CharField(max_length=400)
    content = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "kind", "code"], name="imported_object_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"


class WebhookEndpoint(TenantModel):
    """An address of the company's that wants to hear facts."""

    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=500, blank=True)
    topics = models.JSONField()  # names; an empty list is all of them
    state = models.CharField(max_length=8)
    off_because = models.CharField(max_length=40, blank=True)
    failures = models.IntegerField(default=0)  # in a row
    rests_until = models.DateTimeField(null=True)  # after many failures in a row
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=("active", "paused", "disabled", "removed")),
                name="webhook_state",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "state"], name="webhook_by_state"),
            models.Index(fields=["tenant_id", "-made_at", "-id"], name="webhook_by_time"),
        ]

    def __str__(self) -> str:
        return self.url


class WebhookSecret(TenantModel):
    """What signs an endpoint's messages, sealed; while two hold, both sign."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="secrets")
    sealed = models.CharField(max_length=300)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.id)


class WebhookDelivery(TenantModel):
    """A fact on its way to an endpoint. Its id is the message's: the receiver knows a repeat."""

    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries"
    )
    event = models.UUIDField()  # of the event log; of a test, its own
    topic = models.CharField(max_length=80)
    body = models.TextField()
    state = models.CharField(max_length=9)
    tries = models.SmallIntegerField(default=0)  # since it was last asked for
    made_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)  # by the server's clock; while it is sent, the lease
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "endpoint", "event"], name="webhook_delivery_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=("waiting", "delivered", "failed")),
                name="webhook_delivery_state",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", due_at__isnull=False)
                | Q(~Q(state="waiting"), due_at=None),
                name="webhook_delivery_due_iff_waiting",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "endpoint", "due_at"],
                condition=Q(state="waiting"),
                name="webhook_delivery_due",
            ),
            models.Index(
                fields=["tenant_id", "endpoint", "-made_at", "-id"], name="webhook_delivery_list"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.state}"


class WebhookAttempt(TenantModel):
    """One sending: what was answered, or why nothing was."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    status = models.SmallIntegerField(null=True)
    error = models.CharField(max_length=40, blank=True)
    answer = models.TextField(blank=True)  # the beginning of the body
    duration_ms = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "delivery", "at"], name="webhook_attempts")]

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.status or self.error}"


class UsageUpload(TenantModel):
    """A usage file that a person uploaded, with what became of its rows."""

    source = models.CharField(max_length=200)
    file_name = models.CharField(max_length=200)
    uploaded_at = models.DateTimeField()
    author = models.CharField(max_length=120)
    offered = models.BigIntegerField()
    accepted = models.BigIntegerField()
    repeated = models.BigIntegerField()
    conflicting = models.BigIntegerField()
    rejected = models.BigIntegerField()
    waiting = models.BigIntegerField()  # accepted rows whose codes nobody knew then
    unlisted = models.BigIntegerField()  # faults beyond those that are kept row by row

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "uploaded_at", "id"], name="upload_when")]

    def __str__(self) -> str:
        return f"{self.source}: {self.file_name}"


class UploadRow(TenantModel):
    """A row of an upload that could not be read: as it stands, mended, or left out for a reason."""

    upload = models.ForeignKey(UsageUpload, on_delete=models.PROTECT, related_name="+")
    row = models.IntegerField()  # its line in the file; 0 for a fault of the whole file
    # [[column, value]]; the column "" is a whole line of JSON; empty where the row is lost.
    cells = models.JSONField()
    field = models.CharField(max_length=200, blank=True)
    code = models.CharField(max_length=80)
    params = models.JSONField()
    state = models.CharField(max_length=8, default="open")
    outcome = models.CharField(max_length=12, blank=True)  # accepted, repeated, conflicting
    reason = models.TextField(blank=True)
    decided_by = models.CharField(max_length=120, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=("open", "taken", "left")), name="uploadrow_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="left") | ~Q(reason=""), name="uploadrow_left_for_a_reason"
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "upload", "row"], name="uploadrow_in_order")]

    def __str__(self) -> str:
        return f"{self.row}: {self.code}"
