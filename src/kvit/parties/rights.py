"""The rights that there are, with their words: what a role is made of and what a route asks for.

Which role has which right is data (`RoleRight`, `TenantRole`); which rights exist is said here,
since a right means something only where a route declares it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kvit.core.wording import Words, say

OWNER = "owner"  # has every right, always; a company never stays without one


@dataclass(frozen=True, slots=True)
class Right:
    """A right as people see it."""

    code: str
    area: str

    def text(self, lang: str) -> str:
        """What one may do by it."""
        return say(WORDS, self.code, lang)


WORDS: Words = {
    "customers.read": ("Видеть клиентов", "See customers"),
    "customers.write": ("Заводить и менять клиентов", "Add and change customers"),
    "personal.read": ("Видеть персональные данные", "See personal data"),
    "catalogue.read": ("Видеть тарифы и цены", "See plans and prices"),
    "catalogue.write": ("Готовить тарифы и цены", "Prepare plans and prices"),
    "catalogue.publish": ("Публиковать тарифы и цены", "Publish plans and prices"),
    "subscriptions.read": ("Видеть подписки", "See subscriptions"),
    "subscriptions.write": ("Подключать и менять подписки", "Start and change subscriptions"),
    "usage.read": ("Видеть потребление", "See usage"),
    "usage.write": ("Загружать и исправлять потребление", "Load and mend usage"),
    "runs.read": ("Видеть запуски расчёта", "See bill runs"),
    "runs.start": ("Запускать расчёт", "Start bill runs"),
    "invoices.read": ("Видеть счета", "See invoices"),
    "invoices.approve": ("Утверждать и выставлять счета", "Approve and issue invoices"),
    "invoices.correct": ("Исправлять и аннулировать счета", "Correct and void invoices"),
    "books.read": ("Видеть учёт", "See the books"),
    "audit.read": ("Видеть журнал действий", "See the journal of actions"),
    "settings.read": ("Видеть настройки", "See settings"),
    "settings.write": ("Менять настройки", "Change settings"),
    "members.read": ("Видеть сотрудников и роли", "See staff and roles"),
    "members.write": ("Приглашать сотрудников, менять роли", "Invite staff, change roles"),
    "keys.write": ("Выпускать ключи API", "Make API keys"),
    "webhooks.write": ("Настраивать вебхуки", "Set up webhooks"),
}
AREAS: Words = {
    "customers": ("Клиенты", "Customers"),
    "catalogue": ("Каталог", "Catalogue"),
    "subscriptions": ("Подписки", "Subscriptions"),
    "usage": ("Потребление", "Usage"),
    "invoices": ("Счета", "Invoices"),
    "books": ("Учёт", "Books"),
    "settings": ("Настройки и доступ", "Settings and access"),
}
_AREA_OF = {
    "personal": "customers", "runs": "invoices", "audit": "settings", "members": "settings",
    "keys": "settings", "webhooks": "settings",
}  # fmt: skip
RIGHTS = {code: Right(code, _AREA_OF.get(code.split(".")[0], code.split(".")[0])) for code in WORDS}
ALL = frozenset(RIGHTS)
# About the company as a whole: a member of a branch never has them, whatever the role says.
WHOLE_COMPANY = frozenset(
    {
        "catalogue.write", "catalogue.publish", "runs.read", "runs.start", "usage.read",
        "usage.write", "books.read", "audit.read", "settings.write", "members.read",
        "members.write", "keys.write", "webhooks.write",
    }
)  # fmt: skip
# Of these, a member of a branch has their role's over the branch alone: they open what narrows
# itself to it (`web.routes.Route.reach`), and nothing else.
OF_BRANCH = frozenset({"usage.read", "runs.read", "books.read"})


def names(codes: Iterable[str], lang: str) -> str:
    """Name rights in a sentence: «„Видеть счета“, „Видеть учёт“»."""
    quotes = "„{}“" if lang == "ru" else "“{}”"
    return ", ".join(quotes.format(RIGHTS[code].text(lang)) for code in sorted(codes))
