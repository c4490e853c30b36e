"""The API's description: what ninja knows of the operations, and what holds for all of them."""

from typing import Any

from ninja import NinjaAPI

from kvit.web import routes
from kvit.web.api.problems import MEDIA_TYPE, TITLES
from kvit.web.api.schemas import Refusal

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
    refusal = Refusal.model_json_schema(ref_template="#/components/schemas/{model}")
    made["components"]["schemas"] |= refusal.pop("$defs") | {"Refusal": refusal}
    for place, methods in made["paths"].items():
        for method, operation in methods.items():
            _complete(place, method, operation)
    return made


def _complete(place: str, method: str, operation: dict[str, Any]) -> None:
    """Add what holds for all: who may call, the errors, and the headers of writes."""
    if operation.get("x-right") == routes.PUBLIC:
        operation["security"] = []
        statuses = [400, 413, 415, 422, 500]
    else:
        operation["security"] = [{"key": []}, {"session": []}]
        statuses = [400, 401, 403, 413, 415, 422, 429, 500]
    parameters = operation.setdefault("parameters", [])
    if method != "get" and operation.get("x-right") != routes.PUBLIC:
        parameters.append(ONCE)
        statuses.append(409)
    if method in ("put", "patch", "delete"):
        parameters.append(MATCH)
        statuses.append(412)
    if "{" in place:
        statuses.append(404)
    for status in sorted(statuses):
        operation["responses"].setdefault(
            status,
            {
                "description": TITLES[status][1],
                "content": {MEDIA_TYPE: {"schema": {"$ref": REFUSED}}},
            },
        )
    operation["responses"] = {str(k): v for k, v in operation["responses"].items()}
