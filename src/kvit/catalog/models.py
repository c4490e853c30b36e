"""What the company sells: meters, plans, prices; every statement about them dated and kept."""

from django.db import models
from django.db.models import F, Q

from kvit.core.catalogue import ALWAYS
from kvit.platform.tenancy import AppendOnly, TenantModel

AGGREGATIONS = (
    "sum", "count", "max", "unique", "latest", "time_weighted", "difference", "expression",
)  # fmt: skip


class Status(models.TextChoices):
    """A version's life. A trigger (migration 0002) lets a published one only become obsolete."""

    DRAFT = "draft"
    PUBLISHED = "published"
    OBSOLETE = "obsolete"


class Revision(TenantModel):
    """Counts the changes of a tenant's catalogue: "as known at revision N" can be asked later."""

    last = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id"], name="catalog_revision_once"),
        ]

    def __str__(self) -> str:
        return str(self.last)


class Publication(AppendOnly, TenantModel):
    """One change of the catalogue: which revision, by whom, when and why."""

    revision = models.BigIntegerField()
    at = models.DateTimeField()
    author = models.CharField(max_length=120)
    reason = models.TextField(blank=True)
    draft_id = models.UUIDField(null=True)  # the draft that was published, if it was one
    stated = models.JSONField(default=list)  # "price:pro/fee", "meter:calls", …
    # What was stated of objects that keep no versions: {"coupon:NY": {"before": …, "after": …}}.
    documents = models.JSONField(default=dict, db_default={})
    effective_from = models.DateField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "revision"], name="publication_revision_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"revision {self.revision}"


class Draft(TenantModel):
    """A change of the catalogue in the making: statements by kind and key, sold by nobody yet.

    `base` is what stood of each object when it was put in: somebody else's publication meanwhile
    is a conflict, seen before this one is published. Only sound statements are kept.
    """

    title = models.CharField(max_length=200)
    status = models.CharField(max_length=10, default="open")
    effective_from = models.DateField()
    content = models.JSONField(default=dict)  # {"price": {"pro/fee": document}}
    base = models.JSONField(default=dict)  # the same keys; null where nothing stood
    version = models.IntegerField(default=1)  # counts the edits: two editors see each other
    author = models.CharField(max_length=120)
    changed_by = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    published_revision = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=("open", "published", "discarded")),
                name="draft_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status="published") ^ Q(published_revision__isnull=True),
                name="draft_published_iff_revised",
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "status", "changed_at"], name="draft_open")]

    def __str__(self) -> str:
        return self.title


class Simulation(TenantModel):
    """A billed month rated again with drafts in place of what was sold; it changes nothing.

    The pins (usage, catalogue, the drafts' content) make it reproducible: the same pins give the
    same sums. `rated_until` is the last subscription done, for a worker that was killed.
    """

    period_start = models.DateField()
    period_end = models.DateField()
    usage_version = models.BigIntegerField()
    catalogue_revision = models.BigIntegerField()
    scenarios = models.JSONField()  # [{"draft", "title", "version", "content"}], 1 … 5
    status = models.CharField(max_length=10, default="waiting")
    done = models.IntegerField(default=0)  # subscriptions
    whole = models.IntegerField()
    rated_until = models.UUIDField(null=True)
    problems = models.JSONField(default=list)  # [[scenario, subscription, price, code, ru, en]]
    author = models.CharField(max_length=120)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=("waiting", "done")), name="simulation_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status="done") ^ Q(finished_at__isnull=True),
                name="simulation_done_iff_finished",
            ),
        ]
        indexes = [models.Index(fields=["tenant_id", "started_at"], name="simulation_latest")]

    def __str__(self) -> str:
        return f"{self.period_start}: {self.done} of {self.whole}"


