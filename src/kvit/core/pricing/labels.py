"""What people call the models and the fields of the catalogue, in Russian and English.

A model or a field without an entry is called by its name, so a stranger's model works untranslated;
a test asks for entries of our own.
"""

from kvit.core.wording import Words, say

MODELS: Words = {
    "flat": ("Твёрдая сумма", "Flat sum"),
    "per_unit": ("За единицу", "Per unit"),
    "graduated": ("Ступени: каждая часть по своей цене", "Graduated: each part at its own price"),
    "volume": ("Объём: всё по цене ступени", "Volume: everything at the tier's price"),
    "stairstep": ("Лестница: сумма за весь объём", "Stairstep: one sum for all units"),
    "package": ("Пакеты", "Packages"),
    "percentage": ("Процент от сумм событий", "Percentage of events' sums"),
    "graduated_percentage": ("Процент по ступеням оборота", "Percentage by tiers of turnover"),
    "blocks": ("Блоки", "Blocks"),
    "capacity": ("По наибольшей нагрузке", "By capacity"),
    "matrix": ("Матрица по измерениям", "Matrix of dimensions"),
    "dynamic": ("Суммы самих событий", "The events' own amounts"),
    "timed": ("По времени сеансов", "By time of sessions"),
    "banded": ("По часам суток", "By hours of the day"),
    "destination": ("По направлениям", "By destinations"),
    "allowance": ("Включённый объём, сверх него — цена", "Allowance, and a price above it"),
    "composed": ("Формула из других цен", "Formula over other prices"),
}
FIELDS: Words = {
    "after": ("после, с", "after, s"),
    "aggregation": ("как складываются события", "how events add up"),
    "amount": ("сумма", "amount"),
    "anchor": ("начало периода", "where periods begin"),
    "attributes": ("признаки", "attributes"),
    "bands": ("полосы", "bands"),
    "calendar": ("праздники", "holidays"),
    "cap": ("предел ступени", "cap of the tier"),
    "carry_cap": ("переносится не больше", "carried over at most"),
    "carry_periods": ("переносится на периодов", "carried over for periods"),
    "code": ("код", "code"),
    "commitment": ("обязательство за период", "commitment per period"),
    "connect_fee": ("за соединение", "connection fee"),
    "continues": ("ступени продолжаются после смены цены", "tiers go on after a change of price"),
    "counts_quantity": ("умножается на количество подписки", "multiplied by the quantity"),
    "cycle": ("период", "cycle"),
    "cycles": ("сколько периодов", "how many cycles"),
    "days": ("дни", "days"),
    "default": ("цена для остальных", "price for the rest"),
    "dimensions": ("измерения", "dimensions"),
    "discount_percent": ("скидка, %", "discount, %"),
    "ends": ("с этого дня цены больше нет", "the price ends on that day"),
    "event_max": ("не больше за событие", "at most an event"),
    "event_min": ("не меньше за событие", "at least an event"),
    "examples": ("примеры, которые должны выполняться", "examples that must hold"),
    "expression": ("формула", "expression"),
    "filters": ("только события, у которых", "only events that have"),
    "fixed": ("твёрдая часть", "fixed part"),
    "flat": ("плата за вход в ступень", "flat part of the tier"),
    "flat_at_zero": ("плата первой ступени и при нуле", "the first tier's flat part at zero too"),
    "free_amount": ("без платы на сумму", "free up to the sum"),
    "free_events": ("без платы событий", "free events"),
    "free_seconds": ("без платы, с", "free, s"),
    "free_units": ("без платы единиц", "free units"),
    "from": ("с", "from"),
    "from_units": ("начиная с объёма", "from units"),
    "group_by": ("отдельная строка счёта по", "a line of its own by"),
    "included": ("включено", "included"),
    "includes": ("включает тарифы", "includes plans"),
    "increments": ("шаг тарификации", "increments"),
    "limits": ("пределы показателей", "limits of meters"),
    "match": ("значения измерений", "values of dimensions"),
    "max_blocks": ("не больше блоков", "blocks at most"),
    "max_cost": ("не больше за сеанс", "at most a session"),
    "maximum": ("не больше за период", "maximum"),
    "meter": ("счётчик", "meter"),
    "minimum": ("не меньше за период", "minimum"),
    "mode": ("как считать блоки", "how blocks count"),
    "model": ("модель цены", "pricing model"),
    "name": ("название", "name"),
    "order": ("очередь", "order"),
    "parts": ("цены, из которых состоит", "parts"),
    "per": ("за сколько секунд", "per seconds"),
    "percent": ("процент", "percent"),
    "phase": ("этап", "phase"),
    "phases": ("этапы", "phases"),
    "plan": ("тариф", "plan"),
    "pool": ("общий у подписок плательщика", "shared by a payer's subscriptions"),
    "precision": ("знаков после запятой", "decimals"),
    "precision_rounding": ("округление сеанса", "rounding of a session"),
    "prefixes": ("префиксы", "prefixes"),
    "price": ("цена", "price"),
    "price_basis": ("НДС в цене", "VAT in the price"),
    "prices": ("цены", "prices"),
    "prorate": ("неполный период", "part of a period"),
    "rate": ("ставка", "rate"),
    "rates": ("направления", "rates"),
    "scheme": ("порядок оплаты", "billing scheme"),
    "scope": ("на что", "what it covers"),
    "seller": ("продавец", "seller"),
    "service": ("услуга в документах", "service on documents"),
    "size": ("единиц в пакете", "units in a package"),
    "step": ("шаг, с", "step, s"),
    "steps": ("шаги времени", "time steps"),
    "tables": ("таблицы", "tables"),
    "threshold": ("счёт сразу при сумме", "billed at once from"),
    "tiers": ("ступени", "tiers"),
    "to": ("до", "to"),
    "trial_days": ("дней пробно", "trial days"),
    "unit": ("цена за единицу", "price of a unit"),
    "up_to": ("до, включительно", "up to, inclusive"),
    "when": ("когда начисляется", "when it is charged"),
}
# The same word is another thing in another place.
PLACES: Words = {
    "StatedMeter.unit": (
        "единица, формы через запятую: вызов, вызова, вызовов",
        "unit; its two forms by a comma: call, calls",
    ),
    "StatedMeter.expression": ("формула для события", "expression of an event"),
    "Percentage.rate": ("процент от суммы", "percent of the sum"),
    "PercentTier.rate": ("процент от суммы", "percent of the sum"),
    "Flat.amount": ("сумма за период", "sum of a period"),
    "Package.amount": ("цена пакета", "price of a package"),
    "Block.size": ("единиц в блоке", "units in a block"),
    "Block.unit": ("цена блока", "price of a block"),
    "StatedDiscount.fixed": ("твёрдая сумма", "fixed sum"),
}  # fmt: skip
CHOICES: Words = {
    "sum": ("сумма", "sum"),
    "count": ("число событий", "number of events"),
    "max": ("наибольшее", "maximum"),
    "unique": ("число разных", "unique values"),
    "latest": ("последнее", "latest"),
    "time_weighted": ("среднее по времени", "average over time"),
    "difference": ("разность показаний", "difference of readings"),
    "expression": ("по формуле", "by an expression"),
    "calendar": ("по календарю", "by the calendar"),
    "anniversary": ("со дня подключения", "from the day it began"),
    "postpaid": ("после услуги", "after the service"),
    "prepaid": ("вперёд", "in advance"),
    "advance_balance": ("аванс и остаток", "advance and balance"),
    "milestone": ("по этапам работ", "by milestones"),
    "hybrid": ("плата вперёд, расход после", "fees before, usage after"),
    "arrears": ("по окончании периода", "when the period ends"),
    "advance": ("в начале периода", "when the period begins"),
    "once": ("один раз", "once"),
    "": ("как у продавца", "as the seller has it"),
    "net": ("сверху", "on top"),
    "gross": ("внутри", "inside"),
    "days": ("по дням", "by days"),
    "days_inclusive": ("по дням, оба крайних", "by days, both ends"),
    "seconds": ("по секундам", "by seconds"),
    "fixed_30": ("месяц из 30 дней", "a month of 30 days"),
    "none": ("не делится", "not divided"),
    "all": ("каждая ступень своими блоками", "every tier its own blocks"),
    "top": ("всё блоками достигнутой ступени", "all in blocks of the tier reached"),
    "half-up": ("половина вверх", "half up"),
    "half-even": ("половина к чётному", "half to even"),
    "up": ("вверх", "up"),
    "down": ("вниз", "down"),
    "day": ("день", "day"),
    "week": ("неделя", "week"),
    "month": ("месяц", "month"),
    "quarter": ("квартал", "quarter"),
    "half-year": ("полгода", "half a year"),
    "year": ("год", "year"),
}


def model_label(name: str, lang: str) -> str:
    """Say what a model is called."""
    return say(MODELS, name, lang) if name in MODELS else name


def field_label(row: type, name: str, lang: str) -> str:
    """Say what a field is called where it stands."""
    place = f"{row.__name__}.{name}"
    if place in PLACES:
        return say(PLACES, place, lang)
    return say(FIELDS, name, lang) if name in FIELDS else name


def choice_label(word: str, lang: str) -> str:
    """Say what a word that may be chosen means."""
    return say(CHOICES, word, lang) if word in CHOICES else word
