"""What was done, as the journal tells it; and the groups by which a reader looks for it.

The audit rows keep the names of actions, which programs search by; a name without words is shown
as it is, and a test asks for words of every name that the code writes.
"""

from kvit.core.money import UnknownCurrency, exponent
from kvit.core.wording import Words, money_text, say

ACTIONS: Words = {
    "api_key.changed": ("Ключ API изменён", "API key changed"),
    "api_key.created": ("Ключ API выпущен", "API key made"),
    "api_key.revoked": ("Ключ API отозван", "API key revoked"),
    "api_key.rotated": ("Ключ API сменён", "API key rotated"),
    "attempt.above_limit": (
        "Попытка утвердить больше своего предела",
        "An attempt to approve above one's limit",
    ),
    "attempt.refused": ("Попытка без права отклонена", "An attempt without the right refused"),
    "branch.changed": ("Филиал изменён", "Branch changed"),
    "branch.created": ("Филиал заведён", "Branch created"),
    "catalog.calendar.stated": ("Календарь записан", "Calendar stated"),
    "catalog.coupon.stated": ("Купон записан", "Coupon stated"),
    "catalog.discount.stated": ("Скидка записана", "Discount stated"),
    "catalog.draft": ("Черновик каталога", "Draft of the catalogue"),
    "catalog.meter.stated": ("Счётчик записан", "Meter stated"),
    "catalog.plan.published": ("Тариф опубликован", "Plan published"),
    "catalog.price.published": ("Цена опубликована", "Price published"),
    "catalog.simulation.started": ("Симуляция начата", "Simulation started"),
    "catalog": ("Публикация без права отклонена", "A publication without the right refused"),
    "clock.moved": ("Часы компании переведены", "The company's clock moved"),
    "customer.changed": ("Карточка клиента изменена", "Customer changed"),
    "customer.created": ("Клиент заведён", "Customer created"),
    "customer.noted": ("Заметка о клиенте", "Note about a customer"),
    "documents.rendered": ("Печатные формы сделаны", "Printed forms made"),
    "factor.added": ("Второй фактор настроен", "Second factor added"),
    "factor.removed": ("Второй фактор снят", "Second factor removed"),
    "insight.invariants.broken": ("Ночная сверка нашла нарушение", "A fault found at night"),
    "integrations.upload_row.left": ("Строка файла оставлена", "Row of a file left out"),
    "invoicing.draft.approved": ("Черновик утверждён", "Draft approved"),
    "invoicing.draft.refused": ("Черновик отклонён", "Draft refused"),
    "invoicing.invoice": ("Счёт исправлен", "Invoice corrected"),
    "invoicing.invoices.issued": ("Счета выставлены", "Invoices issued"),
    "invoicing.order": ("Расчётный запуск заказан", "Bill run ordered"),
    "invoicing.order.stopped": ("Расчётный запуск остановлен", "Bill run stopped"),
    "invoicing.run.finished": ("Расчётный запуск закончен", "Bill run finished"),
    "invoicing.trigger.fired": ("Правило запуска сработало", "Trigger fired"),
    "invoicing.trigger.stated": ("Правило запуска записано", "Trigger stated"),
    "key.unparked": ("Обработка событий возобновлена", "Handling of events resumed"),
    "ledger.chart.opened": ("План счетов открыт", "Chart of accounts opened"),
    "list_view.changed": ("Представление списка изменено", "View of a list changed"),
    "list_view.removed": ("Представление списка удалено", "View of a list removed"),
    "list_view.restored": ("Представление списка возвращено", "View of a list restored"),
    "list_view.saved": ("Представление списка сохранено", "View of a list saved"),
    "login.done": ("Вход", "Login"),
    "login.refused": ("Вход отклонён", "Login refused"),
    "member.added": ("Сотрудник добавлен", "Member added"),
    "member.removed": ("Сотрудник убран", "Member removed"),
    "metering.conflict.resolved": ("Спор о событии решён", "Conflict of events resolved"),
    "metering.event.retracted": ("Событие отменено", "Event retracted"),
    "metering.usage.accepted": ("Потребление принято", "Usage accepted"),
    "metering.usage.released": (
        "Запечатанные события ушли из базы", "Sealed events left the database"
    ),
    "metering.usage.returned": (
        "Запечатанные события возвращаются в базу", "Sealed events come back to the database"
    ),
    "personal.read": ("Личные данные прочитаны", "Personal data read"),
    "rating.charges.rated": ("Начисления рассчитаны", "Charges rated"),
    "rating.charges.taken_back": ("Начисления сняты", "Charges taken back"),
    "retention.done": ("Удалено по сроку хранения", "Dropped after its time of keeping"),
    "role.changed": ("Права роли изменены", "Rights of a role changed"),
    "role.approval_limited": (
        "Пределы роли на утверждение изменены",
        "Limits of a role on approving changed",
    ),
    "role.limited": ("Пределы роли изменены", "Limits of a role changed"),
    "role.look.begun": ("Владелец смотрит как роль", "An owner looks as a role"),
    "role.look.ended": ("Владелец больше не смотрит как роль", "An owner looks as a role no more"),
    "seller.branded": ("Оформление документов изменено", "Look of the documents changed"),
    "seller.changed": ("Юрлицо изменено", "Seller changed"),
    "seller.created": ("Юрлицо заведено", "Seller created"),
    "signed_log.begun_anew": ("Подписанный журнал начат заново", "The signed log begun anew"),
    "session.ended": ("Сеансы завершены", "Sessions ended"),
    "subscriptions.subscription": ("Подписка изменена", "Subscription changed"),
    "subscriptions.subscription.opened": ("Подписка открыта", "Subscription opened"),
    "subscriptions.subscription.withdraw": ("Изменение отменено", "Change withdrawn"),
    "tenant.changed": ("Настройки компании изменены", "Company changed"),
    "tenant.created": ("Компания заведена", "Company created"),
    "tenant.machine_factors_changed": ("Второй фактор программ изменён", "Machine factor changed"),
    "webhook": ("Вебхук изменён", "Webhook changed"),
    "webhook.created": ("Вебхук добавлен", "Webhook added"),
    "webhook.replayed": ("Вебхук: отправлено заново", "Webhook: sent again"),
    "webhook.resent": ("Вебхук: доставка повторена", "Webhook: delivery sent again"),
    "webhook.tested": ("Вебхук: отправлено пробное", "Webhook: a test sent"),
}  # fmt: skip

