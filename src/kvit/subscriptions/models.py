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

    def __str__(self) -> str:
        return f"{self.change} at {self.at}"
