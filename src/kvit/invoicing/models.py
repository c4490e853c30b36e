"""Bill runs, invoices with their lines, and the counters that number them."""

from datetime import date

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, Q, Value, When

from kvit.platform.tenancy import TenantModel

UNDATED = date(9999, 12, 31)  # a draft's day in the order of the list


def day_of(field: str) -> Case:
    """Return a document's day in the order of the list.

    Spelt out, for where rows are told apart by policies PostgreSQL takes COALESCE for something
    that might tell a secret, and reads the index from its beginning for every page.
    """
    return Case(When(**{f"{field}__isnull": True}, then=Value(UNDATED)), default=F(field))


class NumberSeries(TenantModel):
    """The last number given in a series. Its row is locked last and held until commit: no gaps."""

    seller_id = models.UUIDField()
    key = models.CharField(max_length=80)  # the seller's pattern with year and branch filled in
    last = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "seller_id", "key"], name="series_key_unique"
            ),
            models.CheckConstraint(condition=Q(last__gte=0), name="series_last_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.last}"


class BillRun(TenantModel):
    """One run over a billing period; how far it came, so that it resumes where it was killed."""

    period_start = models.DateField()
    period_end = models.DateField()
    status = models.CharField(max_length=10, default="running")  # running, done
    clock = models.DateTimeField()  # the business moment it bills at
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    author = models.CharField(max_length=120)
    # Usage up to this version was read; changes of usage were looked for from `looked_from` on.
    usage_version = models.BigIntegerField(default=0)
    looked_from = models.BigIntegerField(default=0)
    put_off = models.BooleanField(default=False)  # something found must be looked at again
    # Usage that nobody took: [kind, subject, meter, first time, last time], looked at by the next.
    waited = models.JSONField(default=list)
    charges = models.BigIntegerField(default=0)
    invoices = models.BigIntegerField(default=0)
    # A trigger's run for some payers: it does not count as having looked at everybody.
    is_narrow = models.BooleanField(default=False, db_default=False)
    # Of a run that workers share (`services/_shares.py`): where it is, and what it was asked.
    stage = models.CharField(max_length=10, default="", db_default="")
    asked = models.JSONField(default=dict, db_default={})

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=("running", "done")), name="billrun_status_known"
            ),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")), name="billrun_period"
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "period_start"], name="billrun_period_start")]

    def __str__(self) -> str:
        return f"{self.period_start}: {self.status}"


class RunPart(TenantModel):
    """A part of a run that workers share: done in one transaction that holds the row locked.

    It belongs to whoever has it locked. A worker that dies leaves it as it was, at once.
    """

    run = models.ForeignKey("invoicing.BillRun", on_delete=models.CASCADE, related_name="+")
    stage = models.CharField(max_length=10)
    place = models.IntegerField()  # 0, 1, …: numbers of documents are taken in this order
    size = models.IntegerField()
    ids = ArrayField(models.UUIDField())  # subscriptions to rate, or payers to invoice
    is_done = models.BooleanField(default=False)
    brought = models.JSONField(default=dict)  # `RatingResult`
    issued = ArrayField(models.UUIDField(), default=list)
    drafts = ArrayField(models.UUIDField(), default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "run", "stage", "place"], name="runpart_place"
            ),
            models.CheckConstraint(
                condition=Q(stage__in=("rating", "invoicing")), name="runpart_stage_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "run", "stage", "place"],
                condition=Q(is_done=False),
                name="runpart_undone",
            )
        ]

    def __str__(self) -> str:
        return f"{self.stage} {self.place}: {self.size}"


