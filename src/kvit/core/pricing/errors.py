"""What can be wrong with a price or a quantity, and how it is said in Russian and English.

A fault has a stable code, the path of the field and a remedy. Several things may be wrong under
one code; the part after the dot names which, and only the part before it is shown to a machine.
"""

from difflib import get_close_matches

from kvit.core.expression import ExpressionError
from kvit.core.wording import say

WORDS: dict[str, tuple[str, str]] = {
    "bad_json": (
        "Строка не читается как JSON: {detail:foreign}. Проверьте кавычки, запятые и кодировку"
        " UTF-8.",
        "The line is not JSON: {detail}. Check quotes, commas and the UTF-8 encoding.",
    ),
    "unknown_field": (
        "Поле «{name}» здесь неизвестно. Уберите его или исправьте имя; возможны: {known}.",
        "Field “{name}” is not known here. Remove or rename it; possible: {known}.",
    ),
    "unknown_field.suggestion": (
        "Поле «{name}» здесь неизвестно. Возможно, имелось в виду «{suggestion}».",
        "Field “{name}” is not known here. Did you mean “{suggestion}”?",
    ),
    "missing_field": (
        "Не хватает поля «{name}». Добавьте его.",
        "Field “{name}” is missing. Add it.",
    ),
    "not_a_number": (
        '«{value}» не число. Запишите десятичное число строкой, например "12.50".',
        'Not a number: “{value}”. Write a decimal number as a string, such as "12.50".',
    ),
    "not_a_number.event": (
        "Событие {value}: цене нужно число. Отмените его и пришлите верное под другим id.",
        "Event {value}: the price needs a number. Undo it, and send the right one under another"
        " id.",
    ),
    "not_a_number.whole": (
        "«{value}» не целое число. Запишите целое число, например 3.",
        "Not a whole number: “{value}”. Write a whole number, such as 3.",
    ),
    "float_refused": (
        'Дробное число JSON неточно. Запишите его строкой: "{value}".',
        'A fractional JSON number is not exact. Write it as a string: "{value}".',
    ),
    "out_of_range": (
        "Значение {value} вне допустимых границ: {bounds}.",
        "The value {value} is out of range: {bounds}.",
    ),
    "out_of_range.kind": (
        "Здесь нужно другое значение: {expected}.",
        "Another kind of value is needed here: {expected}.",
    ),
    "out_of_range.choice": (
        "Значение «{value}» здесь не подходит. Возможны: {known}.",
        "The value “{value}” does not fit here. Possible: {known}.",
    ),
    "out_of_range.size": (
        "Слишком много: больше {limit}. Уменьшите или разделите.",
        "Too much: more than {limit}. Reduce or split it.",
    ),
    "bad_tiers.empty": (
        "Нет ни одной ступени. Опишите хотя бы одну.",
        "There are no tiers. Describe at least one.",
    ),
    "bad_tiers.not_rising": (
        "Граница ступени {value} не больше предыдущей {previous}. Расположите по возрастанию.",
        "The bound {value} is not above the previous one {previous}. Put tiers in rising order.",
    ),
    "bad_tiers.not_open": (
        "Последняя ступень кончается на {value}: дальше цены нет. Уберите у неё up_to.",
        "The last tier ends at {value}: there is no price above. Remove its up_to.",
    ),
    "bad_tiers.open_inside": (
        "Ступень без верхней границы может быть только последней.",
        "Only the last tier may be without an upper bound.",
    ),
    "bad_tiers.overlap": (
        "Полосы {first} и {second} пересекаются. Разведите их дни или часы.",
        "Bands {first} and {second} overlap. Part their days or hours.",
    ),
    "bad_tiers.hours": (
        "Полоса должна кончаться позже, чем начинается. Ночь через полночь делят на две.",
        "A band must end after it starts. Write a night across midnight as two bands.",
    ),
    "bad_tiers.repeated": (
        "Запись повторяет более раннюю: {value}. Оставьте одну.",
        "The entry repeats an earlier one: {value}. Keep one of them.",
    ),
    "bad_period": (
        "Начало и конец не образуют периода. Конец должен быть позже начала.",
        "Start and end make no period. The end must come after the start.",
    ),
    "bad_period.date": (
        "«{value}» не дата. Запишите её как 2026-10-31.",
        "Not a date: “{value}”. Write it as 2026-10-31.",
    ),
    "bad_period.time": (
        "«{value}» не время с поясом. Запишите его как 2026-10-31T09:00:00+03:00.",
        "Not a time with a zone: “{value}”. Write it as 2026-10-31T09:00:00+03:00.",
    ),
    "bad_period.clock": (
        "«{value}» не время суток. Запишите его как 07:30, конец суток как 24:00.",
        "Not a time of day: “{value}”. Write it as 07:30, the end of the day as 24:00.",
    ),
    "bad_period.outside": (
        "Даты лежат вне периода. Поместите их внутрь.",
        "The dates lie outside the period. Put them inside it.",
    ),
    "unknown_model": (
        "Модель цены «{value}» неизвестна. Возможны: {known}.",
        "The pricing model “{value}” is not known. Possible: {known}.",
    ),
    "unknown_model.inside": (
        "Модель «{value}» не может стоять внутри «{outer}»: она считает не единицы.",
        "Model “{value}” cannot stand inside “{outer}”: it does not price units.",
    ),
    "unknown_policy": (
        "Правило «{value}» неизвестно. Возможны: {known}.",
        "The policy “{value}” is not known. Possible: {known}.",
    ),
    "unknown_currency": (
        "Валюта «{value}» неизвестна. Укажите код ISO 4217, например RUB.",
        "The currency “{value}” is not known. Give an ISO 4217 code, such as RUB.",
    ),
    "no_band": (
        "Ни одна полоса не действует в {moment}. Добавьте полосу на этот день и час.",
        "No band holds at {moment}. Add a band for this day and hour.",
    ),
    "no_price": (
        "Для этого значения цены нет: {value}. Добавьте ступень, строку или цену по умолчанию.",
        "There is no price for this value: {value}. Add a tier, an entry or a default price.",
    ),
    "bad_expression": (
        "Формула, позиция {position}: {detail}.",
        "Expression, position {position}: {detail}.",
    ),
}


class PriceError(ValueError):
    """A price or a quantity that cannot be taken as it stands.

    `code` is one of the contract's error codes, `field` a path such as `price.tiers[2].up_to`.
    """

    def __init__(self, code: str, field: str, *, reason: str = "", **params: object) -> None:
        super().__init__(code, field, reason, params)
        self.code = code
        self.field = field
        self.reason = reason
        self.params = params

    def message(self, lang: str = "ru") -> str:
        """Say what is wrong and what to do."""
        key = f"{self.code}.{self.reason}" if self.reason else self.code
        # An expression's own error is said in the language asked for.
        params = {
            name: value.message(lang) if isinstance(value, ExpressionError) else value
            for name, value in self.params.items()
        }
        return say(WORDS, key, lang, **params)

    def __str__(self) -> str:
        return f"{self.code} at {self.field}: {self.message('en')}"


def unknown_field(path: str, name: str, known: list[str]) -> PriceError:
    """Refuse a field by name, with the likeliest intended one."""
    shown = name[:60]
    close = get_close_matches(shown, known, n=1)
    field = f"{path}.{shown}" if path else shown
    if close:
        return PriceError(
            "unknown_field", field, reason="suggestion", name=shown, suggestion=close[0]
        )
    return PriceError("unknown_field", field, name=shown, known=", ".join(known) or "–")
