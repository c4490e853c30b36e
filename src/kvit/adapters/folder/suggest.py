"""Guessing what a mistyped name was meant to be."""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

# Cyrillic letters that look like Latin ones: a name typed on the wrong keyboard looks right.
_LOOK_ALIKE = str.maketrans("авекмнорстухіѕԁјԛԝпг", "abekmhopctyxisdjqwnr")
_RUSSIAN = {
    "инн": "inn", "кпп": "kpp", "огрн": "ogrn", "бик": "bik", "код": "code", "имя": "name",
    "название": "name", "наименование": "name", "вид": "kind", "тип": "kind", "почта": "email",
    "телефон": "phone", "адрес": "address", "валюта": "currency", "плательщик": "payer",
    "клиент": "customer", "тариф": "plan", "начало": "start", "конец": "end", "дата": "date",
    "количество": "quantity", "подписка": "subscription", "причина": "reason", "время": "time",
    "счётчик": "meter", "счетчик": "meter", "значение": "value", "цена": "price",
}  # fmt: skip
_SHOWN = 80


def closest(name: str, known: Iterable[str]) -> str:
    """Return the known name that `name` was probably meant to be, or an empty string."""
    options = {one.casefold(): one for one in known}
    plain = unicodedata.normalize("NFKC", name).casefold().strip().strip("\ufeff\u200b").strip()
    for guess in (plain, _RUSSIAN.get(plain, ""), plain.translate(_LOOK_ALIKE)):
        if guess in options:
            return options[guess]
    folded = plain.translate(_LOOK_ALIKE).replace(" ", "_").replace("-", "_")
    if folded in options:
        return options[folded]
    for candidate in (plain, folded):
        if close := get_close_matches(candidate[:_SHOWN], options, n=1, cutoff=0.6):
            return options[close[0]]
    return ""


def hints(name: str, known: Iterable[str]) -> dict[str, str]:
    """Return the parameters of a message that names the likeliest meaning, and what is possible."""
    options = list(known)
    guess = closest(name, options)
    shown = ", ".join(options[:40]) + (" …" if len(options) > 40 else "") or "–"  # noqa: RUF100
    return {
        "hint_ru": f" Возможно, имелось в виду «{guess}»." if guess else "",
        "hint_en": f" Did you mean “{guess}”?" if guess else "",
        "suggestion": guess,
        "known": shown,
    }


def shown(value: object) -> str:
    """Return a short printable form of anything, for a message."""
    text = value if isinstance(value, str) else str(value)
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:_SHOWN])
    return text
