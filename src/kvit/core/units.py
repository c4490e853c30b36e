"""Units of measure after a number: «1 вызов», «2 вызова», «320 000 вызовов», «1,5 ГБ».

A unit is what a meter calls it. Its forms may be written out, «вызов, вызова, вызовов» (or two,
"call, calls"); usual Russian words are known without that. An abbreviation, and what nobody knows,
stays as it is. The language of the forms is the unit's own, whatever the reader's is.
"""

from fractions import Fraction

from kvit.core.numerals import plural_en, plural_ru

RUSSIAN, ENGLISH = 3, 2  # how many forms a noun has after a number
_WORDS = """
вызов вызова вызовов; запрос запроса запросов; событие события событий; штука штуки штук
единица единицы единиц; место места мест; пользователь пользователя пользователей
сотрудник сотрудника сотрудников; абонент абонента абонентов; клиент клиента клиентов
секунда секунды секунд; минута минуты минут; час часа часов; день дня дней; неделя недели недель
месяц месяца месяцев; год года лет; звонок звонка звонков; сообщение сообщения сообщений
письмо письма писем; документ документа документов; страница страницы страниц
файл файла файлов; заказ заказа заказов; платёж платежа платежей; операция операции операций
поездка поездки поездок; устройство устройства устройств; точка точки точек; узел узла узлов
сервер сервера серверов; лицензия лицензии лицензий; токен токена токенов; проект проекта проектов
байт байта байт; мегабайт мегабайта мегабайт; гигабайт гигабайта гигабайт
литр литра литров; метр метра метров; километр километра километров; тонна тонны тонн
килограмм килограмма килограммов; кубометр кубометра кубометров; киловатт киловатта киловатт
паллета паллеты паллет; контейнер контейнера контейнеров; посылка посылки посылок
рейс рейса рейсов; анализ анализа анализов; приём приёма приёмов; человек человека человек
"""
_FORMS = {
    forms[0]: forms for line in _WORDS.replace("\n", ";").split(";") if (forms := line.split())
}
_LIVING = frozenset({"пользователь", "сотрудник", "абонент", "клиент", "человек"})


def forms_of(unit: str) -> tuple[str, ...]:
    """Return a unit's forms: three of a Russian noun, two of an English one, else itself."""
    said = tuple(" ".join(part.split()) for part in unit.split(","))
    if len(said) in (RUSSIAN, ENGLISH) and all(said):
        return said
    return tuple(_FORMS.get(unit.casefold(), (unit,)))


def unit_name(unit: str) -> str:
    """Return what one is called, as a column of units has it: «вызов»."""
    return forms_of(unit)[0]


def unit_after(number: Fraction | int, unit: str) -> str:
    """Return the unit as it stands after a number: «2 вызова», «1,5 вызова», «5 вызовов»."""
    forms = forms_of(unit)
    if len(forms) == 1:
        return forms[0]
    return forms[(plural_ru if len(forms) == RUSSIAN else plural_en)(Fraction(number))]


def per_unit(unit: str) -> str:
    """Return the unit as it stands after «за»: «за минуту», «за вызов», «за пользователя»."""
    forms = forms_of(unit)
    if len(forms) != RUSSIAN:
        return forms[0]
    if forms[0] in _LIVING:
        return forms[1]
    ends = {"а": "у", "я": "ю"}
    return forms[0][:-1] + ends.get(forms[0][-1], forms[0][-1])


def of_units(number: Fraction | int, unit: str) -> str:
    """Return the unit after «за» and a number: «за 21 минуту», «за 1 000 вызовов»."""
    said = unit_after(number, unit)
    return per_unit(unit) if said == unit_name(unit) else said
