"""What every answer says to the browser, and how files of the pages are named for it."""

import hashlib
from collections.abc import Callable
from functools import cache

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponseBase

# No inline script anywhere, nothing from elsewhere; ECharts and htmx are files of ours.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "object-src 'none'",
        "manifest-src 'self'",
    )
)


class SecurityHeaders:
    """Adds the content policy and its like; pages with figures are kept in no cache."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.answer(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("X-Frame-Options", "DENY")
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=()"
        )
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class VersionedFiles(StaticFilesStorage):
    """Adds a file's hash to its address, so that a browser may keep it until it changes."""

    def url(self, name: str | None) -> str:
        plain: str = super().url(name)
        return f"{plain}?v={_version(name)}" if name else plain


@cache
def _version(name: str) -> str:
    found = finders.find(name)
    if found is None:
        return "0"
    with open(found, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:10]