class SimulatedSum(TenantModel):
    """What one payer would have been charged in a scenario, beside what he was.

    `charged_minor` is what was billed; `before_minor` what the same usage costs by the prices of
    then, rated again; `after_minor` by the draft's. Before tax, in the basis of the charges.
    """

    id = models.BigAutoField(primary_key=True)
    simulation = models.ForeignKey("catalog.Simulation", on_delete=models.CASCADE, related_name="+")
    scenario = models.SmallIntegerField()
    payer_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    charged_minor = models.BigIntegerField()
    before_minor = models.BigIntegerField()
    after_minor = models.BigIntegerField()
    difference_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "simulation", "scenario", "payer_id", "currency"],
                name="simulatedsum_once",
            ),
            models.CheckConstraint(
                condition=Q(difference_minor=F("after_minor") - F("before_minor")),
                name="simulatedsum_difference_adds_up",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "simulation", "scenario", "difference_minor", "id"],
                name="simulatedsum_difference",
            )
        ]

    def __str__(self) -> str:
        return f"{self.payer_id} {self.difference_minor}"


class Meter(TenantModel):
    """What is measured, and how its events add up."""

    code = models.CharField(max_length=80)
    name = models.CharField(max_length=500)
    unit = models.CharField(max_length=40)
    aggregation = models.CharField(max_length=20)
    expression = models.TextField(blank=True)
    dimensions = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "code"], name="meter_code_unique"),
            models.CheckConstraint(
                condition=Q(aggregation__in=AGGREGATIONS), name="meter_aggregation_known"
            ),
            models.CheckConstraint(
                condition=Q(aggregation="expression") ^ Q(expression=""),
                name="meter_expression_iff_asked",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class HolidayCalendar(TenantModel):
    """Days that a price treats as holidays, or as working although a calendar says otherwise.

    Rows are only closed, never edited, as those of discounts.
    """

    code = models.CharField(max_length=80)
    days = models.JSONField(default=dict)  # {"2026-01-01": "holiday" | "working"}
    published_revision = models.BigIntegerField(default=0, db_default=0)  # 0: of before them
    obsoleted_revision = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "code"],
                condition=Q(obsoleted_revision__isnull=True),
                name="calendar_once_standing",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Plan(TenantModel):
    """A plan's identity; what it says stands in its versions."""

    code = models.CharField(max_length=80)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "code"], name="plan_code_unique"),
        ]

    def __str__(self) -> str:
        return self.code


class Version(TenantModel):
    """A dated statement: in force from `effective_from` until the next published one begins.

    `published_revision` and `obsoleted_revision` say when the catalogue knew it, so that a bill
    of an earlier month is explained by what was known then.
    """

    plan = models.ForeignKey("catalog.Plan", on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, default=Status.DRAFT)
    effective_from = models.DateField()
    position = models.IntegerField(default=0)  # the order of declaration
    published_revision = models.BigIntegerField(null=True)
    obsoleted_revision = models.BigIntegerField(null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.plan_id} from {self.effective_from} ({self.status})"


def _life(name: str) -> list[models.BaseConstraint]:
    """The rules that every version table keeps."""
    return [
        models.CheckConstraint(condition=Q(status__in=Status.values), name=f"{name}_status_known"),
        models.CheckConstraint(
            condition=Q(status=Status.DRAFT) ^ Q(published_revision__isnull=False),
            name=f"{name}_published_iff_not_draft",
        ),
        models.CheckConstraint(
            condition=Q(status=Status.OBSOLETE, obsoleted_revision__gte=F("published_revision"))
            | (~Q(status=Status.OBSOLETE) & Q(obsoleted_revision__isnull=True)),
            name=f"{name}_obsolete_iff_superseded",
        ),
    ]


class PlanVersion(Version):
    """The terms of a plan as a whole."""

    name = models.CharField(max_length=500)
    cycle = models.TextField()  # a list of dates may be long
    anchor = models.CharField(max_length=12)
    scheme = models.CharField(max_length=20)
    service = models.CharField(max_length=80, blank=True)
    seller = models.CharField(max_length=80, blank=True)  # a seller's code; empty: the first one
    calendar = models.CharField(max_length=80, blank=True)
    price_basis = models.CharField(max_length=5, blank=True)
    trial_days = models.IntegerField(default=0)
    commitment = models.DecimalField(max_digits=38, decimal_places=12, null=True)
    threshold = models.DecimalField(max_digits=38, decimal_places=12, null=True)
    includes = models.JSONField(default=list)
    phases = models.JSONField(default=list)

    class Meta:
        constraints = [
            *_life("planversion"),
            models.UniqueConstraint(
                fields=["tenant_id", "plan", "effective_from"],
                condition=Q(status=Status.PUBLISHED),
                name="planversion_one_a_day",
            ),
        ]


