"""How much a role decides by itself: what is above needs somebody who may more.

    accountant, corrects 50 000.00 RUB:  a credit note of 50 000.00 is posted,
                                         one of 50 000.01 waits for a person whose limit covers it
    accountant, approves 50 000.00 RUB:  a draft invoice of 50 000.01 is approved by somebody else

A role without limits has none. A person has the highest limit of their roles; a key, that of who
made it, as it is now. In a currency that a limited role says nothing of, nothing is covered.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from kvit.core.money import Money, UnknownCurrency, exponent
from kvit.core.wording import Words
from kvit.parties import models
from kvit.parties.rights import OWNER
from kvit.parties.standing import role_rights
from kvit.platform import audit
from kvit.platform.failures import Failure
from kvit.platform.revisions import Seen, refuse_stale
from kvit.platform.tenancy import current_tenant_id

CORRECT, APPROVE = "correct", "approve"
DECIDING = {  # which rights are about it at all
    CORRECT: frozenset({"invoices.correct", "invoices.approve"}),
    APPROVE: frozenset({"invoices.approve"}),
}
_NAMES = {CORRECT: ("role.limited", "limits"), APPROVE: ("role.approval_limited", "invoice_limits")}
LARGEST = 10**15  # minor units
NAMED = 3
WORDS: Words = {
    "limit_role_unknown": ("Роли {role} нет.", "There is no role {role}."),
    "limit_of_owner": (
        "У владельца пределов нет: иначе крупный документ не утвердил бы никто.",
        "An owner has no limits: nobody could approve a large document otherwise.",
    ),
    "limit_currency_unknown": ("Валюты {currency} нет.", "There is no currency {currency}."),
    "limit_wrong": (
        "Предел — сумма от нуля до 10 триллионов.",
        "A limit is a sum from zero to ten trillions.",
    ),
    "limit_above_own": (
        "Ваш собственный предел {own}: дать больше может тот, у кого он выше.",
        "Your own limit is {own}: who has a higher one can give more.",
    ),
    "limit_off_above_own": (
        "У вас самих есть предел: снять его с роли может тот, у кого пределов нет.",
        "You have a limit yourself: who has none can take it off a role.",
    ),
}


class LimitRefused(Failure):
    """The limits cannot be so; nothing was changed."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Limit:
    """Up to which sum, by currency, somebody decides alone; `sums` None: any."""

    sums: Mapping[str, int] | None

    def covers(self, minor: int, currency: str) -> bool:
        """Whether a document of this sum, of either sign, is within it."""
        return self.sums is None or abs(minor) <= self.sums.get(currency, -1)

    def of(self, currency: str) -> Money | None:
        """The limit in a currency; None where there is none."""
        return None if self.sums is None else Money(self.sums.get(currency, 0), currency)


def limit_of(actor: str, *, act: str = CORRECT) -> Limit:
    """Return up to which sum this actor decides alone in the tenant in scope."""
    limits = role_limits(act=act)
    if not limits:
        return Limit(None)
    kind, _, key = _answers(actor, _makers()).partition(":")
    if kind == "key":
        return Limit({})  # nobody knows it: nobody answers for it
    if kind != "user":
        return Limit(None)  # the command line, a schedule: who runs the machine
    held = models.Membership.objects.filter(user=_uuid(key), tenant=current_tenant_id())
    return _highest(held.values_list("role_id", flat=True), limits, act)


def same_hand(actor: str) -> set[str]:
    """Return every actor for whom the same person answers: the person and the keys that they made,
    or that were made by these. Two of them are no four eyes."""
    makers = _makers()
    person = _answers(actor, makers)
    return {actor, person, *(key for key in makers if _answers(key, makers) == person)}


def _answers(actor: str, makers: Mapping[str, str]) -> str:
    """Return who answers for an actor: for a key who made it, be that a key again."""
    while actor in makers:
        actor = makers[actor]
    return actor


def _makers() -> dict[str, str]:
    """Return who made each key of the tenant in scope."""
    rows = models.ApiKey.objects.filter(tenant=current_tenant_id()).values_list("id", "made_by")
    return {f"key:{key}": made_by for key, made_by in rows}


