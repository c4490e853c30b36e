"""Words that people search by, and what a person who types one means.

A name is kept as the beginnings of its words that no case form changes, and looked for by the
beginning of what was typed:

    «Ромашка»    kept as   ромашк
    «ромашке»    asked as  ромашк      also «Ромашками», «ром»
    «cxtn 118»   asked as  cxtn, 118; typed in the other layout it means «счёт 118»
"""

import re
from collections.abc import Iterable, Iterator

MOST = 8  # words of a question that are looked at
LONGEST = 80
_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"\d")
_NUMBER = re.compile(r"[\d\s()+\-.]+")
# Nearly every name has one of these: they find everything, so they find nothing.
_LEGAL_FORMS = frozenset("ооо оао зао пао ао ип нко фгуп муп гуп тоо llc ltd inc".split())
_ENDINGS = tuple(
    sorted(
        "иями ями ами ием иям иях ого его ому ему ыми ими ией ей ой ий ый ым им ых их ая яя ое ее"
        " ые ие ов ев ом ем ам ям ах ях ую юю ия ии ию ью а я о е ы и у ю ь й".split(),
        key=len,
        reverse=True,
    )
)
_SHORTEST = 3  # letters that an ending leaves
_LATIN = "`qwertyuiop[]asdfghjkl;'zxcvbnm,."
_RUSSIAN = "ёйцукенгшщзхъфывапролджэячсмитьбю"
_SHIFTED = '~QWERTYUIOP{}ASDFGHJKL:"ZXCVBNM<>'
_OTHER_KEYS = str.maketrans(
    _LATIN + _SHIFTED + _RUSSIAN + _RUSSIAN.upper(),
    _RUSSIAN + _RUSSIAN.upper() + _LATIN + _SHIFTED,
)


def folded(text: str) -> str:
    """Return the text as it is compared: in lower case, ё as е."""
    return text.lower().replace("ё", "е")


def other_layout(text: str) -> str:
    """Return what the same keys write in the other keyboard layout, Russian or English."""
    return text.translate(_OTHER_KEYS)


def sorted_by(name: str) -> str:
    """Return what a name is sorted by: «ООО „Ёлка“» stands among the words in е."""
    words = _WORD.findall(folded(name))
    telling = [word for word in words if word not in _LEGAL_FORMS]
    return " ".join(telling or words)[:120]


def keys_of(texts: Iterable[str], *, phone: str = "") -> frozenset[str]:
    """Return what an object with these texts and this phone is found by.

    A text without spaces is found whole as well: a code, an address, a number.
    """
    found = set()
    for text in texts:
        whole = folded(text.strip())
        if whole and " " not in whole:
            found.add(whole[:LONGEST])
        found |= {_stem(word)[:LONGEST] for word in _WORD.findall(whole)} - _LEGAL_FORMS
    return frozenset(found | set(_phone_keys(phone)))


def asked_for(text: str) -> tuple[str, ...]:
    """Return the beginnings that what is looked for must all have among its keys."""
    whole = folded(text.strip())
    if _NUMBER.fullmatch(whole) and len(digits := "".join(_DIGITS.findall(whole))) >= 7:
        return (_national(digits),)
    words = [one.strip("«»„“\"'()") for one in whole.split()]
    found: list[str] = []
    for word in words:
        if re.search("[а-я]", word):
            found += [_stem(part) for part in _WORD.findall(word)]
        elif word:
            found.append(word)
    telling = [word for word in found if word not in _LEGAL_FORMS]
    return tuple(dict.fromkeys(word[:LONGEST] for word in (telling or found)))[:MOST]


def _stem(word: str) -> str:
    """Take the endings off: «ивановым» → «иван»; a short word keeps what is left of it."""
    if not re.fullmatch("[а-я]+", word):
        return word
    shortest = _SHORTEST
    while True:
        ending = next((e for e in _ENDINGS if word.endswith(e)), None)
        if ending is None or len(word) - len(ending) < shortest:
            return word
        word = word.removesuffix(ending)
        shortest = _SHORTEST + 1


def _phone_keys(phone: str) -> Iterator[str]:
    digits = "".join(_DIGITS.findall(phone))
    if digits:
        yield _national(digits)[:LONGEST]
    if len(digits) > 7:
        yield digits[-7:]
        yield digits[-4:]


def _national(digits: str) -> str:
    """+7 999 … and 8 999 … are one number."""
    return digits[1:] if len(digits) == 11 and digits[0] in "78" else digits