class RunOrder(TenantModel):
    """Work over a billing period that somebody ordered: a bill run, a dry one, an approval of all.

    A job does it. How far it is is written in transactions of its own, so that a page may look
    while the work holds its locks, and so that a dry run leaves a trace though it is rolled back.
    A bill run's record (`BillRun`) has the id of its order.
    """

    action = models.CharField(max_length=8)
    status = models.CharField(max_length=8, default="queued")
    period_start = models.DateField()
    period_end = models.DateField()
    issue_on = models.DateField(null=True)  # the date that the documents bear
    author = models.CharField(max_length=120)
    left_out = models.JSONField(default=list)  # drafts that an approval leaves alone
    ordered_at = models.DateTimeField()  # by the tenant's clock
    stage = models.CharField(max_length=12, blank=True)
    done = models.BigIntegerField(default=0)
    whole = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(null=True)  # by the tenant's clock, as `finished_at`
    heard_at = models.DateTimeField(null=True)  # by the real one: whether somebody is at it
    finished_at = models.DateTimeField(null=True)
    stop_asked_by = models.CharField(max_length=120, blank=True)
    fault = models.CharField(max_length=40, blank=True)  # why it failed: a key of words
    report = models.JSONField(default=dict)  # what it brought: `rows.RunSummary`

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(action__in=("bill", "dry", "approve")), name="runorder_action_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=("queued", "running", "done", "failed", "stopped")),
                name="runorder_status_known",
            ),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")), name="runorder_period"
            ),
            # Two of one period would only take turns: the second is refused while one is under way.
            models.UniqueConstraint(
                fields=["tenant_id", "period_start"],
                condition=Q(status__in=("queued", "running")),
                name="runorder_one_at_a_time",
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "ordered_at", "id"], name="runorder_when")]

    def __str__(self) -> str:
        return f"{self.action} {self.period_start}: {self.status}"


class Invoice(TenantModel):
    """A demand for payment, or a document that corrects one.

    A draft may change or be dropped; once issued, a trigger (migration 0002) refuses any change.
    A correction's sums are signed: a credit note is negative.
    """

    reached_by = "customer_id"

    class Kind(models.TextChoices):
        INVOICE = "invoice"
        CREDIT_NOTE = "credit_note"
        DEBIT_NOTE = "debit_note"
        VOID = "void"  # the reversal of a whole invoice

    kind = models.CharField(max_length=12, default=Kind.INVOICE)
    status = models.CharField(max_length=8, default="draft")  # draft, issued
    waits_for = models.CharField(max_length=20, blank=True)  # approval, outlier
    seller_id = models.UUIDField()
    customer_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    billed_in = models.DateField()
    period_start = models.DateField()
    period_end = models.DateField()
    split_key = models.CharField(max_length=80, blank=True)
    series = models.CharField(max_length=80, blank=True)
    number = models.IntegerField(null=True)
    number_text = models.CharField(max_length=80, blank=True)
    issued_on = models.DateField(null=True)
    issued_at = models.DateTimeField(null=True)
    net_minor = models.BigIntegerField()
    vat_minor = models.BigIntegerField()
    total_minor = models.BigIntegerField()
    vat_rounding = models.CharField(max_length=8)
    corrects = models.ForeignKey(
        "invoicing.Invoice", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    reason = models.TextField(blank=True)
    author = models.CharField(max_length=120)
    approver = models.CharField(max_length=120, blank=True)
    four_eyes = models.BooleanField(default=False, db_default=False)  # the seller's policy then
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # The rule lives in the database because bulk statements and psql skip Python.
            models.CheckConstraint(
                condition=Q(status="draft", number=None, issued_at=None, issued_on=None)
                | Q(
                    status="issued", number__isnull=False, issued_at__isnull=False,
                    issued_on__isnull=False,
                ),
                name="invoice_numbered_iff_issued",
            ),
            models.CheckConstraint(
                condition=Q(total_minor=F("net_minor") + F("vat_minor")), name="invoice_adds_up"
            ),
            models.CheckConstraint(
                condition=Q(kind="invoice", corrects=None)
                | (~Q(kind="invoice") & Q(corrects__isnull=False)),
                name="invoice_correction_names_its_original",
            ),
            models.CheckConstraint(
                condition=Q(four_eyes=False)
                | Q(status="draft")
                | (~Q(approver="") & ~Q(approver=F("author"))),
                name="invoice_four_eyes",
            ),
            models.CheckConstraint(
                condition=~Q(kind="credit_note") | Q(total_minor__lte=0),
                name="invoice_credit_not_positive",
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "seller_id", "series", "number"], name="invoice_number_unique"
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "corrects"], condition=Q(kind="void"), name="invoice_void_once"
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["tenant_id", "billed_in", "customer_id"], name="invoice_period"),
            models.Index(fields=["tenant_id", "customer_id", "issued_on"], name="invoice_customer"),
            # The list's orders; a draft has no day, and stands above all that has one.
            models.Index(F("tenant_id"), day_of("issued_on"), F("id"), name="invoice_by_day"),
            models.Index(fields=["tenant_id", "total_minor", "id"], name="invoice_total"),
            models.Index(
                fields=["tenant_id", "created_at", "id"],
                condition=Q(status="draft"),
                name="invoice_drafts",
            ),
            models.Index(
                fields=["tenant_id", "corrects"],
                condition=Q(corrects__isnull=False),
                name="invoice_corrects",
            ),
        ]

    def __str__(self) -> str:
        return self.number_text or f"draft {self.id}"


