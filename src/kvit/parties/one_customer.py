"""One customer at a form: made, changed unless somebody was faster, noted about.

made = create_customer(row, actor=…, now=…, reason=…)
seen = revision_of(row)                      # what the form was filled with
change_customer(code, row, seen=seen, …)     # refused if it stands otherwise by now
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from unicodedata import category
from uuid import UUID

from django.db import transaction

from kvit.core import requisites
from kvit.core.wording import Words
from kvit.parties import models
from kvit.parties._listing import of_inn
from kvit.parties._requisites import cleaned, looked_at
from kvit.parties.customers import CustomerRefused, apply_customers, wrong_names, wrong_payer
from kvit.parties.queries import branches, customers_by_code, in_clear, reach
from kvit.parties.rows import Customer, CustomerRow, Note
from kvit.platform import audit
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7
from kvit.platform.revisions import Seen, refuse_stale

WORDS: Words = {
    "customer_not_found": ("Клиента {code} нет.", "There is no customer {code}."),
    "customer_exists": (
        "Код {code} уже у клиента «{name}». Возьмите другой.",
        "The code {code} is already that of “{name}”. Take another one.",
    ),
    "customer_inn_taken": (
        "ИНН {inn} уже есть у клиента «{name}» ({other}). Откройте его карточку или укажите КПП"
        " другого подразделения.",
        "The INN {inn} is already that of “{name}” ({other}). Open it, or give the KPP of another"
        " division.",
    ),
    "customer_name_missing": ("Укажите название клиента.", "Give the customer's name."),
    "customer_kpp_of_person": (
        "КПП бывает только у организации: оставьте поле пустым.",
        "Only a company has a KPP: leave the field empty.",
    ),
    "customer_branch_unknown": (
        "Филиала {branch} нет. Есть: {known}.",
        "There is no branch {branch}. There are: {known}.",
    ),
    "customer_branch_not_yours": (
        "Вы работаете в филиале {own}: клиент может относиться только к нему.",
        "You work in the branch {own}: the customer can belong to it alone.",
    ),
    "customer_bik_missing": (
        "Укажите БИК: без него номер счёта не проверить.",
        "Give the BIK: without it the account cannot be checked.",
    ),
    "note_empty": ("Напишите, что запомнить о клиенте.", "Write what to remember."),
    **{code: (f"{ru[0].upper()}{ru[1:]}.", f"{en[0].upper()}{en[1:]}.")
       for code, (ru, en) in requisites.WORDS.items()},
}  # fmt: skip
KINDS = {"company": 10, "sole": 12, "person": 12}  # digits of the ИНН


class CustomerNotTaken(Failure):
    """A customer cannot be so; nothing was changed. `field` says which of its fields is wrong."""

    words = WORDS


@transaction.atomic
def create_customer(row: CustomerRow, *, actor: str, now: datetime, reason: str = "") -> Customer:
    """Make a customer.

    Raises:
        CustomerNotTaken: the code or the ИНН is somebody's, or a field cannot be right.
        CustomerRefused: payer, zone or currency are not known.
    """
    row = checked(row)
    for fault in (*_taken_code(row, None), *_taken_inn(row, None)):
        raise fault
    apply_customers([row], actor=actor, now=now, reason=reason)
    return customers_by_code([row.code])[row.code]


@transaction.atomic
def change_customer(
    code: str, row: CustomerRow, *, seen: Seen, actor: str, now: datetime, reason: str = ""
) -> bool:
    """Make the customer be as the row says; its code stays. Returns whether anything changed.

    Args:
        seen: the revision of the row that was changed into this one.

    Raises:
        Stale: it was changed meanwhile. CustomerNotTaken: see `create_customer`.
        CustomerRefused: payer, zone or currency are not known.
    """
    models.Customer.objects.select_for_update().filter(code=code).first()
    with in_clear():
        standing = customers_by_code([code]).get(code)
    if standing is None:
        raise CustomerNotTaken("customer_not_found", code=code)
    refuse_stale(standing.row, seen, of=("parties.customer", str(standing.id)))
    row = checked(replace(row, code=code))
    if (row.inn, row.kpp) != (standing.row.inn, standing.row.kpp):
        for fault in _taken_inn(row, standing.id):
            raise fault
    done = apply_customers([row], actor=actor, now=now, reason=reason)
    return bool(done.changed)


@transaction.atomic
def add_note(customer_id: UUID, text: str, *, actor: str, now: datetime) -> Note:
    """Write something down about a customer, for ever.

    Raises:
        CustomerNotTaken: there is nothing to write down.
    """
    said = text.strip()
    if not said:
        raise CustomerNotTaken("note_empty", field="text")
    row = models.CustomerNote.objects.create(
        id=uuid7(), customer_id=customer_id, text=said, author=actor, at=now
    )
    audit.record(
        action="customer.noted",
        object_type="parties.note",
        object_id=str(row.pk),
        after={"customer": str(customer_id)},  # what it says may be about a person: it stays here
        actor=actor,
        now=now,
    )
    return Note(row.pk, customer_id, said, actor, now)


def checked(row: CustomerRow) -> CustomerRow:
    """Return the row with its requisites as they are written, once each of them can be right.

    Raises:
        CustomerNotTaken: the first field that cannot be right.
    """
    for fault in _wrong(row):
        raise fault
    return replace(row, name=row.name.strip(), **cleaned(row))


def faults_of(row: CustomerRow, *, besides: UUID | None) -> list[Failure]:
    """Return every reason for which a customer cannot be made, or changed, into this one: a form
    tells them at once.

    Args:
        besides: the customer that is changed; None where one is made.
    """
    found: list[Failure] = [*_wrong(row), *wrong_names(row)]
    if row.payer != row.code:
        found += wrong_payer(row)
    row = replace(row, **looked_at(row)[0])
    return [*found, *_taken_code(row, besides), *_taken_inn(row, besides)]


def _is_seen(sign: str) -> bool:
    """Whether a sign leaves ink: no space, no control, nothing that only turns or joins others."""
    return category(sign)[0] not in "ZC"


def _wrong(row: CustomerRow) -> Iterator[CustomerNotTaken]:
    if not any(map(_is_seen, row.name)):
        yield CustomerNotTaken("customer_name_missing", field="name")
    if row.kpp and row.kind != "company":
        yield CustomerNotTaken("customer_kpp_of_person", field="kpp")
    if row.branch and row.branch not in (known := branches()):
        yield CustomerNotTaken(
            "customer_branch_unknown", field="branch", branch=row.branch, known=", ".join(known)
        )
    if (own := reach()) and row.branch not in own:
        yield CustomerNotTaken(
            "customer_branch_not_yours", field="branch", own=", ".join(sorted(own))
        )
    if (row.account or row.correspondent) and not row.bik:
        yield CustomerNotTaken("customer_bik_missing", field="bik")
    clean, wrong = looked_at(row)
    yield from (CustomerNotTaken(error.code, field=error.field) for error in wrong)
    if clean.get("inn") and len(clean["inn"]) != KINDS[row.kind]:
        yield CustomerNotTaken("inn_shape", field="inn")


def _taken_code(row: CustomerRow, besides: UUID | None) -> Iterator[CustomerNotTaken]:
    standing = customers_by_code([row.code]).get(row.code)
    if standing is not None and standing.id != besides:
        yield CustomerNotTaken(
            "customer_exists", field="code", code=row.code, name=standing.row.name
        )


def _taken_inn(row: CustomerRow, besides: UUID | None) -> Iterator[CustomerNotTaken]:
    """One ИНН is one customer, unless the КПП tells two divisions of a company apart."""
    if not row.inn:
        return
    for key, code, kpp in of_inn(row.inn, besides=besides):
        if not (kpp and row.kpp and kpp != row.kpp):
            name = customers_by_code([code])[code].row.name  # as whoever asks may see it
            yield CustomerNotTaken(
                "customer_inn_taken", field="inn", inn=row.inn, name=name, other=code, customer=key
            )


__all__ = [
    "KINDS", "CustomerNotTaken", "CustomerRefused", "add_note", "change_customer", "checked",
    "create_customer", "faults_of",
]  # fmt: skip
