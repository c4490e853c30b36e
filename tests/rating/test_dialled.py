"""Numbers that calls reached, out of the texts of their dimensions."""

import json

import pyarrow as pa

from kvit.core.columnar.digits import NOBODY, key_of
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


def test_numbers_alone_of_any_length_are_read_at_one_stroke() -> None:
    numbers = ["4930", "74951234567", "9" * 18, "1" * 30, "7" * 29 + "x"]
    for some in (numbers[:4], numbers, numbers[1:2]):
        keys, others = numbers_of(pa.array([json.dumps({"destination": one}, separators=(",", ":"))
                                            for one in some]))  # fmt: skip
        odd = [one for one in some if key_of(one) == NOBODY]
        assert keys.tolist() == [-1 if one in odd else key_of(one) for one in some]
        assert others == odd


def test_no_dimensions_have_no_numbers() -> None:
    keys, others = numbers_of(pa.array([], pa.string()))
    assert (keys.tolist(), others) == ([], [])
