"""Numbers in words: worked examples, the hard endings, and a reader that reads them back."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvit.core.numerals import LIMIT, cardinal_en, cardinal_ru, plural_en, plural_ru


@pytest.mark.parametrize(
    ("number", "russian", "english"),
    [
        (0, "ноль", "zero"),
        (1, "один", "one"),
        (11, "одиннадцать", "eleven"),
        (40, "сорок", "forty"),
        (90, "девяносто", "ninety"),
        (101, "сто один", "one hundred and one"),
        (1000, "одна тысяча", "one thousand"),
        (2001, "две тысячи один", "two thousand and one"),
        (11_012, "одиннадцать тысяч двенадцать", "eleven thousand and twelve"),
        (
            22_150,
            "двадцать две тысячи сто пятьдесят",
            "twenty-two thousand one hundred and fifty",
        ),
        (1_000_000, "один миллион", "one million"),
        (-5, "минус пять", "minus five"),
        (10**15, "один квадриллион", "one quadrillion"),
        (
            2 * 10**12 + 3 * 10**9 + 21 * 10**6,
            "два триллиона три миллиарда двадцать один миллион",
            "two trillion three billion twenty-one million",
        ),
    ],
)
def test_worked_examples(number: int, russian: str, english: str) -> None:
    assert (cardinal_ru(number), cardinal_en(number)) == (russian, english)


def test_the_last_group_agrees_with_the_noun_and_the_thousands_stay_feminine() -> None:
    assert cardinal_ru(22_021, "f") == "двадцать две тысячи двадцать одна"
    assert cardinal_ru(2_000_002, "f") == "два миллиона две"


@pytest.mark.parametrize(
    ("number", "form"),
    [(0, 2), (1, 0), (2, 1), (4, 1), (5, 2), (11, 2), (12, 2), (14, 2), (20, 2), (21, 0), (111, 2),
     (112, 2), (122, 1), (1001, 0), (-1, 0), (-3, 1), (Fraction(3, 2), 1)],
)  # fmt: skip
def test_russian_plural_forms(number: int | Fraction, form: int) -> None:
    assert plural_ru(number) == form


def test_english_plural_forms() -> None:
    assert [plural_en(n) for n in (0, 1, 2, 11, 21, -1)] == [1, 0, 1, 1, 1, 0]


def test_a_number_too_large_for_words_is_refused() -> None:
    assert cardinal_ru(LIMIT - 1).startswith("девятьсот девяносто девять квадриллионов")
    for spell in (cardinal_ru, cardinal_en):
        with pytest.raises(ValueError, match="no words"):
            spell(LIMIT)


_VALUES = {cardinal_ru(n): n for n in [*range(1, 20), *range(20, 100, 10), *range(100, 1000, 100)]}
_VALUES |= {"одна": 1, "две": 2, "ноль": 0}
_STEMS = {"тысяч": 3, "миллион": 6, "миллиард": 9, "триллион": 12, "квадриллион": 15}


def _read_back(words: str) -> int:
    total = group = 0
    for word in words.split():
        if word in _VALUES:
            group += _VALUES[word]
        else:
            stem = max((s for s in _STEMS if word.startswith(s)), key=len)
            total, group = total + group * 10 ** _STEMS[stem], 0
    return total + group


@given(st.integers(0, LIMIT - 1), st.sampled_from(["m", "f"]))
def test_words_read_back_as_the_number(number: int, gender: str) -> None:
    assert _read_back(cardinal_ru(number, gender)) == number  # type: ignore[arg-type]
