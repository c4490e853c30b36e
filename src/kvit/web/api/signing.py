"""Signed requests: the second factor of a machine.

Three headers beside the key: `Kvit-Timestamp` (seconds since 1970), `Kvit-Nonce` (8 … 64
characters, new for each request) and `Kvit-Signature: v1=<hex>`, the HMAC-SHA256 of this text by
the key's signing secret:

    v1\\nPOST\\n/api/v1/events?source=crm\\n1795867200\\n<nonce>\\n<SHA-256 of the body, hex>

A request is let in once, within five minutes of its time.
"""

import hashlib
import hmac
import re
from datetime import datetime

from django.http import HttpRequest

from kvit.core.wording import Words, say
from kvit.parties import queries, services
from kvit.web.api.problems import ApiRefused, language

WINDOW_S = 300
VERSION = "v1"
_NONCE = re.compile(r"[A-Za-z0-9._~-]{8,64}")
WORDS: Words = {
    "incomplete": (
        "нужны Kvit-Timestamp, Kvit-Nonce и Kvit-Signature вида v1=…",
        "Kvit-Timestamp, Kvit-Nonce and Kvit-Signature like v1=… are needed",
    ),
    "stale": (
        "время запроса отличается от нашего больше чем на 5 минут",
        "the request's time is more than 5 minutes away from ours",
    ),
    "mismatch": (
        "подписано не то, что пришло, или другим секретом",
        "what was signed is not what came, or another secret signed it",
    ),
    "replayed": ("такой запрос уже был", "this request came before"),
}


def sign(secret: str, *, method: str, path: str, timestamp: int, nonce: str, body: bytes) -> str:
    """Return the header `Kvit-Signature`; `path` is as it is sent, with its query."""
    digest = hashlib.sha256(body).hexdigest()
    text = "\n".join((VERSION, method.upper(), path, str(timestamp), nonce, digest))
    return f"{VERSION}={hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"


def check(request: HttpRequest, known: queries.Known, *, now: datetime) -> bool:
    """Say whether the request is signed; one that is signed wrongly does not come in.

    Raises:
        ApiRefused: the signature is incomplete, stale, wrong, or was used before.
    """
    signature = request.headers.get("Kvit-Signature", "")
    if not signature:
        return False
    stamp, nonce = request.headers.get("Kvit-Timestamp", ""), request.headers.get("Kvit-Nonce", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 and _NONCE.fullmatch(nonce)):
        raise _wrong(request, "incomplete")
    if abs(now.timestamp() - int(stamp)) > WINDOW_S:
        raise _wrong(request, "stale")
    expected = sign(
        known.signing_secret(),
        method=str(request.method),
        path=request.get_full_path(),
        timestamp=int(stamp),
        nonce=nonce,
        body=request.body,
    )
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise _wrong(request, "mismatch")
    # Last: what does not hold must not use up a nonce.
    if not services.take_nonce(known.row.id, nonce, now=now):
        raise _wrong(request, "replayed")
    return True


def _wrong(request: HttpRequest, why: str) -> ApiRefused:
    return ApiRefused("signature_wrong", status=401, why=say(WORDS, why, language(request)))
