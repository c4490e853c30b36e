"""Requisites of a row, checked by `core.requisites`; an absent one is an empty text."""

from collections.abc import Callable
from functools import partial

from kvit.adapters.folder.fields import Fields
from kvit.adapters.folder.suggest import shown
from kvit.core import requisites


def check_inn(fields: Fields, *, digits: int = 0) -> str:
    """ИНН; of so many digits where the kind of customer decides it."""
    inn = _checked(fields, "inn", "bad_inn", requisites.check_inn)
    if inn and digits and fields.sound and len(inn) != digits:
        ru = f"здесь нужны {digits} цифр: таков ИНН этого вида клиента"
        en = f"{digits} digits are needed: such is the INN of this kind of customer"
        fields.fault("bad_inn", "inn", value=shown(inn), ru=ru, en=en)
    return inn


def check_kpp(fields: Fields) -> str:
    return _checked(fields, "kpp", "bad_kpp", requisites.check_kpp)


def check_ogrn(fields: Fields) -> str:
    return _checked(fields, "ogrn", "bad_ogrn", requisites.check_ogrn)


def check_bank(fields: Fields) -> tuple[str, str, str]:
    """Return БИК, account and correspondent account; an account is proved by the БИК alone."""
    bik = _checked(fields, "bik", "bad_bik", requisites.check_bik)
    accounts = {
        "account": requisites.check_account,
        "correspondent": requisites.check_correspondent,
    }
    found = []
    for name, check in accounts.items():
        if fields.given(name) and not fields.given("bik"):
            fields.require("bik")
        if not bik:
            found.append(fields.text(name))
            continue
        found.append(_checked(fields, name, "bad_account", partial(check, bik=bik)))
    return bik, found[0], found[1]


def _checked(fields: Fields, name: str, code: str, check: Callable[[str], str]) -> str:
    text = fields.text(name, limit=40)
    if not text:
        return ""
    try:
        return check(text)
    except requisites.BadRequisite as error:
        ru, en = requisites.WORDS[error.code]
        fields.fault(code, name, value=shown(text), ru=ru, en=en)
        return ""
