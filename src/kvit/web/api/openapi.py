"""The API's description: what ninja knows of the operations, and what holds for all of them."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ninja import NinjaAPI

from kvit.web import routes
from kvit.web.api import MODULES
from kvit.web.api.problems import MEDIA_TYPE, TITLES
from kvit.web.api.samples import sample
from kvit.web.api.schemas import Refusal, Schema

REFUSED = "#/components/schemas/Refusal"
SECURITY = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "kvit_<prefix>_<secret>",
        "description": "A key of the company, made in its settings or by POST /api/v1/keys.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "A person of the office; writes also send X-CSRFToken.",
    },
}
ONCE = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Yours, new for each request. A repeat is answered as the first time; another "
    "request under it is refused with 409.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "description": "The ETag of what you have read: 412 if it was changed meanwhile.",
    "schema": {"type": "string", "maxLength": 200, "pattern": "^[ -~]*$"},
}


def document(api: NinjaAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    made: dict[str, Any] = dict(api.get_openapi_schema(path_prefix="/api/v1/"))
    made["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    made["servers"] = [{"url": "/"}]
    made["components"]["securitySchemes"] = SECURITY
    made["components"]["schemas"] |= _components(Refusal)
    for name in MODULES:
        for kind in _schemas(name):
            made["components"]["schemas"] |= _components(kind)
    for methods in made["paths"].values():
        for method, operation in methods.items():
            _complete(method, operation)
            _exemplify(operation, made["components"]["schemas"])
    return made


def _schemas(name: str) -> tuple[type[Schema], ...]:
    """Return what a module describes beside the bodies that ninja reads for it."""
    return getattr(import_module(f"kvit.web.api.{name}"), "SCHEMAS", ())


def _components(kind: type[Schema]) -> dict[str, Any]:
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), kind.__name__: schema}


def example_of(content: Mapping[str, Any]) -> Any:
    """Return the first example of a body, None where there is none."""
    if "example" in content:
        return content["example"]
    return next((one["value"] for one in content.get("examples", {}).values()), None)


def _exemplify(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """Give every body an example, made of its fields' where nobody wrote a better one."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if example_of(content) is None:
            content["example"] = sample(content["schema"], schemas)


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Add what holds for all: who may call, the errors, and the headers of writes."""
    if operation.get("x-right") == routes.PUBLIC:
        operation["security"] = []
        statuses = [400, 413, 415, 422, 500]
    else:
        operation["security"] = [{"key": []}, {"session": []}]
        statuses = [400, 401, 403, 404, 413, 415, 422, 429, 500]
    parameters = operation.setdefault("parameters", [])
    if method != "get" and operation.get("x-right") != routes.PUBLIC:
        parameters.append(ONCE)
        statuses.append(409)
    if operation.pop("x-compares", False) or method in ("put", "patch", "delete"):
        parameters.append(MATCH)
        statuses.append(412)
    for status in sorted(statuses):
        operation["responses"].setdefault(
            status,
            {
                "description": TITLES[status][1],
                "content": {MEDIA_TYPE: {"schema": {"$ref": REFUSED}}},
            },
        )
    operation["responses"] = {str(k): v for k, v in operation["responses"].items()}