def role_limits(*, act: str = CORRECT) -> dict[str, dict[str, int]]:
    """Return the limits of the roles that have any, by currency."""
    found: dict[str, dict[str, int]] = {}
    rows = models.RoleLimit.objects.filter(act=act).order_by("role", "currency")
    for role, currency, minor in rows.values_list("role", "currency", "minor"):
        found.setdefault(role, {})[currency] = minor
    return found


def who_covers(
    minor: int, currency: str, *, act: str = CORRECT, besides: str = ""
) -> list[str]:  # fmt: skip
    """Name those who may approve a document of this sum; three at most, an owner last."""
    tenant_id, limits = current_tenant_id(), role_limits(act=act)
    of_role = role_rights([tenant_id])[tenant_id]
    able = [
        role
        for role, rights in of_role.items()
        if "invoices.approve" in rights and _highest([role], limits, act).covers(minor, currency)
    ]
    rows = models.Membership.objects.filter(
        tenant=tenant_id, role__in=able, user__is_active=True
    ).exclude(user=_uuid(besides.removeprefix("user:")))
    named = sorted(
        rows.values_list("role_id", "user__name", "user__email"),
        key=lambda one: (one[0] == OWNER, one[1], one[2]),
    )
    return list(dict.fromkeys(name or email for _, name, email in named))[:NAMED]


@transaction.atomic
def set_limits(
    role: str, limits: Mapping[str, int], *, act: str = CORRECT, seen: Seen = None, actor: str,
    now: datetime, reason: str = "",
) -> bool:  # fmt: skip
    """Make a role have exactly these limits, in minor units by currency; of none, it has no limit.

    Args:
        act: what they limit, `CORRECT` or `APPROVE`.
        seen: the revision of its limits as they were.

    Raises:
        Stale: they were changed since they were seen.
        LimitRefused: the role is unknown or the owner's, a sum or a currency is none, or it would
            be more than who asks may decide themselves.
    """
    if role == OWNER:
        raise LimitRefused("limit_of_owner")
    if not models.Role.objects.filter(pk=role).exists():
        raise LimitRefused("limit_role_unknown", role=role)
    models.Tenant.objects.select_for_update().get(pk=current_tenant_id())
    before = role_limits(act=act).get(role, {})
    refuse_stale(before, seen, of=("parties.role", role))
    _check(before, limits, limit_of(actor, act=act))
    if before == dict(limits):
        return False
    models.RoleLimit.objects.filter(role=role, act=act).delete()
    models.RoleLimit.objects.bulk_create(
        models.RoleLimit(role=role, act=act, currency=currency, minor=minor)
        for currency, minor in limits.items()
    )
    action, name = _NAMES[act]
    audit.record(
        action=action,
        object_type="parties.role",
        object_id=role,
        before={name: before},
        after={name: dict(limits)},
        actor=actor,
        now=now,
        reason=reason,
    )
    return True


def _check(before: Mapping[str, int], limits: Mapping[str, int], own: Limit) -> None:
    for currency, minor in limits.items():
        try:
            exponent(currency)
        except UnknownCurrency:
            raise LimitRefused("limit_currency_unknown", currency=currency) from None
        if not 0 <= minor <= LARGEST:
            raise LimitRefused("limit_wrong", field=currency)
        if minor != before.get(currency) and not own.covers(minor, currency):
            raise LimitRefused("limit_above_own", field=currency, own=own.of(currency))
    if before and not limits and own.sums is not None:
        raise LimitRefused("limit_off_above_own")


def _highest(
    roles: Iterable[str], limits: Mapping[str, Mapping[str, int]], act: str
) -> Limit:  # fmt: skip
    """The highest limit of these roles, of those that decide at all."""
    tenant_id = current_tenant_id()
    of_role = role_rights([tenant_id])[tenant_id]
    highest: dict[str, int] = {}
    for role in roles:
        if not of_role.get(role, frozenset()) & DECIDING[act]:
            continue
        if role not in limits:
            return Limit(None)
        for currency, minor in limits[role].items():
            highest[currency] = max(highest.get(currency, 0), minor)
    return Limit(highest)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
