"""Requisites at a form, of a seller or a customer alike: each as it is written, or refused."""

from collections.abc import Callable
from typing import Any

from kvit.core import requisites
from kvit.core.requisites import BadRequisite
from kvit.parties.rows import CustomerRow, SellerRow


class WrongRequisite(ValueError):
    """A field that cannot be right, and why: a key of `core.requisites.WORDS`."""

    def __init__(self, field: str, code: str) -> None:
        super().__init__(code)
        self.field = field
        self.code = code


def cleaned(row: CustomerRow | SellerRow) -> dict[str, Any]:
    """Return the requisites that were given, without blanks.

    Raises:
        WrongRequisite: the first of them that cannot be right.
    """
    found, wrong = looked_at(row)
    for error in wrong:
        raise error
    return found


def looked_at(row: CustomerRow | SellerRow) -> tuple[dict[str, Any], list[WrongRequisite]]:
    """Return the requisites that can be right, without blanks, and what is wrong with others."""
    checks: dict[str, Callable[[str], str]] = {
        "inn": requisites.check_inn,
        "kpp": requisites.check_kpp,
        "ogrn": requisites.check_ogrn,
        "bik": requisites.check_bik,
        "account": lambda value: requisites.check_account(value, row.bik),
        "correspondent": lambda value: requisites.check_correspondent(value, row.bik),
    }
    found, wrong = {}, []
    for name, check in checks.items():
        if value := getattr(row, name):
            try:
                found[name] = check(value)
            except BadRequisite as error:
                wrong.append(WrongRequisite(name, error.code))
    return found, wrong
