"""Secrets that must be read again, kept sealed: what signs a webhook, what checks a signature.

    stored = seal("whsec_…", purpose="webhook")
    open_sealed(stored, purpose="webhook")  → "whsec_…"

AES-256-GCM under a key derived from the installation's `SECRET_KEY`, which stands outside the
database: a dump of the tables alone opens nothing. A password or an API key is never kept this way
but as a digest.
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from kvit.platform.failures import Failure

NONCE_BYTES = 12
WORDS = {
    "sealed_unreadable": (
        "Секрет нельзя прочитать: ключ установки сменился. Выпустите его заново.",
        "The secret cannot be read: the installation's key has changed. Issue it anew.",
    ),
}


class Unreadable(Failure):
    """Sealed under another key or for another purpose, or changed since."""

    words = WORDS


def seal(secret: str, *, purpose: str) -> str:
    """Return the secret sealed for one purpose."""
    nonce = os.urandom(NONCE_BYTES)
    box = AESGCM(_key(settings.SECRET_KEY)).encrypt(nonce, secret.encode(), purpose.encode())
    return base64.urlsafe_b64encode(nonce + box).decode()


def open_sealed(sealed: str, *, purpose: str) -> str:
    """Return what was sealed; keys of before (`SECRET_KEY_FALLBACKS`) are tried too.

    Raises:
        Unreadable: no key of ours opens it for this purpose.
    """
    try:
        raw = base64.urlsafe_b64decode(sealed)
    except ValueError:
        raw = b""
    if len(raw) <= NONCE_BYTES:
        raise Unreadable("sealed_unreadable")
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            opened = AESGCM(_key(key)).decrypt(
                raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode()
            )
        except InvalidTag:
            continue
        return opened.decode()
    raise Unreadable("sealed_unreadable")


def _key(secret: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"kvit sealed").derive(secret.encode())
