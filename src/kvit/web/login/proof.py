"""What a session has proved: one factor or two, how long ago, from which browser.

allauth writes each proof into the session (`method` is "password" or "mfa"); these are read here
and nowhere else. A passkey that verified its user is two factors in one.
"""

import re
import time
from dataclasses import dataclass
from typing import Any

from allauth.account.internal.flows.login import (
    get_authentication_records,
    record_authentication,
)
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef
from django.http import HttpRequest

RECENT_S = 600  # a proof opens sensitive acts for ten minutes
IDLE_S = 2 * 3600  # a session that nobody used for so long is over
SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]

_BROWSERS = (
    ("Edge", r"Edg/(\d+)"),
    ("Yandex", r"YaBrowser/(\d+)"),
    ("Opera", r"OPR/(\d+)"),
    ("Firefox", r"Firefox/(\d+)"),
    ("Chrome", r"(?:Headless)?Chrome/(\d+)"),
    ("Safari", r"Version/(\d+)[\d.]* (?:Mobile/\S+ )?Safari"),
)
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")


@dataclass(frozen=True, slots=True)
class Proof:
    """How far a session got."""

    is_enrolled: bool  # the user has a second factor to ask for
    has_second: bool  # and gave it in this session
    at: float | None  # the latest proof that counts as recent: of the second factor, if enrolled


# Whether the `user` of a row has a second factor: the same as `has_second_factor`, within a query.
ENROLLED = Exists(Authenticator.objects.filter(user=OuterRef("user"), type__in=SECOND_FACTORS))


def proof_of(request: HttpRequest, *, is_enrolled: bool | None = None) -> Proof:
    """Return what the logged-in user of this request proved; asks whether they are enrolled in a
    second factor where nobody knows it yet."""
    records = get_authentication_records(request, request.user)
    if is_enrolled is None:
        is_enrolled = has_second_factor(request.user)
    wanted = ("mfa",) if is_enrolled else ("mfa", "password")
    times = [_at(one) for one in records if one.get("method") in wanted]
    has_second = any(one.get("method") == "mfa" for one in records)
    return Proof(is_enrolled, has_second, max(times, default=None))


def is_recent(proof: Proof) -> bool:
    """Whether the person proved themselves a short while ago."""
    return proof.at is not None and time.time() - proof.at < RECENT_S


def has_second_factor(user: Any) -> bool:
    """Whether the user set up an authenticator app or a passkey; recovery codes are none."""
    return bool(get_adapter().is_mfa_enabled(user, SECOND_FACTORS))


def note_second_factor(request: HttpRequest, user: Any, kind: str) -> None:
    """Remember that the user just proved a second factor, by setting it up."""
    record_authentication(request, user, "mfa", type=kind)


def device_name(user_agent: str) -> str:
    """Name a browser as a person would: "Firefox 145, Windows"."""
    found = (
        f"{name} {match[1]}"
        for name, pattern in _BROWSERS
        if (match := re.search(pattern, user_agent))
    )
    browser = next(found, "")
    system = next((name for name in _SYSTEMS if name in user_agent), "")
    named = ", ".join(part for part in (browser, system.replace("Mac OS X", "macOS")) if part)
    return named or re.sub(r"[^\x20-\x7e]", "", user_agent)[:40] or "?"


def _at(record: dict[str, Any]) -> float:
    moment = record.get("at")
    return float(moment) if isinstance(moment, (int, float)) else 0.0
