"""Money limits of a role: equal is posted, a kopeck above waits for somebody who may decide it."""

from datetime import datetime
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from kvit.invoicing import queries, services
from kvit.invoicing.models import Invoice
from kvit.ledger.models import Posting
from kvit.parties import models
from kvit.parties.limits import Limit, LimitRefused, limit_of, role_limits, set_limits, who_covers
from kvit.parties.models import Seller
from kvit.parties.rows import Tenant
from kvit.parties.services import add_member, change_role, create_key
from kvit.platform.models import AuditRow
from tests.invoicing.company import LATER, NOVEMBER, bill, customer_id, invoice, use

pytestmark = pytest.mark.usefixtures("billed")
LIMIT = 36_600  # 300.00 net and its VAT


def person(role: str, name: str = "") -> str:
    key = add_member(
        email=f"{role}{name}@example.com", name=name or role, role=role, actor="cli:t", now=LATER
    )
    return f"user:{key}"


@pytest.fixture
def olga(billed: Tenant) -> str:
    """An accountant who corrects up to 366.00 roubles alone."""
    set_limits("accountant", {"RUB": LIMIT}, actor="cli:t", now=LATER)
    return person("accountant", "Ольга")


def key_of(maker: str, now: datetime) -> str:
    rights = frozenset({"invoices.correct", "invoices.approve", "keys.write"})
    made = create_key(name="crm", rights=sorted(rights), granter=rights, actor=maker, now=now)
    return f"key:{made.row.id}"


def credit(net: int, author: str) -> Invoice:
    key = services.credit(invoice().id, {1: net}, reason="Простой", author=author, now=LATER)
    return Invoice.objects.get(pk=key)


def test_a_sum_equal_to_the_limit_is_posted_and_a_kopeck_above_waits(olga: str) -> None:
    equal = credit(30_000, olga)
    assert (equal.total_minor, equal.status, equal.waits_for) == (-LIMIT, "issued", "")
    posted = Posting.objects.count()
    above = credit(30_001, olga)
    assert (above.total_minor, above.status, above.waits_for) == (-LIMIT - 1, "draft", "limit")
    assert (above.four_eyes, Posting.objects.count()) == (True, posted)
    assert [one.id for one in queries.drafts()] == [above.pk]


def test_debits_and_voids_are_measured_alike(olga: str) -> None:
    debit = services.debit(invoice().id, {1: 30_001}, reason="r", author=olga, now=LATER)
    assert Invoice.objects.get(pk=debit).waits_for == "limit"
    services.refuse([debit], reason="r", actor=olga, now=LATER)
    void = services.void(invoice().id, reason="r", author=olga, now=LATER)
    assert Invoice.objects.get(pk=void).waits_for == "limit"


def test_only_who_may_decide_as_much_approves_it(olga: str) -> None:
    boss, colleague = person("owner", "Вера"), person("accountant", "Пётр")
    above = credit(30_001, olga)
    with pytest.raises(services.OwnDraft):
        services.approve([above.pk], approver=olga, now=LATER)
    with pytest.raises(services.AboveLimit) as caught:
        services.approve([above.pk], approver=colleague, now=LATER)
    assert caught.value.text("ru").replace("\xa0", " ") == (
        "Корректировка на −366,01 ₽ больше вашего предела 366,00 ₽. Её утвердит: Вера."
    )
    above.refresh_from_db()
    assert above.status == "draft"
    assert services.approve([above.pk], approver=boss, now=LATER) == [above.pk]


def test_the_database_holds_the_other_person(olga: str) -> None:
    above = credit(30_001, olga)
    with pytest.raises(IntegrityError, match="invoice_four_eyes"), transaction.atomic():
        Invoice.objects.filter(pk=above.pk).update(
            status="issued", number=9, number_text="9", series="s", issued_on=LATER.date(),
            issued_at=LATER, waits_for="", approver=olga,
        )  # fmt: skip


def test_the_preview_says_who_may_approve_and_the_deed_is_as_previewed(olga: str) -> None:
    person("owner", "Вера")
    wanted = services.CorrectionIn("credit", {1: 30_001})
    shown = services.preview_correction(invoice().id, wanted, author=olga, now=LATER)
    assert (shown.waits_for, shown.approvers, shown.postings) == ("limit", ("Вера",), ())
    set_limits("accountant", {"RUB": LIMIT + 1}, actor="cli:t", now=LATER)
    with pytest.raises(services.CorrectionRefused, match="out of date"):
        services.correct_as_previewed(
            invoice().id, wanted, token=shown.token, reason="r", author=olga, now=LATER
        )
    assert not Invoice.objects.filter(kind="credit_note").exists()


