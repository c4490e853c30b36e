"""Russian requisites: shape and check digits of ИНН, КПП, ОГРН, БИК and bank accounts.

A worked example, ИНН 7707083893: 2·7 + 4·7 + 10·0 + 3·7 + 5·0 + 9·8 + 4·3 + 6·8 + 8·9 = 267;
267 mod 11 mod 10 = 3, the last digit.

Every check returns the value without spaces or raises `BadRequisite`; `WORDS` says what is wrong.
"""

import re
from collections.abc import Sequence

from kvit.core.wording import Words

WORDS: Words = {
    "inn_shape": (
        "ИНН состоит из 10 цифр (организация) или 12 (человек, ИП)",
        "an INN has 10 digits (a company) or 12 (a person)",
    ),
    "inn_check_digit": (
        "контрольная цифра ИНН не сходится: проверьте, нет ли опечатки",
        "the check digit of the INN does not fit: look for a slip of the pen",
    ),
    "kpp_shape": (
        "КПП состоит из 9 знаков: четыре цифры, два знака причины (цифры или A–Z), три цифры",
        "a KPP has 9 characters: four digits, two of the reason (digits or A–Z), three digits",
    ),
    "ogrn_shape": (
        "ОГРН состоит из 13 цифр, ОГРНИП — из 15",
        "an OGRN has 13 digits, an OGRNIP 15",
    ),
    "ogrn_check_digit": (
        "контрольная цифра ОГРН не сходится: проверьте, нет ли опечатки",
        "the check digit of the OGRN does not fit: look for a slip of the pen",
    ),
    "bik_shape": (
        "БИК состоит из 9 цифр и начинается с 0",
        "a BIK has 9 digits and begins with 0",
    ),
    "account_shape": (
        "номер счёта состоит из 20 цифр (шестая бывает буквой валюты)",
        "an account number has 20 digits (the sixth may be a letter)",
    ),
    "account_key": (
        "ключ счёта не сходится с БИК: проверьте и номер счёта, и БИК",
        "the key of the account does not fit the BIK: check both",
    ),
    "correspondent_shape": (
        "корреспондентский счёт состоит из 20 цифр и начинается с 301 или 40102",
        "a correspondent account has 20 digits and begins with 301 or 40102",
    ),
    "correspondent_key": (
        "ключ корреспондентского счёта не сходится с БИК: проверьте и счёт, и БИК",
        "the key of the correspondent account does not fit the BIK: check both",
    ),
}

_INN_WEIGHTS = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
# A letter in the sixth place stands for a clearing currency; its digit enters the key.
# Source of letters and key: Порядок расчёта контрольного ключа (утв. ЦБ РФ 08.09.1997 № 515).
_ACCOUNT_LETTERS = {letter: str(i) for i, letter in enumerate("ABCEHKMPTX")}


class BadRequisite(ValueError):
    """A requisite cannot be right. `code` is a key of `WORDS`, `field` the caller's column."""

    def __init__(self, code: str, field: str) -> None:
        super().__init__(f"{field}: {WORDS[code][1]}")
        self.code, self.field = code, field


def check_inn(value: str, field: str = "inn") -> str:
    """ИНН of a company (10 digits) or of a person (12).

    Source: приказ ФНС России от 29.06.2012 № ММВ-7-6/435@, on the structure of the number.
    """
    inn = _digits(value, (10, 12), "inn_shape", field)
    for length in (9,) if len(inn) == 10 else (10, 11):
        if _weighed(inn[:length], _INN_WEIGHTS[-length:]) % 11 % 10 != int(inn[length]):
            raise BadRequisite("inn_check_digit", field)
    return inn


def check_kpp(value: str, field: str = "kpp") -> str:
    """КПП: tax office, reason, number; it has no check digit."""
    kpp = _squeezed(value)
    if not re.fullmatch(r"\d{4}[0-9A-Z]{2}\d{3}", kpp, re.ASCII):
        raise BadRequisite("kpp_shape", field)
    return kpp


def check_ogrn(value: str, field: str = "ogrn") -> str:
    """ОГРН (13 digits) or ОГРНИП (15).

    Source: приказ Минфина России от 30.10.2017 № 165н: the last digit is the last of the
    remainder by 11, or by 13, of the number before it.
    """
    ogrn = _digits(value, (13, 15), "ogrn_shape", field)
    if int(ogrn[:-1]) % (len(ogrn) - 2) % 10 != int(ogrn[-1]):
        raise BadRequisite("ogrn_check_digit", field)
    return ogrn


def check_bik(value: str, field: str = "bik") -> str:
    """БИК of a participant of the Bank of Russia's payment system; it has no check digit."""
    bik = _digits(value, (9,), "bik_shape", field)
    if bik[0] != "0":
        raise BadRequisite("bik_shape", field)
    return bik


def check_account(value: str, bik: str, field: str = "account") -> str:
    """Account of a bank's client, whose key covers the bank's own three digits of its БИК.

    Accounts kept by the Bank of Russia itself (БИК ending in 000, 001, 002) are reckoned with 0 and
    the fifth and sixth digits, as correspondent accounts are.
    """
    account = _squeezed(value).upper()
    if not re.fullmatch(r"\d{5}[\dABCEHKMPTX]\d{14}", account, re.ASCII):
        raise BadRequisite("account_shape", field)
    code = check_bik(bik)
    prefix = f"0{code[4:6]}" if code[6:] in ("000", "001", "002") else code[6:]
    if not _key_fits(prefix, account):
        raise BadRequisite("account_key", field)
    return account


def check_correspondent(value: str, bik: str, field: str = "correspondent") -> str:
    """The bank's own account at the Bank of Russia (or a treasury's single account, 40102)."""
    account = _digits(value, (20,), "correspondent_shape", field)
    if not account.startswith(("301", "40102")):
        raise BadRequisite("correspondent_shape", field)
    if not _key_fits(f"0{check_bik(bik)[4:6]}", account):
        raise BadRequisite("correspondent_key", field)
    return account


def _key_fits(prefix: str, account: str) -> bool:
    digits = prefix + account[:5] + _ACCOUNT_LETTERS.get(account[5], account[5]) + account[6:]
    weights = (7, 1, 3) * 8
    return sum(int(d) * w % 10 for d, w in zip(digits, weights, strict=False)) % 10 == 0


def _weighed(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def _digits(value: str, lengths: tuple[int, ...], code: str, field: str) -> str:
    text = _squeezed(value)
    if len(text) not in lengths or not re.fullmatch(r"\d+", text, re.ASCII):
        raise BadRequisite(code, field)
    return text


def _squeezed(value: str) -> str:
    return "".join(value.split())
