"""The description of the API: whole, valid, with examples, readable."""

import re
from importlib import import_module
from typing import Any

import pytest
from django.test import Client
from jsonschema_rs import Draft202012Validator  # comes with schemathesis

from kvit.web import routes
from kvit.web.api import MODULES, openapi, urls
from kvit.web.api.core import LONGEST_ID
from kvit.web.api.schemas import Schema
from kvit.web.api.summaries import RUSSIAN


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document(urls.api)


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {place}", operation)
        for place, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_declares_its_right_and_has_an_id_of_its_own() -> None:
    found = urls.operations()
    views = [
        op
        for bound in urls.api._get_bound_routers()
        for view in bound.path_operations.values()
        for op in view.operations
    ]
    assert len(found) == len(views) > 10
    assert [name for name in found if not re.fullmatch(r"[a-z_]+", name)] == []
    assert max(map(len, found)) <= LONGEST_ID
    assert [name for name, route in found.items() if route.kind != "api"] == []


def test_every_right_of_an_operation_is_one_that_a_role_can_have(db: None) -> None:
    from kvit.parties.models import RoleRight

    known = set(RoleRight.objects.values_list("right", flat=True)) | routes.SPECIAL_RIGHTS
    asked = {route.right for route in urls.operations().values()}
    assert asked - known == set()


def test_every_body_has_an_example_that_fits_it(document: dict[str, Any]) -> None:
    unfit = []
    for name, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            example = openapi.example_of(content)
            whole = {**content["schema"], "components": document["components"]}
            faults = [e.message for e in Draft202012Validator(whole).iter_errors(example)]
            if example in (None, {}) and not faults:
                continue
            unfit += [f"{name}: {fault}" for fault in faults]
    assert unfit == []


def test_every_operation_says_what_it_does_and_tells_its_errors(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation.get("summary"), name
        assert operation["tags"][0] in MODULES, name
        refused = {code for code in operation["responses"] if code[0] in "45"}
        assert {"400", "422", "500"} <= refused, name
        if operation["x-right"] != "public":
            assert {"401", "403", "429"} <= refused, name
            assert operation["security"] == [{"key": []}, {"session": []}], name


def test_a_body_accepts_no_field_that_it_does_not_know(document: dict[str, Any]) -> None:
    """Mass assignment: what is not declared is refused, not ignored."""
    schemas = document["components"]["schemas"]
    open_ones = []
    for name, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        reference = content.get("schema", {}).get("$ref")
        if reference:
            schema = schemas[reference.rsplit("/", 1)[-1]]
            if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
                open_ones.append(name)
    assert open_ones == []


def test_every_operation_is_said_in_russian_too() -> None:
    assert set(RUSSIAN) ^ set(urls.operations()) == set()


@pytest.mark.parametrize("lang", ["ru", "en"])
def test_the_page_names_every_operation(db: None, document: dict[str, Any], lang: str) -> None:
    answer = Client().get("/api/v1/docs", headers={"Accept-Language": lang})
    assert answer.status_code == 200
    page = answer.content.decode()
    lost = [
        o["operationId"] for _, o in operations(document) if f'id="{o["operationId"]}"' not in page
    ]
    assert lost == []
    assert ("Ключи API" in page, "API keys" in page) == (lang == "ru", lang == "en")
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", page) == []
    assert [one for one in ("<script>", " style=", "<style") if one in page] == []


def test_the_description_is_served_as_it_is_made(db: None, document: dict[str, Any]) -> None:
    answer = Client().get("/api/v1/openapi.json")
    assert (answer.status_code, answer.json()["openapi"]) == (200, "3.1.0")
    assert list(answer.json()["paths"]) == list(document["paths"])


def test_no_two_schemas_share_a_name() -> None:
    """Of two the description would keep one, and a client would read the other by it."""
    homes: dict[str, set[str]] = {}
    for name in MODULES:
        module = import_module(f"kvit.web.api.{name}")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Schema) and "[" not in kind.__name__:
                homes.setdefault(kind.__name__, set()).add(kind.__module__)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}
