"""Answer a repeated request as it was answered the first time.

    response = once(scope="api:POST /payments", key=key, request=body, act=lambda: pay(...))

The key is the caller's. Its row, the effect and the stored answer are one transaction; a repeat
that arrives meanwhile waits for its end.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from kvit.platform import bulk
from kvit.platform.failures import Failure
from kvit.platform.ids import uuid7
from kvit.platform.models import IdempotencyKey

WORDS = {
    "idempotency_key_reused": (
        "Ключ идемпотентности {name} уже использован с другим запросом.",
        "The idempotency key {name} was already used with another request.",
    ),
}


class KeyReused(Failure):
    """The same key came with another request."""

    words = WORDS


@transaction.atomic
def once(
    *, scope: str, key: str, request: bytes, act: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what `act` returned for this key, calling it only the first time.

    Args:
        scope: what keys are compared within, such as the route and the credential.
        request: all that makes the request what it is; a repeat must equal it.

    Raises:
        KeyReused: the key stands for another request; nothing was done.
    """
    digest = hashlib.sha256(request).hexdigest()
    taken = bulk.copy_in(
        IdempotencyKey,
        ("id", "scope", "key", "request_hash"),
        [(uuid7(), scope, key, digest)],
        on_conflict="(tenant_id, scope, key) DO NOTHING",
        returning=("id",),
    )
    if not taken:
        stored = IdempotencyKey.objects.get(scope=scope, key=key)
        if stored.request_hash != digest:
            raise KeyReused("idempotency_key_reused", name=key)
        return dict(stored.response)
    response = dict(act())
    IdempotencyKey.objects.filter(pk=taken[0][0]).update(response=response)
    return response


def forget_answers(*, before: datetime) -> int:
    """Drop what was answered before the moment; return how much. A repeat of it is done anew."""
    gone, _ = IdempotencyKey.objects.filter(recorded_at__lt=before).delete()
    return gone
