"""Subscriptions and their amendments."""

from django.db import models
from django.db.models import F, Q

from kvit.platform.tenancy import AppendOnly, TenantModel


class Subscription(TenantModel):
    """A customer takes a plan from a moment on.

    `first` holds the terms at the start and is never edited: whatever changes later is an
    amendment. `customer` and `ends_on` follow the amendments, so that due subscriptions and a
    payer's subscriptions are found by an index; they decide no price.
    """

    reached_by = "customer_id"

    code = models.CharField(max_length=80)
    customer = models.ForeignKey("parties.Customer", on_delete=models.PROTECT, related_name="+")
    zone = models.CharField(max_length=64)  # the customer's zone when it began
    starts_at = models.DateTimeField()
    starts_on = models.DateField()
    ends_on = models.DateField(null=True)  # the first local day that is not served
    ends_at = models.DateTimeField(null=True)  # an end agreed from the beginning
    first = models.JSONField()  # {"customer", "plan", "quantity", "terms"}
    amendments = models.IntegerField(default=0)  # the number of the last amendment

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "code"], name="subscription_code_unique"),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="subscription_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(amendments__gte=0), name="subscription_amendments_count"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "customer"], name="subscription_customer"),
            models.Index(fields=["tenant_id", "starts_on"], name="subscription_start"),
        ]

    def __str__(self) -> str:
        return self.code


class Amendment(AppendOnly, TenantModel):
    """A change of terms from `at` on. Undone by a later amendment "withdraw" of its number."""

    reached_by = "subscription__customer_id"

    subscription = models.ForeignKey(
        "subscriptions.Subscription", on_delete=models.PROTECT, related_name="+"
    )
    number = models.IntegerField()  # 1, 2, … within the subscription, in order of recording
    at = models.DateTimeField()  # the first moment of the new
    change = models.CharField(max_length=20)
    value = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    author = models.CharField(max_length=120)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "subscription", "number"], name="amendment_number_unique"
            ),
            models.CheckConstraint(condition=Q(number__gt=0), name="amendment_number_positive"),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "change", "at"],
                name="amendment_of_plan",
                condition=Q(change__in=("plan", "restate", "withdraw")),
            ),
            models.Index(
                fields=["tenant_id", "change"],
                name="amendment_of_payer",
                condition=Q(change__in=("transfer", "restate")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.change} at {self.at}"


class Spell(TenantModel):
    """A time [starts_at, ends_at) of one subscription in which no term changes.

    Follows the amendments: written anew with each of them, so that lists can be filtered by what
    holds, held or will hold. Prices are decided by the fold itself, never by these rows.
    """

    reached_by = "subscription__customer_id"

    subscription = models.ForeignKey(
        "subscriptions.Subscription", on_delete=models.PROTECT, related_name="+"
    )
    place = models.IntegerField()  # 0, 1, … in order of time
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    plan = models.CharField(max_length=80)
    payer_id = models.UUIDField()
    quantity = models.DecimalField(max_digits=38, decimal_places=12)
    state = models.CharField(max_length=10)
    is_special = models.BooleanField(default=False)  # own prices, discounts or a pinned day
    add_ons = models.JSONField(default=list)  # codes of plans

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "subscription", "place"], name="spell_place_unique"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="spell_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("active", "paused", "ended")), name="spell_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "plan", "starts_at"], name="spell_plan"),
            models.Index(fields=["tenant_id", "payer_id"], name="spell_payer"),
        ]

    def __str__(self) -> str:
        return f"{self.plan} from {self.starts_at}"
