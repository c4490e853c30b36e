"""A seller's accounts and the postings between them."""

from datetime import date

from django.db import models
from django.db.models import F, Q

from kvit.core.bookkeeping import ROLES
from kvit.platform.tenancy import AppendOnly, TenantModel


class Account(TenantModel):
    """An account of one seller's chart. Its code is what postings bear, so it never changes."""

    class Kind(models.TextChoices):
        ASSET = "asset"
        LIABILITY = "liability"
        INCOME = "income"
        EXPENSE = "expense"

    seller_id = models.UUIDField()
    # Byte order: an account of 76.АВ stands in the same place on every installation.
    code = models.CharField(max_length=20, db_collation="C")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    role = models.CharField(max_length=20, null=True)  # unique where given

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "seller_id", "code"], name="account_code_unique"
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "seller_id", "role"], name="account_role_unique"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["asset", "liability", "income", "expense"]),
                name="account_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(role__isnull=True) | Q(role__in=ROLES), name="account_role_known"
            ),
            # A posting may name its account by role or by code: the two must not look alike.
            models.CheckConstraint(
                condition=Q(code__regex=r"^[0-9]"), name="account_code_starts_with_digit"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class Posting(AppendOnly, TenantModel):
    """One movement: `amount_minor` leaves `credit` and enters `debit`.

    A pair in one row cannot be unbalanced, so the books balance by construction rather than by a
    trigger. A mistake is corrected by a posting the other way, which keeps both. Migration 0002
    ties both codes to the chart.
    """

    reached_by = "customer_id"

    id = models.BigAutoField(primary_key=True)
    seller_id = models.UUIDField()
    debit = models.CharField(max_length=20, db_collation="C")
    credit = models.CharField(max_length=20, db_collation="C")
    customer_id = models.UUIDField(
        null=True
    )  # whose claim it is, where an account is kept by client
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    source = models.CharField(max_length=120)  # "invoice:<id>": what made this posting true
    line = models.IntegerField()  # its place among the postings of that source, from 1
    effective_on = models.DateField()  # the day it counts for; may be a day to come
    recorded_at = models.DateTimeField()  # the moment we learned of it

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="posting_amount_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="posting_two_accounts"),
            models.CheckConstraint(condition=Q(line__gte=1), name="posting_line_from_one"),
            models.UniqueConstraint(
                fields=["tenant_id", "source", "line"], name="posting_once_per_source"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "effective_on", "id"], name="posting_by_day_and_id"),
            models.Index(
                fields=["tenant_id", "customer_id", "effective_on"],
                name="posting_by_customer",
                condition=Q(customer_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Дт {self.debit} Кт {self.credit} {self.amount_minor} {self.currency}"


class DayTurnover(TenantModel):
    """What one statement posted between two accounts on one day; several rows add up.

    Kept by a trigger on postings (migration 0003). Rows are added, so that nobody waits for
    anybody; `services.merge_turnovers` makes one of many.
    """

    id = models.BigAutoField(primary_key=True)
    seller_id = models.UUIDField()
    effective_on = models.DateField()
    debit = models.CharField(max_length=20, db_collation="C")
    credit = models.CharField(max_length=20, db_collation="C")
    currency = models.CharField(max_length=3)
    origin = models.CharField(max_length=120)  # what stands before the colon of the source
    postings = models.BigIntegerField()
    amount_minor = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "seller_id", "effective_on"], name="turnover_by_day")
        ]

    def __str__(self) -> str:
        return f"{self.effective_on} Дт {self.debit} Кт {self.credit} {self.amount_minor}"


class Claim(TenantModel):
    """What a customer owes on all claim accounts by all that is posted, days to come included.

    Kept by the same trigger. Postings of nobody's are under `_kept.NOBODY`.
    """

    reached_by = "customer_id"
    id = models.BigAutoField(primary_key=True)
    customer_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    balance_minor = models.BigIntegerField()  # debit less credit

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "customer_id", "currency"], name="claim_of_customer"
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.balance_minor} {self.currency}"


class PastDay(TenantModel):
    """A day up to which it is kept what customers owed, and of how many postings that is.

    It stands as long as there are so many before it (`_past`).
    """

    id = models.BigAutoField(primary_key=True)
    day = models.DateField()
    since = models.DateField(null=True)  # the first day that it tells of; None: itself alone
    # What a former version knows it by; of days that it would misread it is -1, so it reads none.
    postings = models.BigIntegerField()
    made_of = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "day"], name="pastday_once")]

    def __str__(self) -> str:
        return f"{self.day}: since {self.since}"


class PastClaim(TenantModel):
    """What a customer owed on all claim accounts at the beginning of days; never zero."""

    reached_by = "customer_id"
    id = models.BigAutoField(primary_key=True)
    day = models.DateField()  # with which it is kept
    since = models.DateField(db_default=date.min)  # the first of them
    until = models.DateField(db_default=date.max)  # the first that is none
    customer_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    balance_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "day", "customer_id", "currency", "since"],
                include=["until"],
                name="pastclaim_of_customer",
            )
        ]
        indexes = [
            models.Index(
                "tenant_id", "day", F("balance_minor").desc(), "customer_id", "currency", "since",
                "until", name="past_by_debt",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.day} {self.customer_id} {self.balance_minor} {self.currency}"