def test_an_order_to_approve_all_leaves_what_is_above_aside(olga: str) -> None:
    colleague = person("accountant", "Пётр")
    above = credit(30_001, olga)
    order = services.order_run(above.billed_in, action="approve", author=colleague, now=LATER)
    services.perform(order, now=LATER)
    above.refresh_from_db()
    assert above.status == "draft"


def test_a_limit_is_of_the_highest_role_and_a_key_has_its_makers(olga: str, now: datetime) -> None:
    assert limit_of(olga) == Limit({"RUB": LIMIT})
    assert limit_of("cli:correct") == limit_of(person("owner", "Вера")) == Limit(None)
    stranger = person("support", "Юрий")
    assert limit_of(stranger) == Limit({})  # decides nothing by any role
    made = create_key(name="crm", rights=frozenset({"invoices.correct"}), granter=frozenset(
        {"invoices.correct"}), actor=olga, now=now)  # fmt: skip
    assert limit_of(f"key:{made.row.id}") == Limit({"RUB": LIMIT})
    add_member(email="accountantОльга@example.com".lower(), name="", role="support",
               actor="cli:t", now=LATER)  # fmt: skip
    rights = frozenset({"invoices.correct", "invoices.read"})
    change_role("support", rights, granter=rights | {"customers.read", "customers.write",
                "personal.read", "catalogue.read", "subscriptions.read", "subscriptions.write",
                "usage.read", "runs.read"}, actor="cli:t", now=LATER)  # fmt: skip
    assert limit_of(olga) == Limit(None)  # support has no limit


def test_a_key_made_by_a_key_has_the_limit_of_the_person_behind_both(
    olga: str, now: datetime
) -> None:
    first = key_of(olga, now)
    assert limit_of(key_of(first, now)) == Limit({"RUB": LIMIT})
    assert limit_of("key:01234567-89ab-7def-8123-456789abcdef") == Limit({})


def test_a_person_and_their_keys_are_no_four_eyes(olga: str, now: datetime) -> None:
    boss = person("owner", "Вера")
    above = credit(30_001, olga)
    for author, approver in ((boss, key_of(boss, now)), (key_of(key_of(boss, now), now), boss)):
        Invoice.objects.filter(pk=above.pk).update(author=author)
        with pytest.raises(services.OwnDraft):
            services.approve([above.pk], approver=approver, now=LATER)
        with pytest.raises(services.OrderRefused):
            services.order_run(above.billed_in, action="approve", author=approver, now=LATER)
    assert Invoice.objects.get(pk=above.pk).status == "draft"
    assert services.approve([above.pk], approver=person("owner", "Анна"), now=LATER) == [above.pk]


def test_other_currencies_of_a_limited_role_wait() -> None:
    limit = Limit({"RUB": 100})
    assert (limit.covers(-100, "RUB"), limit.covers(101, "RUB")) == (True, False)
    assert (limit.covers(1, "USD"), Limit(None).covers(10**12, "USD")) == (False, True)


@pytest.mark.parametrize(
    ("role", "limits", "code"),
    [
        ("owner", {"RUB": 1}, "limit_of_owner"),
        ("nobody", {"RUB": 1}, "limit_role_unknown"),
        ("support", {"XXQ": 1}, "limit_currency_unknown"),
        ("support", {"RUB": -1}, "limit_wrong"),
        ("support", {"RUB": LIMIT + 1}, "limit_above_own"),
        ("accountant", {}, "limit_off_above_own"),
    ],
)
def test_nobody_gives_more_than_they_may_themselves(
    olga: str, role: str, limits: dict[str, int], code: str
) -> None:
    with pytest.raises(LimitRefused) as caught:
        set_limits(role, limits, actor=olga, now=LATER)
    assert caught.value.code == code
    assert role_limits() == {"accountant": {"RUB": LIMIT}}