class Corrected(TenantModel):
    """An issued invoice that was corrected: its tab in the list, and what was taken off it.

    Kept by a trigger on corrections (migration 0013), for an issued document never changes. What
    the list is put in order by stands here as well: of so few among so many a page is then read
    off an index.
    """

    id = None
    invoice = models.OneToOneField(
        Invoice, on_delete=models.DO_NOTHING, primary_key=True, related_name="corrected"
    )
    tab = models.CharField(max_length=12)  # corrected, void
    taken_minor = models.BigIntegerField()  # Σ of what was issued to correct it, signed
    day = models.DateField()
    billed_in = models.DateField()
    customer_id = models.UUIDField()
    total_minor = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "tab", "day", "invoice"], name="corrected_by_day"),
            models.Index(
                fields=["tenant_id", "tab", "total_minor", "invoice"], name="corrected_by_total"
            ),
            models.Index(
                fields=["tenant_id", "tab", "billed_in", "customer_id", "invoice"],
                name="corrected_by_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tab}: {self.taken_minor} of {self.total_minor}"


class Tally(TenantModel):
    """What one statement added to the documents of a day, a billing period and a tab.

    Kept by triggers on documents (migration 0008); rows add up, those that take away are below
    zero. `services.merge_tallies` makes one of many.
    """

    id = models.BigAutoField(primary_key=True)
    seller_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=12)
    tab = models.CharField(max_length=12)  # of the list: `_listing.TABS`
    waits_for = models.CharField(max_length=20, blank=True)
    billed_in = models.DateField()
    day = models.DateField()  # of issue; UNDATED of a draft
    documents = models.BigIntegerField()
    net_minor = models.BigIntegerField()
    total_minor = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "billed_in"], name="tally_period")]

    def __str__(self) -> str:
        return f"{self.tab} {self.day}: {self.documents}, {self.total_minor} {self.currency}"


class PlanMonth(TenantModel):
    """What was issued in a month by plan, as the night keeps it: `_plan_months`."""

    id = models.BigAutoField(primary_key=True)
    month = models.DateField()  # its first day
    documents = models.BigIntegerField()  # issued in it when it was kept
    until = models.DateTimeField()  # what is agreed from then on concerns none of its lines
    changes = models.BigIntegerField()  # of plans that reach to before `until`
    sums = models.JSONField(default=dict)  # {currency: {plan: minor units before VAT}}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "month"], name="planmonth_once")
        ]

    def __str__(self) -> str:
        return f"{self.month}: {self.documents} documents"


