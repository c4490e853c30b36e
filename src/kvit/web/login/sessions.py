"""Sessions in the database, of use to nobody who reads it: their content is sealed, and what opens
one, the token of the cookie, stands there as a digest alone.

A session holds the secret of an authenticator app while it is being set up.
"""

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from typing import Any, Self

from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase

from kvit.platform import sealed

PURPOSE = "session"
TOKEN_BYTES = 32
DIGEST_BYTES = 30  # of SHA-256: 40 characters, as many as the tables have room for


class SessionStore(db.SessionStore):
    """Django's store of sessions in the database. `session_key` is the digest of `token`."""

    token: str | None = None

    @classmethod
    def of_token(cls, token: str | None) -> Self:
        """Return the session that a cookie opens."""
        found = cls(_digest(token) if token else None)
        found.token = token
        return found

    def encode(self, session_dict: dict[str, Any]) -> str:
        return sealed.seal(json.dumps(session_dict), purpose=PURPOSE)

    def decode(self, session_data: str) -> dict[str, Any]:
        """Return what was sealed; what nobody can open is an empty session."""
        try:
            found: dict[str, Any] = json.loads(sealed.open_sealed(session_data, purpose=PURPOSE))
        except (sealed.Unreadable, ValueError):
            return {}
        return found

    def _get_new_session_key(self) -> str:
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        return _digest(self.token)

    async def _aget_new_session_key(self) -> str:
        return self._get_new_session_key()


class Sessions(SessionMiddleware):
    """Django's middleware, whose cookie holds the token."""

    def process_request(self, request: HttpRequest) -> None:
        token = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        request.session = SessionStore.of_token(token)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response = super().process_response(request, response)
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        token = getattr(request.session, "token", None)
        if cookie is not None and cookie.value and token:
            cookie.set(cookie.key, token, token)
        return response


def _digest(token: str) -> str:
    found = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
    return urlsafe_b64encode(found[:DIGEST_BYTES]).decode()