def test_a_change_of_limits_is_audited_and_repeated_it_is_none(olga: str) -> None:
    assert set_limits("support", {"RUB": 5}, actor=olga, now=LATER, reason="r") is True
    assert set_limits("support", {"RUB": 5}, actor=olga, now=LATER) is False
    row = AuditRow.objects.filter(action="role.limited").latest("recorded_at")
    assert (row.before, row.after) == ({"limits": {}}, {"limits": {"RUB": 5}})
    with pytest.raises(IntegrityError), transaction.atomic():
        models.RoleLimit.objects.create(role="support", currency="USD", minor=-1)


def test_an_owner_is_named_last(olga: str) -> None:
    person("owner", "Вера")
    person("accountant", "Пётр")
    assert who_covers(LIMIT, "RUB", besides=olga) == ["Пётр", "Вера"]
    assert who_covers(LIMIT + 1, "RUB", besides=olga) == ["Вера"]
    assert UUID(olga.removeprefix("user:"))


def draft_for(customer: str = "north") -> Invoice:
    """An invoice of November that waits for a person."""
    Seller.objects.update(approval=True)
    bill(NOVEMBER)
    return Invoice.objects.get(customer_id=customer_id(customer), billed_in=NOVEMBER.start)


def test_an_invoice_up_to_the_limit_is_approved_and_a_kopeck_above_by_somebody_else(
    billed: Tenant,
) -> None:
    pyotr, boss = person("accountant", "Пётр"), person("owner", "Вера")
    draft = draft_for()
    assert (draft.status, draft.total_minor) == ("draft", 122_000)
    set_limits("accountant", {"RUB": 121_999}, act="approve", actor="cli:t", now=LATER)
    with pytest.raises(services.AboveLimit) as caught:
        services.approve([draft.pk], approver=pyotr, now=LATER)
    assert caught.value.text("ru").replace("\xa0", " ") == (
        "Счёт на 1 220,00 ₽ больше вашего предела. Больше 1 219,99 ₽ утверждает: Вера."
    )
    assert caught.value.document == draft.pk
    draft.refresh_from_db()
    assert draft.status == "draft"
    assert credit(30_001, pyotr).waits_for == "approval"  # and not "limit": that is another act
    assert services.approve([draft.pk], approver=boss, now=LATER) == [draft.pk]
    other = draft_of("south")
    set_limits("accountant", {"RUB": 122_000}, act="approve", actor="cli:t", now=LATER)
    assert services.approve([other.pk], approver=pyotr, now=LATER) == [other.pk]


def draft_of(customer: str) -> Invoice:
    return Invoice.objects.get(customer_id=customer_id(customer), billed_in=NOVEMBER.start)


def test_a_month_approved_at_once_leaves_what_is_above_aside(billed: Tenant) -> None:
    pyotr = person("accountant", "Пётр")
    use("n-1", 1, NOVEMBER.start)
    above = draft_for("north")
    below = draft_of("south")
    set_limits("accountant", {"RUB": below.total_minor}, act="approve", actor="cli:t", now=LATER)
    order = services.order_run(NOVEMBER.start, action="approve", author=pyotr, now=LATER)
    services.perform(order, now=LATER)
    above.refresh_from_db()
    below.refresh_from_db()
    assert (above.total_minor - below.total_minor, above.status) == (12, "draft")
    assert below.status == "issued"
    [row] = AuditRow.objects.filter(action="attempt.above_limit")
    assert (row.actor, row.object_id) == (pyotr, str(above.pk))
    assert row.after == {"total": "1220.12 RUB", "limit": "1220.00 RUB"}


def test_limits_of_the_two_acts_are_set_apart_and_written_down(billed: Tenant) -> None:
    set_limits("accountant", {"RUB": 5}, act="approve", actor="cli:t", now=LATER)
    set_limits("accountant", {"RUB": 7}, actor="cli:t", now=LATER)
    assert (role_limits(), role_limits(act="approve")) == (
        {"accountant": {"RUB": 7}}, {"accountant": {"RUB": 5}},
    )  # fmt: skip
    assert set_limits("accountant", {}, actor="cli:t", now=LATER)
    assert role_limits(act="approve") == {"accountant": {"RUB": 5}}
    row = AuditRow.objects.get(action="role.approval_limited")
    assert (row.before, row.after) == ({"invoice_limits": {}}, {"invoice_limits": {"RUB": 5}})
    pyotr = person("accountant", "Пётр")
    with pytest.raises(LimitRefused):
        set_limits("accountant", {"RUB": 6}, act="approve", actor=pyotr, now=LATER)
