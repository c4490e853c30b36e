"""What parsers say, in the reader's language, with line and column."""

import csv
import json
import tomllib

import pytest

from kvit.core.foreign_words import in_russian
from kvit.core.quote.documents import BadLine, read_line
from kvit.core.wording import say

WORDS = {"bad": ("Не читается: {detail:foreign}.", "Cannot be read: {detail:foreign}.")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": }', "ожидается значение: строка 1, знак 7"),
        ("{\na: 1}", "ожидается имя поля в двойных кавычках: строка 2, знак 1"),
        ('{"a": 1 "b": 2}', "ожидается запятая: строка 1, знак 9"),
        ("{} {}", "лишний текст после конца: строка 1, знак 4"),
    ],
)
def test_json_is_told_by_line_and_column(text: str, said: str) -> None:
    with pytest.raises(json.JSONDecodeError) as error:
        json.loads(text)
    assert in_russian(str(error.value)) == said
    assert say(WORDS, "bad", "ru", detail=str(error.value)) == f"Не читается: {said}."
    assert "line" in say(WORDS, "bad", "en", detail=str(error.value))


@pytest.mark.parametrize(
    "text",
    ["a = b", "a", "= 1", "[x", "[[x]", "a = [1", 'a = "x', "a=1 b=2", "a=1\na=2", "[a]\n[a]",
     "a = {x=1", "a = {x=1, x=2}", 'a = "\\q"', "a = 'x", "a = \"\x01\""],
)  # fmt: skip
def test_toml_is_told_in_russian(text: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as error:
        tomllib.loads(text)
    assert "«" not in in_russian(str(error.value)).replace("«=»", "")


@pytest.mark.parametrize("text", ['"a', '"a" b,c'])
def test_csv_is_told_in_russian(text: str) -> None:
    with pytest.raises(csv.Error) as error:
        list(csv.reader([text], strict=True))
    assert "«" not in in_russian(str(error.value))


def test_what_is_not_known_is_quoted() -> None:
    assert in_russian("Snappy: corrupt input") == "«Snappy: corrupt input»"


def test_a_line_of_a_quote_says_where_it_breaks() -> None:
    with pytest.raises(BadLine) as error:
        read_line(b'{"id": "1", "price": }')
    assert error.value.message("ru") == (
        "Строка не читается как JSON: ожидается значение: строка 1, знак 22. Проверьте кавычки,"
        " запятые и кодировку UTF-8."
    )
