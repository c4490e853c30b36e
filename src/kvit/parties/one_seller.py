"""A seller or a branch at a form: made or changed, once each of its fields can be right."""

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from kvit.core import requisites
from kvit.core.numbering import BadPattern, check_pattern
from kvit.core.wording import Words
from kvit.parties import coded
from kvit.parties._requisites import WrongRequisite, cleaned
from kvit.parties.coded import Kind
from kvit.parties.rows import BranchRow, SellerRow
from kvit.parties.services import BRANCHES, SELLERS, apply_branches, apply_sellers
from kvit.platform.failures import Failure
from kvit.platform.revisions import Seen, refuse_stale

VAT = ("auto", "10", "0", "none", "usn5", "usn7")
WORDS: Words = {
    "seller_code_missing": ("Укажите код.", "Give a code."),
    "seller_code_taken": ("Код {code} уже занят.", "The code {code} is taken already."),
    "seller_name_missing": ("Укажите название.", "Give a name."),
    "seller_not_found": ("Продавца {code} нет.", "There is no seller {code}."),
    "branch_not_found": ("Филиала {code} нет.", "There is no branch {code}."),
    "seller_vat_unknown": ("Режима НДС {vat} нет.", "There is no VAT mode {vat}."),
    "seller_series_wrong": (
        "В образце номера нужно ровно одно поле number в фигурных скобках; кроме него бывают year и"
        " branch.",
        "The pattern needs exactly one field number in braces; besides it there may be year and"
        " branch.",
    ),
    "seller_bik_missing": (
        "Укажите БИК: без него номер счёта не проверить.",
        "Give the BIK: without it the account cannot be checked.",
    ),
    **{
        f"seller_{code}": (f"{ru[0].upper()}{ru[1:]}.", f"{en[0].upper()}{en[1:]}.")
        for code, (ru, en) in requisites.WORDS.items()
    },
}


class SellerNotTaken(Failure):
    """It cannot be so; nothing was changed. `field` says which field is wrong."""

    words = WORDS


@transaction.atomic
def save_seller(
    row: SellerRow, *, is_new: bool | None, seen: Seen = None, actor: str, now: datetime,
    reason: str = "",
) -> bool:  # fmt: skip
    """Make a seller, or make the one of that code be as the row says; returns whether it changed.

    Args:
        is_new: whether there is none of that code yet; None: either is well.

    Raises:
        SellerNotTaken: a field cannot be right, the code is taken, or there is none to change.
        Stale: it was changed since it was seen.
    """
    row = checked_seller(row)
    _check_stands(SELLERS, row, is_new=is_new, seen=seen, missing="seller_not_found")
    done = apply_sellers([row], actor=actor, now=now, reason=reason)
    return bool(done.created or done.changed)


@transaction.atomic
def save_branch(
    row: BranchRow, *, is_new: bool | None, seen: Seen = None, actor: str, now: datetime,
    reason: str = "",
) -> bool:  # fmt: skip
    """Make a branch, or make the one of that code be as the row says.

    Raises:
        SellerNotTaken, Stale: as in `save_seller`; PartyRefused: there is no such seller.
    """
    if not row.name.strip():
        raise SellerNotTaken("seller_name_missing", field="name")
    _check_stands(BRANCHES, row, is_new=is_new, seen=seen, missing="branch_not_found")
    done = apply_branches([row], actor=actor, now=now, reason=reason)
    return bool(done.created or done.changed)


def checked_seller(row: SellerRow) -> SellerRow:
    """Return the row with its requisites as they are written, once each can be right."""
    if not row.name.strip():
        raise SellerNotTaken("seller_name_missing", field="name")
    if row.vat not in VAT:
        raise SellerNotTaken("seller_vat_unknown", field="vat", vat=row.vat)
    try:
        check_pattern(row.series)
    except BadPattern:
        raise SellerNotTaken("seller_series_wrong", field="series") from None
    if (row.account or row.correspondent) and not row.bik:
        raise SellerNotTaken("seller_bik_missing", field="bik")
    try:
        clean = cleaned(row)
    except WrongRequisite as error:
        raise SellerNotTaken(f"seller_{error.code}", field=error.field) from None
    return replace(row, name=row.name.strip(), **clean)


def _check_stands(
    kind: Kind, row: SellerRow | BranchRow, *, is_new: bool | None, seen: Seen, missing: str
) -> None:
    """Hold the code first, then look at what stands under it."""
    code = row.code
    if not code.strip() or "/" in code:
        raise SellerNotTaken("seller_code_missing", field="code")
    found = coded.lock(kind, [row]).get(code)
    if is_new and found is not None:
        raise SellerNotTaken("seller_code_taken", field="code", code=code)
    if is_new is False and found is None:
        raise SellerNotTaken(missing, code=code)
    stands = None if found is None else kind.read(found)
    key = "" if found is None else str(found.id)
    refuse_stale(stands, seen, of=(f"parties.{kind.name}", key))
