"""What may become an event, and when two say the same."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.integrations.port import Fault, Place
from kvit.metering.rows import EventIn, fault_of, payload_of

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
SOUND = EventIn("e1", "subscription", "s-1", "api_calls", NOON, Decimal("1.5"), None, {"a": "b"})


def test_a_sound_event_has_no_fault() -> None:
    assert fault_of(SOUND) is None
    assert fault_of(SOUND._replace(value=None, text="мегабайт", dimensions={})) is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"event_id": ""}, ("id", "usage_key_missing")),
        ({"subject": ""}, ("subject", "usage_key_missing")),
        ({"meter": "м" * 201}, ("meter", "usage_key_too_long")),
        ({"subject": "a\0b"}, ("subject", "usage_text_invalid")),
        ({"event_id": "\ud800"}, ("id", "usage_text_invalid")),
        ({"subject_kind": "device"}, ("subject_kind", "usage_subject_kind_unknown")),
        ({"time": datetime(2026, 10, 5)}, ("time", "usage_time_without_zone")),  # noqa: DTZ001
        ({"time": datetime(1969, 12, 31, tzinfo=UTC)}, ("time", "usage_time_out_of_range")),
        ({"time": datetime(2200, 1, 1, tzinfo=UTC)}, ("time", "usage_time_out_of_range")),
        ({"value": Decimal("NaN")}, ("value", "usage_value_not_finite")),
        ({"value": Decimal("-Infinity")}, ("value", "usage_value_not_finite")),
        ({"value": Decimal("1e26")}, ("value", "usage_value_too_large")),
        ({"value": Decimal("0.0000000000001")}, ("value", "usage_value_too_precise")),
        ({"text": "x" * 2_001}, ("text", "usage_key_too_long")),
        ({"text": "\0"}, ("text", "usage_text_invalid")),
        ({"dimensions": {"a": 1}}, ("dimensions", "usage_dimensions_invalid")),
        ({"dimensions": {"a": "x" * 8_001}}, ("dimensions", "usage_dimensions_invalid")),
        ({"dimensions": {"a": "\0"}}, ("dimensions", "usage_text_invalid")),
    ],
)
def test_what_cannot_be_kept_exactly_is_refused(
    change: dict[str, Any], fault: tuple[str, str]
) -> None:
    found = fault_of(SOUND._replace(**change))
    assert found is not None
    assert found[:2] == fault
    told = Fault(found[1], Place("", None), {name: str(value) for name, value in found[2].items()})
    for lang in ("ru", "en"):
        assert told.message(lang).endswith(".")
        assert told.remedy(lang).endswith(".")


@pytest.mark.parametrize(
    "value", ["0.000000000001", "99999999999999999999999999.999999999999", "-0", "1.50000000000000"]
)
def test_what_the_column_holds_is_accepted(value: str) -> None:
    assert fault_of(SOUND._replace(value=Decimal(value))) is None


def test_spellings_of_one_content_say_the_same() -> None:
    moscow = NOON.astimezone(timezone(timedelta(hours=3)))
    same = SOUND._replace(value=Decimal("1.500"), time=moscow, event_id="other", row=9)
    assert payload_of(same) == payload_of(SOUND)
    assert payload_of(SOUND._replace(value=Decimal("-0.0")))[0] == "0"
    assert payload_of(SOUND._replace(value=Decimal("0E+999999")))[0] == "0"


@pytest.mark.parametrize(
    "change",
    [
        {"value": Decimal("1.51")}, {"value": None}, {"text": ""}, {"text": "1.5"}, {"meter": "x"},
        {"subject": "s-2"}, {"subject_kind": "customer"}, {"dimensions": {}},
        {"dimensions": {"a": "c"}}, {"time": NOON + timedelta(microseconds=1)},
    ],
)  # fmt: skip
def test_any_other_content_says_something_else(change: dict[str, Any]) -> None:
    assert payload_of(SOUND._replace(**change))[2] != payload_of(SOUND)[2]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**25), max_value=10**25))
def test_a_value_is_written_as_what_it_is(value: Decimal) -> None:
    text = payload_of(SOUND._replace(value=value))[0]
    assert text is not None
    assert Decimal(text) == value
    assert "E" not in text