class PriceVersion(Version):
    """One price of a plan. `definition` is the document of the quote contract, as written."""

    code = models.CharField(max_length=80)
    name = models.CharField(max_length=500)
    when = models.CharField(max_length=10)
    prorate = models.CharField(max_length=20)
    meter = models.CharField(max_length=80, blank=True)  # a meter's code; empty: a fee
    definition = models.JSONField()
    examples = models.JSONField(default=list)
    continues = models.BooleanField(default=False)
    counts_quantity = models.BooleanField(default=True)
    ends = models.BooleanField(default=False, db_default=False)  # the price is no more from then on
    price_basis = models.CharField(max_length=5, blank=True)
    calendar = models.CharField(max_length=80, blank=True)
    filters = models.JSONField(default=dict)
    group_by = models.JSONField(default=list)
    phase = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            *_life("priceversion"),
            models.CheckConstraint(
                condition=Q(when__in=("arrears", "advance", "once", "milestone")),
                name="priceversion_when_known",
            ),
            # A conflict of two prices for one day is refused, never settled by age.
            models.UniqueConstraint(
                fields=["tenant_id", "plan", "code", "effective_from"],
                condition=Q(status=Status.PUBLISHED),
                name="priceversion_one_a_day",
            ),
        ]


class Discount(TenantModel):
    """A version of a discount for every customer: from its day on, as of its revision.

    Rows are only closed, never edited, so that an earlier bill is explained by what held then.
    """

    code = models.CharField(max_length=80)
    name = models.CharField(max_length=500)
    percent = models.DecimalField(max_digits=15, decimal_places=12, null=True)
    fixed = models.DecimalField(max_digits=38, decimal_places=12, null=True)
    scope = models.CharField(max_length=170, blank=True)  # "", "plan" or "plan/price"
    from_units = models.DecimalField(max_digits=38, decimal_places=12, null=True)
    position = models.IntegerField(default=0)
    effective_from = models.DateField(default=ALWAYS, db_default=ALWAYS)
    published_revision = models.BigIntegerField()
    obsoleted_revision = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "code", "effective_from"],
                condition=Q(obsoleted_revision__isnull=True),
                name="discount_one_a_day",
            ),
            models.CheckConstraint(
                condition=Q(percent__isnull=True, fixed__gte=0)
                | Q(fixed__isnull=True, percent__gte=0, percent__lte=100),
                name="discount_percent_or_fixed",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Coupon(TenantModel):
    """A code that gives its discount when it is redeemed, at most `limit` times in all."""

    code = models.CharField(max_length=80)
    name = models.CharField(max_length=500)
    percent = models.DecimalField(max_digits=15, decimal_places=12, null=True)
    fixed = models.DecimalField(max_digits=38, decimal_places=12, null=True)
    limit = models.IntegerField(null=True)
    starts_on = models.DateField(null=True)  # the first day on which it is taken
    expires_on = models.DateField(null=True)  # the first day on which it is refused
    periods = models.IntegerField(null=True)  # how many service periods it lasts; null: for ever
    redeemed = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "code"], name="coupon_code_unique"),
            # The limit holds in the database: two redemptions at once cannot both be the last.
            models.CheckConstraint(
                condition=Q(redeemed__gte=0)
                & (Q(limit__isnull=True) | Q(redeemed__lte=F("limit"))),
                name="coupon_limit",
            ),
            models.CheckConstraint(
                condition=Q(percent__isnull=True, fixed__gte=0)
                | Q(fixed__isnull=True, percent__gte=0, percent__lte=100),
                name="coupon_percent_or_fixed",
            ),
        ]

    def __str__(self) -> str:
        return self.code
