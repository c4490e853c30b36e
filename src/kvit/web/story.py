"""What happened to a customer, in sentences: for the page and for the API."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from kvit.core.periods import Period, local_date
from kvit.core.units import unit_after
from kvit.core.wording import Words, date_text, money_text, number_text, period_text, say
from kvit.insight.timeline import Entry

WORDS: Words = {
    "subscription": (
        "Подписка {code}: тариф «{plan}» с {day}",
        "Subscription {code}: plan “{plan}” from {day}",
    ),
    "plan": ("Подписка {code}: с {day} тариф «{value}»", "{code}: plan “{value}” from {day}"),
    "quantity": (
        "Подписка {code}: с {day} количество {value}",
        "{code}: quantity {value} from {day}",
    ),
    "pause": ("Подписка {code}: приостановлена с {day}", "{code}: paused from {day}"),
    "resume": ("Подписка {code}: возобновлена с {day}", "{code}: resumed from {day}"),
    "cancel": ("Подписка {code}: завершается {day}", "{code}: ends on {day}"),
    "transfer": (
        "Подписка {code}: с {day} платит другой клиент",
        "{code}: paid by another customer from {day}",
    ),
    "discount": ("Подписка {code}: скидка с {day}", "{code}: a discount from {day}"),
    "coupon": ("Подписка {code}: купон с {day}", "{code}: a coupon from {day}"),
    "addon": ("Подписка {code}: дополнение с {day}", "{code}: an add-on from {day}"),
    "trial": ("Подписка {code}: пробный период с {day}", "{code}: a trial from {day}"),
    "milestone": ("Подписка {code}: этап достигнут {day}", "{code}: a milestone on {day}"),
    "terms": ("Подписка {code}: новые условия с {day}", "{code}: other terms from {day}"),
    "scheme": ("Подписка {code}: схема биллинга с {day}", "{code}: billing scheme from {day}"),
    "restate": ("Подписка {code}: условия заявлены заново", "{code}: stated anew"),
    "withdraw": (
        "Подписка {code}: изменение № {value} отменено",
        "{code}: change no. {value} withdrawn",
    ),
    "usage": ("Потребление за {day}: {meters}", "Usage of {day}: {meters}"),
    "meter_sum": ("{name} — {total}", "{name}: {total}"),
    "meter_sum_unit": ("{name} — {total} {unit}", "{name}: {total} {unit}"),
    "meter_events": (
        "{name} — {n} {n:plural:событие|события|событий}",
        "{name}: {n} {n:plural:event|events}",
    ),
    "charge": (
        "Начислено {sum} по подписке {code}: {n} {n:plural:начисление|начисления|начислений}"
        " за {period}",
        "Charged {sum} for {code}: {n} {n:plural:charge|charges} of {period}",
    ),
    "charge_again": (
        "Пересчитано на {sum} по подписке {code} за {period}",
        "Recalculated by {sum} for {code}, {period}",
    ),
    "invoice": (
        "Счёт № {number} на {sum} за {period}",
        "Invoice no. {number} of {sum} for {period}",
    ),
    "draft": (
        "Черновик счёта на {sum} за {period} ждёт утверждения",
        "A draft of {sum} for {period} waits for approval",
    ),
    "credit_note": (
        "Корректировка № {number} на {sum} к счёту № {corrects}",
        "Credit note no. {number} of {sum} to invoice no. {corrects}",
    ),
    "debit_note": (
        "Корректировка № {number} на {sum} к счёту № {corrects}",
        "Debit note no. {number} of {sum} to invoice no. {corrects}",
    ),
    "void": (
        "Счёт № {corrects} аннулирован документом № {number} на {sum}",
        "Invoice no. {corrects} voided by no. {number}, {sum}",
    ),
    "customer.created": ("Клиент заведён", "The customer was made"),
    "customer.changed": ("Изменено: {fields}", "Changed: {fields}"),
    "customer.other": ("Действие с карточкой: {action}", "The card: {action}"),
}  # fmt: skip
FIELDS: Words = {
    "name": ("название", "name"),
    "kind": ("вид", "kind"),
    "inn": ("ИНН", "INN"),
    "kpp": ("КПП", "KPP"),
    "ogrn": ("ОГРН", "OGRN"),
    "email": ("почта", "e-mail"),
    "phone": ("телефон", "phone"),
    "address": ("адрес", "address"),
    "zone": ("часовой пояс", "time zone"),
    "currency": ("валюта", "currency"),
    "payer": ("плательщик", "payer"),
    "segment": ("сегмент", "segment"),
    "branch": ("филиал", "branch"),
    "bank": ("банк", "bank"),
    "bik": ("БИК", "BIK"),
    "account": ("расчётный счёт", "account"),
    "correspondent": ("корреспондентский счёт", "correspondent account"),
    "personal": ("личные данные", "personal data"),
}


def sentence(entry: Entry, lang: str, zone: str) -> str:
    """Say what happened, with the sums and the days of the customer's zone."""
    return _SENTENCES[entry.kind](entry.facts, lang, zone)