GROUPS: Words = {
    "login.": ("Входы", "Logins"),
    "attempt.": ("Отклонённые попытки", "Refused attempts"),
    "personal.": ("Чтение личных данных", "Reads of personal data"),
    "member.": ("Сотрудники", "Members"),
    "role.": ("Права ролей", "Rights of roles"),
    "factor.": ("Вторые факторы", "Second factors"),
    "api_key.": ("Ключи API", "API keys"),
    "customer.": ("Клиенты", "Customers"),
    "catalog.": ("Каталог", "Catalogue"),
    "subscriptions.": ("Подписки", "Subscriptions"),
    "metering.": ("Потребление", "Usage"),
    "invoicing.": ("Счета и запуски", "Invoices and runs"),
    "webhook.": ("Вебхуки", "Webhooks"),
    "tenant.": ("Компания", "Company"),
    "seller.": ("Юрлица", "Sellers"),
}
"""The beginning of the names of actions → what they are about."""


def action_text(action: str, lang: str) -> str:
    """Say what was done; an action without words of its own has those of what it belongs to."""
    name = action
    while name not in ACTIONS:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return action
    return say(ACTIONS, name, lang)


FIELDS: Words = {
    "account": ("расчётный счёт", "settlement account"),
    "address": ("адрес", "address"),
    "approval": ("черновики ждут человека", "drafts wait for a person"),
    "asked": ("о чём спросили", "what was asked"),
    "at": ("когда", "at"),
    "author": ("автор", "author"),
    "bank": ("банк", "bank"),
    "because": ("из-за чего", "because of"),
    "bik": ("БИК", "BIK"),
    "branch": ("филиал", "branch"),
    "by": ("кто", "by"),
    "charges": ("начислений", "charges"),
    "former": ("прежний", "the former one"),
    "code": ("код", "code"),
    "columns": ("столбцы", "columns"),
    "correspondent": ("корреспондентский счёт", "correspondent account"),
    "corrects": ("исправляет", "corrects"),
    "count": ("сколько", "count"),
    "currency": ("валюта", "currency"),
    "customer": ("клиент", "customer"),
    "day": ("день", "day"),
    "description": ("для чего", "what for"),
    "device": ("устройство", "device"),
    "document": ("документ", "document"),
    "documents": ("документы", "documents"),
    "drafts": ("черновиков", "drafts"),
    "events": ("событий", "events"),
    "expires_at": ("действует до", "expires at"),
    "factor": ("фактор", "factor"),
    "first": ("первый", "first"),
    "four_eyes": ("утверждает не автор", "approved by another person"),
    "inn": ("ИНН", "INN"),
    "invoices": ("счетов", "invoices"),
    "invoice_limits": ("пределы утверждения счетов", "limits of approving invoices"),
    "is_on": ("включён", "on"),
    "key": ("ключ", "key"),
    "kind": ("вид", "kind"),
    "kpp": ("КПП", "KPP"),
    "language": ("язык", "language"),
    "last": ("последний", "last"),
    "late_events": ("опоздавшее потребление", "late usage"),
    "left_minor": ("осталось, в мелких единицах", "left, in minor units"),
    "limits": ("пределы", "limits"),
    "list": ("список", "list"),
    "machine_factors": ("факторы программ", "factors of machines"),
    "name": ("название", "name"),
    "number": ("номер", "number"),
    "ogrn": ("ОГРН", "OGRN"),
    "outcome": ("чем кончилось", "outcome"),
    "payer": ("плательщик", "payer"),
    "period": ("период", "period"),
    "price_basis": ("НДС в цене", "VAT in the price"),
    "query": ("отбор", "filter"),
    "reason": ("причина", "reason"),
    "revision": ("редакция", "revision"),
    "rights": ("права", "rights"),
    "role": ("роль", "role"),
    "segment": ("сегмент", "segment"),
    "seller": ("юрлицо", "seller"),
    "series": ("нумерация", "numbering"),
    "shared": ("видно всем", "shared"),
    "signer": ("кто подписывает", "who signs"),
    "source": ("источник", "source"),
    "split": ("как делятся счета", "how invoices are split"),
    "state": ("состояние", "state"),
    "status": ("состояние", "state"),
    "subscription": ("подписка", "subscription"),
    "time": ("время", "time"),
    "topics": ("события", "events told"),
    "total_minor": ("итого, в мелких единицах", "total, in minor units"),
    "url": ("адрес", "address"),
    "value": ("значение", "value"),
    "vat": ("НДС", "VAT"),
    "vat_rounding": ("НДС округляется", "VAT is rounded"),
    "version": ("версия", "version"),
    "waits_for": ("ждёт", "waits for"),
    "zone": ("часовой пояс", "time zone"),
}


def field_text(name: str, lang: str) -> str:
    """Say what a field of a row is called; one without words is said by its code."""
    return say(FIELDS, name, lang) if name in FIELDS else name


def value_text(value: object, lang: str) -> str:
    """Say a value: nothing as a dash, a yes or no as such, a list by commas."""
    match value:
        case None | "" | []:
            return "—"
        case bool():
            return say(_YES_NO, str(value), lang)
        case list():
            return ", ".join(value_text(one, lang) for one in value)
        case dict() if value and all(map(_is_sum, value.items())):
            return ", ".join(money_text(minor, code, lang) for code, minor in value.items())
        case dict() if value:
            return "; ".join(
                f"{field_text(str(name), lang)}: {value_text(one, lang)}"
                for name, one in value.items()
            )
    return str(value) if value != {} else "—"


def _is_sum(one: tuple[object, object]) -> bool:
    """Whether it is minor units under a currency, as limits are kept."""
    name, value = one
    try:
        exponent(str(name))
    except UnknownCurrency:
        return False
    return type(value) is int


_YES_NO: Words = {"True": ("да", "yes"), "False": ("нет", "no")}
