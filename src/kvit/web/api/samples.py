"""An example of what a schema describes, made of the examples and defaults of its fields."""

from collections.abc import Mapping
from typing import Any

_TEXTS = {
    "uuid": "0192f0c1-2b3a-7c4d-8e5f-60718293a4b5",
    "date": "2026-11-01",
    "date-time": "2026-11-01T09:00:00Z",
}


def sample(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Return a document that fits the schema; `schemas` are the components it refers to."""
    if "$ref" in schema:
        return sample(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    for key in ("example", "const"):
        if key in schema:
            return schema[key]
    if schema.get("examples"):
        return schema["examples"][0]
    if "default" in schema and schema["default"] not in (None, "", [], {}):
        return schema["default"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return sample(schema[key][0], schemas)
    return _by_type(schema, schemas)


def _by_type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "object":
        required = set(schema.get("required", ()))
        return {
            name: sample(inner, schemas)
            for name, inner in schema.get("properties", {}).items()
            if name in required or inner.get("examples")
        }
    if kind == "array":
        return [sample(schema["items"], schemas)] if "items" in schema else []
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    return _TEXTS.get(schema.get("format", ""), "main")
