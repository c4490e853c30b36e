"""Numbers that calls reached, out of the texts of their dimensions."""

import json

import pyarrow as pa

from kvit.core.columnar.digits import key_of
from kvit.rating._dialled import numbers_of

NAMED = "sip:7495"
TRAP = 'a"destination": "1'  # a value that looks like the pair that is searched


def test_numbers_are_read_from_any_form_of_the_text() -> None:
    texts = [
        '{"destination":"7495"}',
        '{"destination": "7"}',
        "{}",
        json.dumps({"destination": ""}),
        json.dumps({"destination": NAMED, "x": TRAP}),
        json.dumps({"x": TRAP, "destination": "800"}),
        json.dumps({"x": TRAP}),
        json.dumps({"destination": "٣"}),
    ]
    keys, others = numbers_of(pa.array(texts))
    assert keys.tolist() == [
        key_of("7495"), key_of("7"), 0, 0, -1, key_of("800"), 0, -2,
    ]  # fmt: skip
    assert others == [NAMED, "٣"]


def test_no_dimensions_have_no_numbers() -> None:
    keys, others = numbers_of(pa.array([], pa.string()))
    assert (keys.tolist(), others) == ([], [])
