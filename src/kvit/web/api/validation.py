"""Faults of a request's fields, named in two languages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse

from kvit.core.wording import Words, say
from kvit.web.api import problems

WORDS: Words = {
    "missing": ("поле обязательно", "the field is required"),
    "extra_forbidden": ("такого поля нет", "there is no such field"),
    "string_type": ("нужна строка", "a string is wanted"),
    "int_type": ("нужно целое число", "a whole number is wanted"),
    "bool_type": ("нужно true или false", "true or false is wanted"),
    "list_type": ("нужен список", "a list is wanted"),
    "dict_type": ("нужен объект", "an object is wanted"),
    "uuid_parsing": ("нужен UUID", "a UUID is wanted"),
    "date": ("нужна дата вида 2026-11-28", "a date like 2026-11-28 is wanted"),
    "moment": (
        "нужно время с поясом вида 2026-11-28T12:00:00Z",
        "a time with its zone like 2026-11-28T12:00:00Z is wanted",
    ),
    "moment_range": ("нужен год с 1970 по 2199", "a year from 1970 to 2199 is wanted"),
    "number": (
        'нужно десятичное число строкой, например "1234.56"',
        'a decimal number as a string is wanted, such as "1234.56"',
    ),
    "string_too_short": ("знаков не меньше {min_length}", "at least {min_length} characters"),
    "string_too_long": ("знаков не больше {max_length}", "at most {max_length} characters"),
    "too_short": ("элементов не меньше {min_length}", "at least {min_length} items"),
    "too_long": ("элементов не больше {max_length}", "at most {max_length} items"),
    "greater_than_equal": ("не меньше {ge}", "at least {ge}"),
    "greater_than": ("больше {gt}", "more than {gt}"),
    "less_than_equal": ("не больше {le}", "at most {le}"),
    "less_than": ("меньше {lt}", "less than {lt}"),
    "literal_error": ("одно из: {expected}", "one of: {expected}"),
    "string_pattern_mismatch": (
        "не подходит под образец {pattern}",
        "does not match the pattern {pattern}",
    ),
    "nul": ("в тексте нулевой байт", "a text holds a NUL"),
    "other": ("значение не подходит ({message})", "the value does not fit ({message})"),
}
# Pydantic's names of faults, where several mean the same to whoever reads them.
SAME = {
    "int_parsing": "int_type",
    "int_from_float": "int_type",
    "int_parsing_size": "int_type",
    "bool_parsing": "bool_type",
    "uuid_type": "uuid_parsing",
    "uuid_version": "uuid_parsing",
    "enum": "literal_error",
    "string_unicode": "nul",
    "model_type": "dict_type",
    "model_attributes_type": "dict_type",
    "tuple_type": "list_type",
    "date_from_datetime_inexact": "date",
    "date_from_datetime_parsing": "date",
    "date_type": "date",
    "date_parsing": "date",
    "datetime_parsing": "moment",
    "datetime_from_date_parsing": "moment",
    "datetime_type": "moment",
    "timezone_aware": "moment",
    "decimal_parsing": "number",
    "decimal_type": "number",
}


def refused(request: HttpRequest, errors: Sequence[Mapping[str, Any]]) -> HttpResponse:
    """Return 422 that names every field and what is wrong with it."""
    lang = problems.language(request)
    told = list(_faults(errors, lang))
    first = f"{told[0]['field']}: {told[0]['detail']}" if told else ""
    return problems.problem(
        request,
        status=422,
        code="invalid",
        detail=say(problems.WORDS, "invalid", lang, first=first),
        field=told[0]["field"] if told else "",
        errors=told,
    )


def _faults(errors: Sequence[Mapping[str, Any]], lang: str) -> Iterator[dict[str, str]]:
    for error in errors:
        kind = str(error["type"])
        code = SAME.get(kind, kind)
        params = {name: str(value) for name, value in error.get("ctx", {}).items()}
        if code in ("too_short", "too_long") and params.get("field_type") == "Value":
            code = f"string_{code}"  # a text that is read before it is measured
        if "expected" in params:  # Pydantic's list of what there is
            params["expected"] = params["expected"].replace(" or ", ", ")
        if code not in WORDS:
            code, params = "other", {"message": str(error["msg"])}
        yield {
            "field": _path(error["loc"]),
            "code": code,
            "detail": say(WORDS, code, lang, **params),
        }


def _path(place: Sequence[Any]) -> str:
    """`("body", "data", "tiers", 2, "up_to")` → "tiers[2].up_to"."""
    inner = [part for part in place[1:] if part not in ("data", "body", "query")] or place[1:]
    text = ""
    for part in inner:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or str(place[0])
