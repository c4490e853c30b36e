"""The chart of accounts that a Russian seller starts with.

Second-order accounts (62.01, 76.АВ …) are not in the law but in every accountant's habit; the codes
are those that 1С uses.

Source: приказ Минфина России от 31.10.2000 № 94н (план счетов бухгалтерского учёта).
"""

from typing import NamedTuple

from kvit.core.bookkeeping import Role


class AccountIn(NamedTuple):
    """An account of a chart: `kind` says on which side its balance normally stands."""

    code: str
    name: str
    kind: str  # of models.Account.Kind
    role: Role | None


RUSSIAN_CHART = (
    AccountIn("51", "Расчётные счета", "asset", "bank"),
    AccountIn("62.01", "Расчёты с покупателями и заказчиками", "asset", "receivable"),
    AccountIn("62.02", "Расчёты по авансам полученным", "liability", "advance"),
    AccountIn("68.02", "Налог на добавленную стоимость", "liability", "vat_out"),
    AccountIn("76.АВ", "НДС по авансам и предоплатам", "asset", "advance_vat"),
    AccountIn("90.01", "Выручка", "income", "revenue"),
    AccountIn("90.03", "Налог на добавленную стоимость с выручки", "expense", "vat_on_revenue"),
    AccountIn("91.01", "Прочие доходы", "income", "other_income"),
    AccountIn("91.02", "Прочие расходы", "expense", "other_expense"),
    AccountIn("98.01", "Доходы, полученные в счёт будущих периодов", "liability", "deferred"),
)
