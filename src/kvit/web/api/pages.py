"""The description for machines and, made of it, the page for people."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from ninja import NinjaAPI

from kvit.core.wording import say
from kvit.web import routes
from kvit.web.api import MODULES, bodies, openapi, problems, validation
from kvit.web.api.summaries import RUSSIAN

READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Shown:
    """A field or a parameter: its path, type, whether it must be, what it means."""

    name: str
    kind: str
    required: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as the page has it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    right: str
    status: str
    parameters: list[Shown]
    body: list[Shown]
    answer: list[Shown]
    curl: str


@dataclass(frozen=True, slots=True)
class Area:
    """The operations of one router."""

    code: str
    title: str
    operations: list[Operation] = field(default_factory=list)


def patterns(api: NinjaAPI) -> list[URLPattern]:
    """Return the addresses of the description."""

    @cache
    def document() -> dict[str, Any]:
        return openapi.document(api)

    @cache
    def described() -> bytes:
        return bodies.dumps(document())

    @routes.declare(routes.Route("api/v1/openapi.json", "api-openapi", routes.PUBLIC, READS, "api"))
    def openapi_json(request: HttpRequest) -> HttpResponse:
        return HttpResponse(described(), content_type="application/json")

    @routes.declare(routes.Route("api/v1/docs", "api-docs", routes.PUBLIC, READS, "page"))
    def docs(request: HttpRequest) -> HttpResponse:
        lang = problems.language(request)
        words = {"areas": areas(document(), lang), "codes": codes(lang)}
        return render(request, "api/docs.html", words)

    return [
        path("openapi.json", openapi_json, name="api-openapi"),
        path("docs", docs, name="api-docs"),
    ]


def codes(lang: str) -> list[tuple[str, str]]:
    """Return the API's own error codes and what they say."""
    names = "right path method allowed limit given why seconds first incident host".split()
    blank = dict.fromkeys(names, "…")
    return [(code, say(problems.WORDS, code, lang, **blank)) for code in problems.WORDS] + [
        (code, validation.WORDS[code][("ru", "en").index(lang)]) for code in validation.WORDS
    ]


def areas(document: Mapping[str, Any], lang: str) -> list[Area]:
    """Return every operation by area, as pages show it."""
    found = {name: Area(name, _title(name, lang)) for name in MODULES}
    for place, methods in document["paths"].items():
        for method, operation in methods.items():
            shown = _operation(document, place, method, operation, lang)
            found[operation["tags"][0]].operations.append(shown)
    return list(found.values())


def _title(name: str, lang: str) -> str:
    titles = getattr(import_module(f"kvit.web.api.{name}"), "TAG", (name, name.capitalize()))
    return str(titles[("ru", "en").index(lang)])


def _operation(
    document: Mapping[str, Any], place: str, method: str, operation: Mapping[str, Any], lang: str
) -> Operation:
    schemas = document["components"]["schemas"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    status = next(code for code in operation["responses"] if code.startswith("2"))
    answer = operation["responses"][status].get("content", {}).get("application/json", {})
    name, english = operation["operationId"], operation["summary"]
    return Operation(
        id=name,
        method=method.upper(),
        path=place,
        summary=RUSSIAN.get(name, english) if lang == "ru" else english,
        description=operation.get("description", ""),
        right=operation["x-right"],
        status=status,
        parameters=[_parameter(one) for one in operation.get("parameters", ())],
        body=list(_fields(body.get("schema", {}), schemas)),
        answer=list(_fields(answer.get("schema", {}), schemas)),
        curl=_curl(place, method, openapi.example_of(body)),
    )


def _parameter(one: Mapping[str, Any]) -> Shown:
    return Shown(one["name"], _kind(one["schema"]), one["required"], one.get("description", ""))


def _fields(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], above: str = "", depth: int = 0
) -> Iterator[Shown]:
    """Yield the fields of a schema, those of inner objects under their path."""
    schema = _resolved(schema, schemas)
    if schema.get("type") == "array":
        yield from _fields(schema.get("items", {}), schemas, f"{above}[]", depth)
        return
    required = set(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        path = f"{above}.{name}" if above else name
        yield Shown(path, _kind(inner), name in required, inner.get("description", ""))
        if depth < 3:
            yield from _fields(inner, schemas, path, depth + 1)


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    for one in (schema, *schema.get("anyOf", ())):
        if "$ref" in one:
            return _resolved(schemas[one["$ref"].rsplit("/", 1)[-1]], schemas)
    return schema


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("enum"):
        return " | ".join(json.dumps(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    return str(schema.get("format") or schema.get("type") or "any")


def _curl(place: str, method: str, example: Any) -> str:
    text = 'curl -H "Authorization: Bearer $KVIT_KEY"'
    if method != "get":
        text += f" -X {method.upper()}"
    if example is not None:
        said = json.dumps(example, ensure_ascii=False)
        text += f" \\\n  -H 'Content-Type: application/json' -d '{said}'"
    return f'{text} \\\n  "$KVIT_URL{place}"'
