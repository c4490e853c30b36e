"""The quote contract: every request kind, every error code, and lines written by an enemy."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.quote import MAX_LINE, answer, answer_line, write_line
from kvit.web.cli.quote import answer_stream

SLABS = [{"up_to": "100", "unit": "2"}, {"up_to": None, "unit": "1.5"}]
GRADUATED = {"model": "graduated", "tiers": SLABS}
OCTOBER = {"start": "2026-10-01", "end": "2026-11-01"}


def ask(**fields: Any) -> dict[str, Any]:
    return answer({"id": "q", "currency": "RUB", **fields})


def error(**fields: Any) -> tuple[str, str]:
    got = ask(**fields)
    assert set(got) == {"id", "error"}
    english = ask(**{**fields, "lang": "en"})["error"]["message"]
    assert got["error"]["message"] != english or "lang" in fields
    return got["error"]["code"], got["error"]["field"]


def test_the_contract_s_own_example() -> None:
    assert answer(
        {"id": "q1", "currency": "RUB", "price": GRADUATED, "units": "250.003"}
    ) == {
        "id": "q1",
        "currency": "RUB",
        "exact": "425.0045",
        "amount": "425.00",
        "charges": [
            {"units": "100", "unit": "2", "flat": "0", "exact": "200", "why": "ступень 1: 0–100"},
            {
                "units": "150.003",
                "unit": "1.5",
                "flat": "0",
                "exact": "225.0045",
                "why": "ступень 2: свыше 100",
            },
        ],
        "discounts": [],
        "tax": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rounding", "currency", "amount"),
    [
        (None, "RUB", "0.13"),
        ("half-even", "RUB", "0.12"),
        ("up", "RUB", "0.13"),
        ("down", "RUB", "0.12"),
        (None, "JPY", "0"),
        (None, "KWD", "0.125"),
    ],
)
def test_the_amount_is_rounded_once(rounding: str | None, currency: str, amount: str) -> None:
    price = {"model": "flat", "amount": "0.125"}
    assert ask(price=price, rounding=rounding, currency=currency)["amount"] == amount


def test_what_has_no_finite_decimal_is_a_fraction() -> None:
    band = {"days": [1], "from": "00:00", "to": "24:00", "rate": "1", "per": "3"}
    price = {"model": "timed", "bands": [band]}
    got = ask(price=price, start="2026-10-05T10:00:00+03:00", seconds=1)
    assert (got["exact"], got["amount"]) == ("1/3", "0.33")


def test_splitting_never_changes_the_sum_where_the_billed_amount_is_given() -> None:
    price = {"model": "per_unit", "unit": "0.333"}
    first = ask(price=price, units="1")
    rest = ask(price=price, units="1", already={"units": "1", "amount": first["amount"]})
    assert (first["amount"], rest["exact"], rest["amount"]) == ("0.33", "0.333", "0.34")
    capped = {"model": "per_unit", "unit": "10", "maximum": "100"}
    got = ask(price=capped, units="5", already={"units": "7", "amount": "70"})
    assert (got["exact"], got["amount"]) == ("30", "30.00")
    assert got["discounts"] == [{"exact": "-20", "why": "не больше 100"}]


def test_several_prices_add_up_line_by_line() -> None:
    got = ask(
        prices=[{"model": "flat", "amount": "0.004"}, GRADUATED, {"model": "flat", "amount": "1"}],
        quantities=[{}, {"units": "250"}, {"units": "3"}],
    )
    assert [row["amount"] for row in got["prices"]] == ["0.00", "425.00", "1.00"]
    assert (got["exact"], got["amount"]) == ("426.004", "426.00")


def plan() -> dict[str, Any]:
    return {
        "code": "pro",
        "name": "Профи",
        "cycle": "month",
        "price": [
            {"code": "fee", "price": {"model": "flat", "amount": "10000.00"}},
            {"code": "api", "meter": "api_calls", "price": GRADUATED},
            {
                "code": "api",
                "meter": "api_calls",
                "price": {"model": "per_unit", "unit": "1"},
                "effective": "2027-01-01",
            },
        ],
    }


@pytest.mark.parametrize(
    "quantities", [{"api": {"units": "250"}}, {"api_calls": "250"}, [None, {"units": "250"}]]
)
def test_a_plan_is_priced_inline_or_by_its_code(quantities: object) -> None:
    inline = ask(plan=plan(), quantities=quantities, date="2026-10-01")
    assert [row["code"] for row in inline["prices"]] == ["fee", "api"]
    assert inline["amount"] == "10425.00"
    later = ask(plan=plan(), quantities=quantities)
    assert later["amount"] == "10250.00"
    document = {"id": "q", "currency": "RUB", "plan": "pro", "quantities": quantities}
    assert answer(document, {"pro": plan()}) == later
    assert ask(plan="pro")["error"]["code"] == "out_of_range"


def test_proration_policies() -> None:
    def share(policy: str, active: tuple[str, str], period: dict[str, str] = OCTOBER) -> str:
        start, end = active
        document = {
            "amount": "10000",
            "period": period,
            "active": {"start": start, "end": end},
            "policy": policy,
        }
        return str(ask(prorate=document)["share"])

    assert share("days", ("2026-10-16", "2026-11-01")) == "16/31"
    assert share("none", ("2026-10-16", "2026-11-01")) == "1"
    assert share("days_inclusive", ("2026-10-16", "2026-10-31"), {
        "start": "2026-10-01", "end": "2026-10-31"}) == "16/31"  # fmt: skip
    odd = {"start": "2023-02-23", "end": "2023-03-15"}
    assert share("fixed_30", ("2023-02-23", "2023-03-15"), odd) == "11/15"
    hours = {"start": "2026-10-01T00:00:00+03:00", "end": "2026-10-02T00:00:00+03:00"}
    assert share("seconds", ("2026-10-01T18:00:00+03:00", hours["end"]), hours) == "1/4"
    got = ask(prorate={"amount": "10000", "period": OCTOBER,
                       "active": {"start": "2026-10-01", "end": "2026-10-16"}})  # fmt: skip
    assert (got["exact"], got["amount"]) == ("150000/31", "4838.71")


def test_a_change_credits_the_old_price_and_charges_the_new() -> None:
    got = ask(change={"old": "10000", "new": "8500", "period": OCTOBER, "at": "2026-10-16"})
    assert (got["credit"], got["charge"], got["net"]) == ("5161.29", "4387.10", "-774.19")


def test_cycles_in_advance() -> None:
    document = {
        "interval": "month",
        "anchor_day": 31,
        "start": "2011-02-14",
        "end": None,
        "until": "2011-03-01",
        "policy": "previous_period_stub",
    }
    assert ask(cycles=document)["cycles"] == "45/31"


def test_money_is_divided_without_loss() -> None:
    assert ask(allocate={"amount": "100", "weights": ["1", "1", "1"]})["parts"] == [
        "33.34",
        "33.33",
        "33.33",
    ]
    assert ask(allocate={"amount": "-0.01", "weights": [0, 1]})["parts"] == ["0.00", "-0.01"]
    assert answer({"id": 1, "round": {"amount": "1000.5", "currency": "KRW"}})["amount"] == "1001"
    assert answer({"id": 1, "round": {"amount": "-2.5", "currency": "KRW"}})["amount"] == "-3"


def test_tax_per_document_and_per_line() -> None:
    lines = [{"amount": "0.33", "rate": "22"}, {"amount": "0.33", "rate": "auto"}]

    def vat(method: str, basis: str, date: str) -> str:
        tax = {"lines": lines, "basis": basis, "method": method, "date": date}
        return str(answer({"id": 1, "tax": tax})["vat"])

    assert vat("document", "net", "2026-10-31") == "0.15"
    assert vat("line", "net", "2026-10-31") == "0.14"
    assert vat("document", "net", "2025-12-31") == "0.14"
    free = answer({"id": 1, "tax": {"lines": [{"amount": "1", "rate": None}], "basis": "gross"}})
    assert (free["net"], free["vat"], free["total"]) == ("1.00", "0.00", "1.00")


def test_discounts_over_lines_then_tax() -> None:
    got = ask(
        invoice={
            "lines": [
                {"amount": "100", "tax_rate": "22"},
                {"amount": "50", "tax_rate": "22", "scope": "x"},
            ],
            "discounts": [{"percent": "10"}, {"fixed": "30"}, {"fixed": "1", "scope": "x"}],
            "basis": "net",
            "method": "document",
        }
    )
    assert [line["discount"] for line in got["lines"]] == ["30.00", "16.00"]
    assert (got["net"], got["vat"], got["total"]) == ("104.00", "22.88", "126.88")


BAND = {"days": [1], "from": "00:00", "to": "18:00", "rate": "1", "per": "1"}


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"price": {**GRADUATED, "teirs": []}, "units": 1}, "unknown_field", "price.teirs"),
        ({"price": GRADUATED, "unts": 1}, "unknown_field", "unts"),
        ({"price": GRADUATED, "events": [], "units": 1}, "unknown_field", "events"),
        ({"price": GRADUATED, "units": 1, "tax": {}}, "unknown_field", "tax"),
        ({"price": GRADUATED}, "missing_field", "units"),
        ({"price": {"model": "graduated"}, "units": 1}, "missing_field", "price.tiers"),
        ({"price": {}, "units": 1}, "missing_field", "price.model"),
        ({}, "missing_field", "price"),
        ({"price": GRADUATED, "units": 1, "currency": None}, "missing_field", "currency"),
        ({"price": GRADUATED, "units": 1, "already": {}}, "missing_field", "already.units"),
        ({"price": GRADUATED, "units": "1e3"}, "not_a_number", "units"),
        ({"price": GRADUATED, "units": True}, "not_a_number", "units"),
        ({"price": GRADUATED, "units": 1.5}, "float_refused", "units"),
        ({"price": GRADUATED, "units": "-1"}, "out_of_range", "units"),
        ({"price": GRADUATED, "units": 10**60}, "out_of_range", "units"),
        ({"price": GRADUATED, "units": 1, "rounding": "odd"}, "out_of_range", "rounding"),
        ({"price": {**GRADUATED, "discount_percent": "101"}, "units": 1},
         "out_of_range", "price.discount_percent"),
        ({"price": {"model": "graduated", "tiers": []}, "units": 1}, "bad_tiers", "price.tiers"),
        ({"price": {"model": "graduated", "tiers": [SLABS[0], SLABS[0], SLABS[1]]}, "units": 1},
         "bad_tiers", "price.tiers[1].up_to"),
        ({"price": {"model": "volume", "tiers": [SLABS[1], SLABS[0]]}, "units": 1},
         "bad_tiers", "price.tiers[0].up_to"),
        ({"price": {"model": "volume", "tiers": [SLABS[0]]}, "units": 1},
         "bad_tiers", "price.tiers[0].up_to"),
        ({"price": {"model": "timed", "bands": [BAND, BAND]}, "units": 1},
         "bad_tiers", "price.bands[1]"),
        ({"price": {"model": "fat"}}, "unknown_model", "price.model"),
        ({"price": {"model": []}}, "unknown_model", "price.model"),
        ({"price": GRADUATED, "units": 1, "currency": "XXQ"}, "unknown_currency", "currency"),
        ({"price": {"model": "timed", "bands": [BAND]}, "seconds": 1,
          "start": "2026-10-05T18:00:00+03:00"}, "no_band", "start"),
        ({"price": {"model": "timed", "bands": [BAND]}, "seconds": 1,
          "start": "2026-10-05T18:00:00"}, "bad_period", "start"),
        ({"price": {"model": "capacity", "tiers": [{"amount": 1, "limits": {"a": 1}}]},
          "peaks": {"a": 2}}, "no_price", "peaks"),
        ({"prorate": {"amount": 1, "period": OCTOBER, "active": OCTOBER, "policy": "x"}},
         "unknown_policy", "prorate.policy"),
        ({"prorate": {"amount": 1, "period": OCTOBER,
          "active": {"start": "2026-10-02", "end": "2026-10-01"}}}, "bad_period", "prorate.active"),
        ({"prorate": {"amount": 1, "period": OCTOBER, "active": {"start": "32", "end": "x"}}},
         "bad_period", "prorate.active.start"),
        ({"change": {"old": 1, "new": 2, "period": OCTOBER, "at": "2026-11-02"}},
         "bad_period", "change.at"),
        ({"allocate": {"amount": "1", "weights": [0, 0]}}, "out_of_range", "allocate.weights"),
        ({"allocate": {"amount": "1", "weights": [1, -1]}}, "out_of_range", "allocate.weights[1]"),
        ({"allocate": {"amount": "0.001", "weights": [1]}}, "out_of_range", "allocate.amount"),
        ({"tax": {"lines": [{"amount": 1, "rate": "auto"}]}}, "missing_field", "tax.date"),
        ({"price": {"model": "composed", "expression": "unit * 2"}, "units": 1},
         "bad_expression", "price.expression"),
        ({"prices": [GRADUATED, GRADUATED], "quantities": [{"units": 1}, {"unts": 1}]},
         "unknown_field", "quantities[1].unts"),
        ({"prices": [GRADUATED], "quantities": []}, "missing_field", "quantities[0]"),
    ],
)  # fmt: skip
def test_errors_name_the_code_and_the_field(fields: Any, code: str, field: str) -> None:
    assert error(**fields) == (code, field)


def test_prices_inside_prices_end_somewhere() -> None:
    price: dict[str, Any] = {"model": "per_unit", "unit": "1"}
    for _ in range(100):
        price = {"model": "allowance", "included": "1", "price": price}
    assert error(price=price, units=1)[0] == "out_of_range"


# --- lines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"[]", "bad_json"),
        (b"\xff\xfe{}", "bad_json"),
        (b"\x00", "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b'{"a":' * 100_000, "bad_json"),
        (b'{"id": 1, "id": 2}', "bad_json"),
        (b'{"id": 1, "price": {"model": "flat", "amount": NaN}}', "bad_json"),
        (b'{"id": 1, "currency": "RUB", "price": {"model": "flat", "amount": 1e999}}',
         "float_refused"),
        (b'{"id": 1, "currency": "RUB", "price": {"model": "flat", "amount": ' + b"9" * 9999
         + b"}}", "out_of_range"),
        (b'{"id": "' + b"x" * MAX_LINE + b'"}', "out_of_range"),
        (b'{"id": {"deep": 1}}', "out_of_range"),
    ],
)  # fmt: skip
def test_hostile_lines_are_refused(line: bytes, code: str) -> None:
    got = answer_line(line)
    assert got["error"]["code"] == code  # type: ignore[index]
    assert json.loads(write_line(got)) == got


def test_the_id_of_a_refused_line_is_kept_where_it_can_be_read() -> None:
    assert answer_line(b'{"id": "a", "price": NaN}')["id"] == "a"


def test_half_a_surrogate_pair_is_written_back() -> None:
    got = answer_line(b'{"id": "\\ud800", "round": {"amount": 1, "currency": "RUB"}}')
    assert json.loads(write_line(got))["id"] == "\ud800"


def test_lines_are_answered_in_order_and_a_failed_one_does_not_stop_them() -> None:
    price = '"currency": "RUB", "price": {"model": "flat", "amount": "1"}'
    lines = f'\ufeff{{"id": 1, {price}}}\r\n{{"id": 2}}\n{{"id": 3, {price}}}'.encode()
    out = io.BytesIO()
    assert answer_stream(io.BytesIO(lines), out, {}) == 1
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["id"] for row in answers] == [1, 2, 3]
    assert ["error" in row for row in answers] == [False, True, False]
    good = io.BytesIO(f'{{"id": 1, {price}}}\n'.encode())
    assert answer_stream(good, io.BytesIO(), {}) == 0


class _EndlessLine(io.RawIOBase):
    """Fifty megabytes without a line break, then one good line."""

    def __init__(self) -> None:
        self.left = 50 * 1024 * 1024
        self.largest = 0

    def readable(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size > 0
        if self.left:
            part = min(size, self.left)
            self.left -= part
            self.largest = max(self.largest, part)
            return b"x" * part if self.left else b"x" * (part - 1) + b"\n"
        if self.largest:
            self.largest, size = 0, 0
            return b'{"id": 2, "round": {"amount": 1, "currency": "RUB"}}\n'
        return b""


def test_a_line_without_end_is_refused_in_bounded_memory() -> None:
    out = io.BytesIO()
    assert answer_stream(_EndlessLine(), out, {}) == 1  # type: ignore[arg-type]
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row.get("amount") for row in answers] == [None, "1.00"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
KINDS = "price prices plan prorate change cycles allocate round tax invoice".split()
MODELS = (
    "flat per_unit graduated volume stairstep package percentage graduated_percentage blocks "
    "capacity matrix dynamic timed banded destination allowance composed"
).split()
FIELDS = (
    "tiers bands rates prices unit amount size rate expression parts tables included price match "
    "default units events usage peaks start seconds days from to period active policy lines weights"
).split()


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), anything), anything)
def test_any_document_gets_an_answer(kind: str, body: dict[str, Any], units: Any) -> None:
    got = ask(**{kind: body}, units=units)
    json.loads(write_line(got))


@given(st.sampled_from(MODELS), st.dictionaries(st.sampled_from(FIELDS), anything), anything)
def test_any_price_gets_an_answer(model: str, body: dict[str, Any], units: Any) -> None:
    got = ask(price={**body, "model": model}, units=units)
    assert ("error" in got) != ("amount" in got)
    json.loads(write_line(got))