class InvoiceLine(TenantModel):
    """One line. `net + vat == total` on every line and, by allocation, in sum.

    A draft's lines may go with it; those of an issued document stand for ever (migration 0002).
    """

    reached_by = "invoice__customer_id"

    invoice = models.ForeignKey(
        "invoicing.Invoice", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    position = models.IntegerField()  # 1, 2, …
    charge_id = models.UUIDField(null=True)  # a correction's line has none of its own
    corrects_line_id = models.UUIDField(null=True)
    subscription_id = models.UUIDField(null=True)
    subscription_code = models.CharField(max_length=80, blank=True)
    price_code = models.CharField(max_length=80, blank=True)
    name = models.CharField(max_length=1000)
    unit = models.CharField(max_length=40, blank=True)
    starts_on = models.DateField()
    ends_on = models.DateField()
    units = models.DecimalField(max_digits=38, decimal_places=12)
    gross_minor = models.BigIntegerField()  # before discounts, in the line's basis
    discounts = models.JSONField(default=list)  # [{"code", …, "amount_minor"}], in order
    basis = models.CharField(max_length=5)
    vat_code = models.CharField(max_length=10)
    vat_rate = models.DecimalField(max_digits=5, decimal_places=2, null=True)  # null: without VAT
    net_minor = models.BigIntegerField()
    vat_minor = models.BigIntegerField()
    total_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "invoice", "position"], name="line_position_unique"
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "charge_id"],
                condition=Q(charge_id__isnull=False),
                name="line_charge_billed_once",
            ),
            models.CheckConstraint(
                condition=Q(total_minor=F("net_minor") + F("vat_minor")), name="line_adds_up"
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "corrects_line_id"],
                condition=Q(corrects_line_id__isnull=False),
                name="line_corrected",
            )
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.name}"


class FreedCharge(TenantModel):
    """A charge that no standing document bills any more: its draft was refused, or its invoice was
    voided to be billed again.

    The next run looks at its service period once more, takes the charge onto a document, and
    drops the row.
    """

    reached_by = "customer_id"

    charge_id = models.UUIDField()
    customer_id = models.UUIDField()  # who pays
    subscription_id = models.UUIDField()
    period_start = models.DateField()  # of the service
    billed_in = models.DateField()  # a run of an earlier billing period leaves it alone

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "charge_id"], name="freedcharge_once"),
        ]
        indexes = [models.Index(fields=["tenant_id", "customer_id"], name="freedcharge_payer")]

    def __str__(self) -> str:
        return str(self.charge_id)


class Trigger(TenantModel):
    """A standing order to bill without anybody asking: by schedule, by a threshold, by an event."""

    code = models.CharField(max_length=80)
    kind = models.CharField(max_length=10)
    # schedule: {"day", "time"}; threshold: {"meter", "units"} or {}; event: {"event"}
    said = models.JSONField(default=dict)
    is_on = models.BooleanField(default=True)
    since = models.DateTimeField()  # what was due before is nobody's business
    author = models.CharField(max_length=120)
    looked_at = models.BigIntegerField(default=0)  # usage version up to which a threshold looked

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "code"], name="trigger_code_unique"),
            models.CheckConstraint(
                condition=Q(kind__in=("schedule", "threshold", "event")), name="trigger_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.kind}"


class Firing(TenantModel):
    """A condition of a trigger that occurred. Its key is unique: a repeated signal is no second."""

    trigger = models.ForeignKey("invoicing.Trigger", on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=120)  # the month, the usage version, the amendment
    due_at = models.DateTimeField()
    subscription_id = models.UUIDField(null=True)  # an event's
    status = models.CharField(max_length=8, default="waiting")
    done_at = models.DateTimeField(null=True)
    run_id = models.UUIDField(null=True)  # the bill run, or the order of one
    documents = models.IntegerField(default=0)  # issued or drafted by a run of its own

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "trigger", "key"], name="firing_once_a_key"
            ),
            models.CheckConstraint(
                condition=Q(status__in=("waiting", "done")), name="firing_status_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "due_at"],
                condition=Q(status="waiting"),
                name="firing_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.status}"
