"""Whole numbers in words, in Russian and in English, and the plural form a number asks for.

A worked example: 22 150 is «двадцать две тысячи сто пятьдесят»: the thousands are feminine, so
"две" and not "два", and 22 asks for the form of 2, "тысячи" and not "тысяч".
"""

from fractions import Fraction
from typing import Literal

Gender = Literal["m", "f"]

LIMIT = 10**18  # numbers from here on have no words: larger than any sum of money
_RU_ONES = " один два три четыре пять шесть семь восемь девять".split(" ")
_RU_TEENS = """десять одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать
    семнадцать восемнадцать девятнадцать""".split()
_RU_TENS = """- - двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят
    девяносто""".split()
_RU_HUNDREDS = """- сто двести триста четыреста пятьсот шестьсот семьсот восемьсот
    девятьсот""".split()
_RU_SCALES: tuple[tuple[Gender, tuple[str, str, str]], ...] = (
    ("f", ("тысяча", "тысячи", "тысяч")),
    ("m", ("миллион", "миллиона", "миллионов")),
    ("m", ("миллиард", "миллиарда", "миллиардов")),
    ("m", ("триллион", "триллиона", "триллионов")),
    ("m", ("квадриллион", "квадриллиона", "квадриллионов")),
)
_EN_ONES = """- one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen""".split()
_EN_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
_EN_SCALES = "thousand million billion trillion quadrillion".split()


def plural_ru(number: int | Fraction) -> int:
    """Index of the form among (один рубль, два рубля, пять рублей); 1,5 takes «рубля»."""
    if number.denominator != 1:
        return 1
    ones, tens = abs(number.numerator) % 10, abs(number.numerator) // 10 % 10
    if tens == 1 or ones == 0 or ones >= 5:
        return 2
    return 0 if ones == 1 else 1


def plural_en(number: int | Fraction) -> int:
    """Index of the form among (one row, many rows)."""
    return 0 if abs(number) == 1 else 1


def cardinal_ru(number: int, gender: Gender = "m") -> str:
    """Write a whole number in Russian words, agreeing with a noun of `gender`.

    Raises:
        ValueError: the number reaches `LIMIT` in size.
    """
    words = []
    for scale, group in _groups(number):
        noun_gender = _RU_SCALES[scale - 1][0] if scale else gender
        words += _group_ru(group, noun_gender)
        if scale:
            words.append(_RU_SCALES[scale - 1][1][plural_ru(group)])
    return " ".join(["минус"] * (number < 0) + (words or ["ноль"]))


def cardinal_en(number: int) -> str:
    """Write a whole number in English words, British usage: one thousand one hundred and one.

    Raises:
        ValueError: the number reaches `LIMIT` in size.
    """
    words = []
    for scale, group in _groups(number):
        if group >= 100:
            words += [_EN_ONES[group // 100], "hundred"]
        rest = group % 100
        if rest:
            if group >= 100 or (words and not scale):
                words.append("and")
            words.append(_below_hundred_en(rest))
        if scale:
            words.append(_EN_SCALES[scale - 1])
    return " ".join(["minus"] * (number < 0) + (words or ["zero"]))


def _groups(number: int) -> list[tuple[int, int]]:
    """Split into groups of three digits, highest first, as (power of a thousand, group ≠ 0)."""
    rest, groups = abs(number), []
    if rest >= LIMIT:
        raise ValueError(f"no words for {number}")
    for scale in range(len(_RU_SCALES) + 1):
        rest, group = divmod(rest, 1000)
        if group:
            groups.append((scale, group))
    return groups[::-1]


def _group_ru(group: int, gender: Gender) -> list[str]:
    hundreds, tens, ones = group // 100, group // 10 % 10, group % 10
    words = [_RU_HUNDREDS[hundreds]] if hundreds else []
    if tens == 1:
        return [*words, _RU_TEENS[ones]]
    if tens:
        words.append(_RU_TENS[tens])
    if ones:
        feminine = {1: "одна", 2: "две"} if gender == "f" else {}
        words.append(feminine.get(ones, _RU_ONES[ones]))
    return words


def _below_hundred_en(number: int) -> str:
    if number < 20:
        return _EN_ONES[number]
    tens, ones = divmod(number, 10)
    return _EN_TENS[tens] + (f"-{_EN_ONES[ones]}" if ones else "")
