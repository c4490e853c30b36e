"""What parsers of Python say of a broken text, in Russian: JSON, CSV, TOML, Parquet, files.

    in_russian("Expecting value: line 1 column 5 (char 4)")   → «ожидается значение: строка 1, …»

Their sentences are few and stand in their sources; one that is not known here is quoted, so that
nobody takes it for a part of ours. A text is told as it is found, in the reader's language later.
"""

import re
from typing import Final

_PLACE: Final = re.compile(r":? ?\(?(?:at )?line (\d+),? column (\d+)\)?(?: \(char \d+\))?")
_RUSSIAN: Final = {
    # json
    "Expecting value": "ожидается значение",
    "Expecting property name enclosed in double quotes": "ожидается имя поля в двойных кавычках",
    "Expecting ':' delimiter": "ожидается двоеточие",
    "Expecting ',' delimiter": "ожидается запятая",
    "Illegal trailing comma before end of object": "лишняя запятая перед концом объекта",
    "Illegal trailing comma before end of array": "лишняя запятая перед концом списка",
    "Extra data": "лишний текст после конца",
    "Unterminated string starting at": "текст не закрыт кавычкой, начало",
    "Invalid control character at": "знак, которого в тексте быть не может",
    "Invalid \\escape": "неизвестный знак после обратной косой черты",
    "Invalid \\uXXXX escape": "после \\u нужны четыре шестнадцатеричных знака",
    "a key stands twice": "поле названо дважды",
    # csv
    "unexpected end of data": "файл кончился внутри кавычек",
    "line contains NUL": "в строке нулевой знак",
    "new-line character seen in unquoted field": "перевод строки вне кавычек",
    "'\"' expected after '\"'": "после закрывающей кавычки ожидается разделитель",
    "',' expected after '\"'": "после закрывающей кавычки ожидается запятая",
    "';' expected after '\"'": "после закрывающей кавычки ожидается точка с запятой",
    # tomllib
    "Invalid value": "это не значение: текст пишут в кавычках",
    "Invalid statement": "строка не читается: нужно имя = значение",
    "Invalid initial character for a key part": "имя начинается не с буквы, цифры или кавычки",
    "Expected '=' after a key in a key/value pair": "после имени ожидается «=»",
    "Expected newline or end of document after a statement": "ожидается конец строки",
    "Expected ']' at the end of a table declaration": "название раздела не закрыто скобкой ]",
    "Expected ']]' at the end of an array declaration": "название списка не закрыто скобками ]]",
    "Unclosed array": "список не закрыт скобкой ]",
    "Unclosed inline table": "таблица не закрыта скобкой }",
    "Unterminated string": "текст не закрыт кавычкой",
    "Expected '\"'": "текст не закрыт кавычкой",
    'Expected "\'"': "текст не закрыт кавычкой",
    "Cannot overwrite a value": "имя названо дважды",
    "Cannot declare": "раздел назван дважды",
    "Duplicate inline table key": "имя названо дважды",
    "Illegal character": "знак, которого здесь быть не может",
    "Invalid date or datetime": "такой даты нет",
    "Unescaped '\\' in a string": "неизвестный знак после обратной косой черты",
    "nesting": "слишком глубоко вложено",
    "maximum recursion depth exceeded": "слишком глубоко вложено",
    # Parquet
    "Parquet magic bytes not found in footer": "это не файл Parquet, или он обрезан",
    "Parquet file size is": "файл слишком мал для Parquet",
    # files
    "Permission denied": "нет доступа",
    "No such file or directory": "файла нет",
    "Is a directory": "это папка",
    "Input/output error": "ошибка чтения диска",
    "Too many levels of symbolic links": "ссылка ведёт сама на себя",
}


def in_russian(said: str) -> str:
    """Say in Russian what a parser said; what is not known is quoted as it is."""
    place = _PLACE.search(said)
    what = said[: place.start()] if place else said
    known = max((one for one in _RUSSIAN if what.startswith(one)), key=len, default="")
    if not known:
        return f"«{said}»"
    more = re.search(r"\(\d+–\d+\)$", what)  # the lines that a record of a CSV takes
    where = f": строка {place[1]}, знак {place[2]}" if place else ""
    return _RUSSIAN[known] + (f" {more[0]}" if more else "") + where
