"""What every call of the Python client needs; `generate.py` puts it before the generated types."""

# --- runtime
from __future__ import annotations

import gzip
import hashlib
import hmac
import http.client
import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict  # noqa: F401 - the types use them
from urllib.parse import quote, urlencode, urlsplit

TRIES = 4
AGAIN = frozenset({429, 502, 503, 504})
PACK_FROM = 10_000  # bytes


class KvitError(Exception):
    """The API refused. `code` is stable; `field` says where, `remedy` what to do."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code", ""))
        self.field = problem.get("field")
        self.remedy = problem.get("remedy")


class Caller:
    """Calls the API with a key; signs where a signing secret is given.

    A write carries an idempotency key, yours (`once`) or a new one, so it is safely sent again when
    no answer came.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        signing_secret: str = "",
        lang: str = "en",
        timeout_s: float = 60.0,
    ) -> None:
        parts = urlsplit(url)
        self._is_safe, self._host = parts.scheme == "https", parts.netloc
        self._key, self._secret, self._lang = key, signing_secret, lang
        self._timeout_s = timeout_s
        self.etag = ""  # of the last answer

    def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        once: str | None = None,
        if_match: str | None = None,
        binary: bool = False,
    ) -> Any:
        """Send a request; what could not be answered is sent again, a write under the same key."""
        asked = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        where = f"{path}?{urlencode(asked)}" if asked else path
        data = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Authorization": f"Bearer {self._key}", "Accept-Language": self._lang}
        if data:
            headers["Content-Type"] = "application/json"
        if len(data) > PACK_FROM and path.endswith("/events"):
            data, headers["Content-Encoding"] = gzip.compress(data), "gzip"
        if method != "GET":
            headers["Idempotency-Key"] = once or str(uuid.uuid4())
        if if_match:
            headers["If-Match"] = if_match
        for left in range(TRIES - 1, -1, -1):
            try:
                status, answer, told = self._send(method, where, data, headers)
            except OSError:
                if not left:
                    raise
                time.sleep(2.0 ** (TRIES - left - 2))
                continue
            if status in AGAIN and left:
                time.sleep(float(told.get("Retry-After") or 2.0 ** (TRIES - left - 2)))
                continue
            break
        if status >= 400:
            raise KvitError(status, _problem(answer))
        self.etag = told.get("ETag") or ""
        return answer if binary else json.loads(answer) if answer else None

    def pages(self, method: Callable[..., Any], *given: Any, **query: Any) -> Iterator[Any]:
        """Yield every row of a list: `for one in kvit.pages(kvit.list_invoices, tab="issued")`."""
        after = None
        while True:
            page = method(*given, **query, **({"after": after} if after else {}))
            yield from page["data"]
            after = page["next"]
            if not after:
                return

    def _send(
        self, method: str, where: str, data: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes, Any]:
        kind = http.client.HTTPSConnection if self._is_safe else http.client.HTTPConnection
        line = kind(self._host, timeout=self._timeout_s)
        try:
            line.request(method, where, data, headers | self._signature(method, where, data))
            answer = line.getresponse()
            return answer.status, answer.read(), answer.headers
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            line.close()

    def _signature(self, method: str, where: str, data: bytes) -> dict[str, str]:
        if not self._secret:
            return {}
        stamp, nonce = str(int(time.time())), secrets.token_urlsafe(18)
        text = "\n".join(("v1", method, where, stamp, nonce, hashlib.sha256(data).hexdigest()))
        digest = hmac.new(self._secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return {
            "Kvit-Timestamp": stamp,
            "Kvit-Nonce": nonce,
            "Kvit-Signature": f"v1={digest}",
        }


def _part(value: object) -> str:
    return quote(str(value), safe="")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _problem(answer: bytes) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": answer[:500].decode("utf-8", "replace")}
