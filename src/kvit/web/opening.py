"""Opening one subscription by the codes that people know, for the office and the API."""

from datetime import date, datetime
from fractions import Fraction
from uuid import UUID

from kvit.adapters.folder.fields import NUMBER
from kvit.catalog import queries as catalog
from kvit.core.money import FloatRefused, NotANumber, parse_decimal
from kvit.core.wording import Words
from kvit.parties import queries as parties
from kvit.platform.failures import Failure
from kvit.subscriptions import services
from kvit.subscriptions.rows import NewSubscription

WORDS: Words = {
    "opening_customer_unknown": (
        "Клиента {code} нет. Заведите его или исправьте код.",
        "There is no customer {code}. Make it or mend the code.",
    ),
    "opening_plan_unknown": (
        "Тарифа {code} нет. Опубликуйте его или выберите другой.",
        "There is no plan {code}. Publish it or choose another.",
    ),
    "opening_code_taken": (
        "Подписка {code} уже есть. Откройте её и измените или дайте другой код.",
        "Subscription {code} stands already. Open it and change it, or give another code.",
    ),
    "opening_code_unfit": (
        "Код «{code}» не подходит: буквы, цифры и знаки . : @ # + / - _, первой буква или цифра.",
        "The code “{code}” does not fit: letters, digits and . : @ # + / - _, a letter or digit"
        " first.",
    ),
    "opening_quantity": (
        "Количество «{value}» не подходит: нужно число не меньше нуля.",
        "The quantity “{value}” does not fit: a number of nought or more is needed.",
    ),
    "opening_terms": (
        "Условия подписки {code} не читаются: {russian}",
        "The terms of subscription {code} cannot be read: {english}",
    ),
}


class OpeningRefused(Failure):
    """The subscription cannot be opened; nothing was."""

    words = WORDS


def open_one(
    *, code: str, customer: str, plan: str, start: date, quantity: str, actor: str, now: datetime
) -> UUID:
    """Open a subscription and return its id.

    Raises:
        OpeningRefused: the customer or the plan is unknown, the code taken, the quantity unfit.
    """
    if not NUMBER.fullmatch(code):
        raise OpeningRefused("opening_code_unfit", code=code)
    found = parties.customers_by_code([customer]).get(customer)
    if found is None:
        raise OpeningRefused("opening_customer_unknown", code=customer)
    if plan not in catalog.catalogue().plans:
        raise OpeningRefused("opening_plan_unknown", code=plan)
    row = NewSubscription(code, found.id, plan, found.zone, start, quantity=_quantity(quantity))
    try:
        return services.open_many([row], actor=actor, now=now)[code]
    except services.SubscriptionExists:
        raise OpeningRefused("opening_code_taken", code=code) from None
    except services.TermsRefused as error:
        raise OpeningRefused(
            "opening_terms", code=code, russian=error.said[0], english=error.said[1]
        ) from error


def _quantity(text: str) -> Fraction:
    try:
        number = parse_decimal(text.replace(",", ".").strip())
    except (NotANumber, FloatRefused):
        raise OpeningRefused("opening_quantity", value=text) from None
    if number < 0:
        raise OpeningRefused("opening_quantity", value=text)
    return number
