"""Special terms and changes: a value for every kind, and who is held by which."""

from datetime import UTC, datetime

import pytest

from tests.adapters.sample import Company, where


def test_terms_replace_prices_and_add_discounts(company: Company) -> None:
    company.edit("subscriptions.csv", "start,quantity", "start,terms")
    terms = '{""fee"": {""model"": ""flat"", ""amount"": ""80""}, ""discount"": {""percent"": 5}}'
    company.edit("subscriptions.csv", "2026-10-01,2", f'2026-10-01,"{terms}"')
    folder = company.read()
    assert folder.faults == ()
    assert folder.subscriptions[0].terms == {
        "fee": {"model": "flat", "amount": "80"},
        "discount": {"percent": "5"},
    }


@pytest.mark.parametrize(
    ("terms", "code", "field"),
    [
        ("{", "bad_json", "terms"),
        ("[1]", "wrong_type", "terms"),
        ('{"a": 1, "a": 2}', "bad_json", "terms"),
        ('{"fee": {"model": "flat"}}', "missing_field", "terms.fee.amount"),
        (
            '{"discount": {"percent": "5", "fixed": "1"}}',
            "percent_or_fixed",
            "terms.discount.percent",
        ),
        ('{"discount": {"percent": "101"}}', "out_of_range", "terms.discount.percent"),
        ('{"discount": {"procent": "5"}}', "unknown_key", "terms.discount.procent"),
        ('{"feee": {"model": "flat", "amount": "1"}}', "unknown_price", "terms"),
    ],
)
def test_terms_that_cannot_be_taken_hold_their_subscription(
    company: Company, terms: str, code: str, field: str
) -> None:
    company.edit("subscriptions.csv", "start,quantity", "start,terms")
    quoted = terms.replace('"', '""')
    company.edit("subscriptions.csv", "2026-10-01,2", f'2026-10-01,"{quoted}"')
    folder = company.read()
    assert (code, "subscriptions.csv", 2, field) in map(where, folder.faults)
    assert folder.holds("subscription", "a-1")
    assert not folder.holds("subscription", "b-1")


CHANGES = [
    ("plan", "big", "big"),
    ("quantity", "3.50", "3.5"),
    ("pause", "", None),
    ("resume", "", None),
    ("cancel", "", None),
    ("discount", '{"percent": "15.0", "code": "vip"}', {"percent": "15", "code": "vip"}),
    ("discount", "15 %", {"percent": "15"}),
    ("discount", '{"bonus": "500.00"}', {"bonus": "500"}),
    ("discount", '{"fixed": "10", "until": "2026-11-01"}',
     {"fixed": "10", "until": "2026-10-31T14:00:00+00:00"}),
    ("discount", '{"remove": "vip"}', {"remove": "vip"}),
    ("terms", '{"use": null}', {"use": None}),
    ("transfer", "alfa", "alfa"),
    ("reading", '{"meter": "calls", "value": "119.900", "kind": "estimated"}',
     {"meter": "calls", "value": "119.9", "kind": "estimated"}),
    ("addon", "big", {"plan": "big", "quantity": "1"}),
    ("addon", '{"plan": "big", "quantity": "0"}', {"plan": "big", "quantity": "0"}),
    ("coupon", "SPRING", "SPRING"),
    ("milestone", "fee", "fee"),
    ("scheme", "prepaid", "prepaid"),
    ("trial", "14 days", "2026-10-29T14:00:00+00:00"),
    ("trial", "2026-10-20", "2026-10-19T14:00:00+00:00"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "value", "read"), CHANGES)
def test_every_kind_of_change_has_a_value_of_its_own(
    company: Company, change: str, value: str, read: object
) -> None:
    quoted = value.replace('"', '""')
    company.write(
        "changes.csv",
        f'subscription,at,change,value,reason\nb-1,2026-10-16,{change},"{quoted}",потому\n',
    )
    folder = company.read()
    assert folder.faults == ()
    (row,) = folder.changes
    # 16 October begins in Vladivostok, the customer's zone, at 14:00 UTC of the day before.
    assert row.at == datetime(2026, 10, 15, 14, tzinfo=UTC)
    assert (row.subscription, row.change, row.value, row.reason) == ("b-1", change, read, "потому")


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        ("b-1,2026-10-16,upgrade,big", "bad_word", "change"),
        ("b-1,soon,plan,big", "bad_time", "at"),
        ("b-1,2026-10-16,plan,", "missing_value", "value"),
        ("b-1,2026-10-16,plan,huge", "unknown_plan", "value"),
        ("b-1,2026-10-16,pause,now", "bad_word", "value"),
        ("b-1,2026-10-16,quantity,many", "bad_number", "value"),
        ("b-1,2026-10-16,transfer,gamma", "unknown_customer", "value"),
        ("b-1,2026-10-16,coupon,SUMMER", "unknown_coupon", "value"),
        ("b-1,2026-10-16,scheme,barter", "bad_word", "value"),
        (
            'b-1,2026-10-16,reading,"{""meter"": ""gas"", ""value"": ""1""}"',
            "unknown_meter",
            "value",
        ),
        ("b-1,2026-10-16", "ragged_row", ""),
        ("b-9,2026-10-16,cancel,", "unknown_subscription", "subscription"),
    ],
)
def test_a_bad_change_holds_its_subscription(
    company: Company, line: str, code: str, field: str
) -> None:
    company.write("changes.csv", f"subscription,at,change,value\n{line}\n")
    folder = company.read()
    assert [where(fault) for fault in folder.faults] == [(code, "changes.csv", 2, field)]
    assert folder.held == {"subscription": frozenset({line[:3]})}


def test_a_change_of_nobody_knows_whom_holds_every_subscription(company: Company) -> None:
    company.write("changes.csv", "subscription,at,change\n,2026-10-16,cancel\n")
    assert company.read().holds("subscription", "a-1")