def _day(moment: datetime, lang: str, zone: str) -> str:
    return date_text(local_date(moment, zone), lang)


def _opened(facts: Mapping[str, Any], lang: str, _: str) -> str:
    day = date_text(facts["on"], lang)
    return say(WORDS, "subscription", lang, code=facts["code"], plan=facts["plan"], day=day)


def _amended(facts: Mapping[str, Any], lang: str, zone: str) -> str:
    key = facts["change"] if facts["change"] in WORDS else "terms"
    value = facts["value"]
    told = {"code": facts["code"], "day": _day(facts["at"], lang, zone), "value": value}
    return say(WORDS, key, lang, **told)


def _used(facts: Mapping[str, Any], lang: str, _: str) -> str:
    told = "; ".join(_metered(one, lang) for one in facts["meters"])
    return say(WORDS, "usage", lang, day=date_text(facts["day"], lang), meters=told)


def _metered(one: Mapping[str, Any], lang: str) -> str:
    total: Decimal | None = one["total"]
    if total is None:
        return say(WORDS, "meter_events", lang, name=one["name"], n=one["events"])
    key = "meter_sum_unit" if one["unit"] else "meter_sum"
    text = number_text(Fraction(total), lang)
    return say(WORDS, key, lang, name=one["name"], total=text,
               unit=unit_after(Fraction(total), one["unit"]))  # fmt: skip


def _charged(facts: Mapping[str, Any], lang: str, _: str) -> str:
    key = "charge_again" if facts["is_again"] else "charge"
    period = period_text(Period(facts["since"], max(facts["until"], facts["since"])), lang)
    return say(
        WORDS, key, lang, sum=money_text(facts["minor"], facts["currency"], lang),
        code=facts["code"], n=facts["charges"], period=period,
    )  # fmt: skip


def _billed(facts: Mapping[str, Any], lang: str, _: str) -> str:
    key = "draft" if facts["status"] == "draft" else facts["document"]
    last = max(facts["until"], facts["since"] + timedelta(days=1))
    return say(
        WORDS, key, lang, number=facts["number"], corrects=facts["corrects"],
        sum=money_text(facts["minor"], facts["currency"], lang),
        period=period_text(Period(facts["since"], last), lang),
    )  # fmt: skip


def _noted(facts: Mapping[str, Any], lang: str, zone: str) -> str:
    return str(facts["text"])


def _changed(facts: Mapping[str, Any], lang: str, _: str) -> str:
    key = facts["action"] if facts["action"] in WORDS else "customer.other"
    names = [say(FIELDS, name, lang) if name in FIELDS else name for name in facts["fields"]]
    return say(WORDS, key, lang, fields=", ".join(names), action=facts["action"])


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any], str, str], str]] = {
    "subscription": _opened,
    "amendment": _amended,
    "usage": _used,
    "charge": _charged,
    "invoice": _billed,
    "note": _noted,
    "change": _changed,
}
