"""What a request's body and address may be at most, before anything looks into them."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpRequest
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.types import DictStrAny

from kvit.web.api.problems import ApiRefused

LIMIT = 2**20
DEPTH = 32
_JSON = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")


class StrictParser(Parser):
    """Reads JSON by orjson, which refuses NaN and broken Unicode; then counts its depth."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        """Return the body's document.

        Raises:
            ApiRefused: it is no JSON, nested too deep, or holds a text that cannot be stored.
        """
        return read_json(request.body)


class OrjsonRenderer(BaseRenderer):
    """Writes JSON by orjson."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        """Return the body of an answer."""
        return dumps(data)


def dumps(data: Any) -> bytes:
    """Return the document as an answer has it."""
    return orjson.dumps(data, option=orjson.OPT_UTC_Z)


def read_json(body: bytes) -> Any:
    """Return a document.

    Raises:
        ApiRefused: see `StrictParser.parse_body`.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ApiRefused("bad_request", status=400) from None
    _check_depth(document)
    if b"\\u0000" in body:
        raise ApiRefused("text_unstorable", status=422)
    return document


def check(request: HttpRequest, path: Mapping[str, Any], *, limit: int) -> None:
    """Refuse what is too large, of another kind, or could not be stored.

    Raises:
        ApiRefused: see above.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > limit:
        raise ApiRefused("body_too_large", status=413, limit=limit)
    if int(length if length.isdigit() else 0):
        kind = request.content_type or ""
        if kind not in _JSON:
            raise ApiRefused("media_type_unsupported", status=415, given=kind or "—")
    texts = [*path.values(), *request.GET.keys(), *(v for _, vs in request.GET.lists() for v in vs)]
    if any(not _is_storable(str(text)) for text in texts):
        raise ApiRefused("text_unstorable", status=422)


def _is_storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise ApiRefused("body_too_deep", status=400, limit=DEPTH)
