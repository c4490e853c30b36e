"""Charges: what was found to be owed for one price, one stretch of time, with its pins."""

from django.db import models
from django.db.models import F, Q

from kvit.platform.tenancy import AppendOnly, TenantModel


class Charge(AppendOnly, TenantModel):
    """An amount for one price of one subscription over [starts_at, ends_at) of a service period.

    Keeps ids and figures, never text. `revision` 0 is the first bill of the stretch; later ones
    carry the difference that late usage or a backdated amendment made, so that their sum is
    always what the stretch costs by today's knowledge.

    Pins, enough to compute it again: `price_version`, `usage_version`, `terms_number` (the last
    amendment known) and `catalogue_revision`.
    """

    reached_by = "customer_id"

    subscription_id = models.UUIDField()
    subscription_code = models.CharField(max_length=80)
    customer_id = models.UUIDField()  # who pays for this stretch
    seller_id = models.UUIDField()
    service = models.CharField(max_length=80, blank=True)
    price_key = models.CharField(max_length=800)  # the price's code; "plan/code" within an add-on
    price_code = models.CharField(max_length=80)
    price_version_id = models.CharField(max_length=36, blank=True)
    name = models.CharField(max_length=1000)
    unit = models.CharField(max_length=40, blank=True)
    billed_in = models.DateField()  # the first day of the billing period whose run made it
    period_start = models.DateField()
    period_end = models.DateField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    starts_on = models.DateField()
    ends_on = models.DateField()
    revision = models.IntegerField(default=0)
    reason = models.CharField(max_length=20, default="period")
    currency = models.CharField(max_length=3)
    basis = models.CharField(max_length=5)
    vat_code = models.CharField(max_length=10)
    vat_on = models.DateField()  # the day whose rate holds: the last one of the service
    units = models.DecimalField(max_digits=38, decimal_places=12)
    events = models.BigIntegerField(default=0)
    # The unrounded sum after discounts, in major units, as a fraction.
    exact_num = models.DecimalField(max_digits=60, decimal_places=0)
    exact_den = models.DecimalField(max_digits=60, decimal_places=0)
    gross_minor = models.BigIntegerField()  # before discounts
    amount_minor = models.BigIntegerField()  # after discounts, rounded once
    discounts = models.JSONField(default=list)  # [{"code", "percent"|"fixed", "amount_minor"}]
    # What of the customer ("about"), of a pool ("pool") or of balances that later periods had drawn
    # on ("drawn") it was computed from, where it was.
    given = models.JSONField(default=dict, db_default={})
    # What was charged of the period together with this: a fixed discount is shared among it.
    whens = models.JSONField(default=list)
    usage_version = models.BigIntegerField(default=0)
    terms_number = models.IntegerField(default=0)
    catalogue_revision = models.BigIntegerField(default=0)
    rated_at = models.DateTimeField()

    class Meta:
        constraints = [
            # What makes a second run harmless: a stretch is charged once, a difference once.
            models.UniqueConstraint(
                fields=[
                    "tenant_id",
                    "subscription_id",
                    "price_key",
                    "period_start",
                    "starts_at",
                    "revision",
                ],
                name="charge_once",
            ),
            models.CheckConstraint(
                condition=Q(period_end__gte=F("period_start")), name="charge_period"
            ),
            models.CheckConstraint(condition=Q(exact_den__gt=0), name="charge_denominator"),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "billed_in", "customer_id"], name="charge_due"),
            # The few that are no first bill of their stretch: an ordinary one is no dearer.
            models.Index(
                fields=["tenant_id", "customer_id"],
                condition=~Q(reason="period"),
                name="charge_put_right",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_code} {self.price_key} {self.starts_on} {self.amount_minor}"


class RatedPeriod(TenantModel):
    """How far a service period of a subscription is charged, and by what knowledge.

    It is the memory that makes a difference findable: usage newer than `usage_version` or an
    amendment past `terms_number` means that the period must be looked at again. `events` and
    `uncovered` are what of its usage is billed, and what no price asked for; `held` names prices
    that could not be charged: while there is one, the period is not billed whole.
    """

    subscription_id = models.UUIDField()
    period_start = models.DateField()
    period_end = models.DateField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    billed_in = models.DateField()
    whens = models.JSONField(default=list)
    events = models.BigIntegerField(default=0)
    uncovered = models.JSONField(default=dict)  # {meter: events}
    held = models.JSONField(default=list)  # "plan/price", or the key of a price that failed
    usage_version = models.BigIntegerField(default=0)
    terms_number = models.IntegerField(default=0)
    catalogue_revision = models.BigIntegerField(default=0)
    pool = models.CharField(
        max_length=32, default="", db_default=""
    )  # a mark of its pool's members

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "subscription_id", "period_start"], name="ratedperiod_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id} {self.period_start}"
