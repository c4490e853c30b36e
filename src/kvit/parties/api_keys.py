"""Keys of machines: made, shown once, rotated with an overlap, revoked, and checked.

A key reads `kvit_<prefix>_<secret>`. The secret has 256 random bits, so a salted digest of one
round is as good as a slow one. The signing secret is a second one: who has the key alone cannot
sign. Times are real ones, never those of a test clock.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from kvit.core.wording import Words
from kvit.parties import models
from kvit.parties.rights import ALL
from kvit.parties.rows import ApiKeyRow, Tenant, TenantRow
from kvit.platform import audit, events, sealed
from kvit.platform.failures import Failure
from kvit.platform.revisions import Seen, refuse_stale
from kvit.platform.tenancy import current_tenant_id

SCHEME = "kvit"
PURPOSE = "api key"
OVERLAP = timedelta(days=7)
NONCES_KEPT = timedelta(minutes=15)  # longer than a signed request is let in
USED_EVERY = timedelta(minutes=1)
_NOBODY = "0" * 64

WORDS: Words = {
    "key_not_found": ("Ключа {shown} нет.", "There is no key {shown}."),
    "key_revoked": (
        "Ключ {shown} уже отозван: выпустите новый.",
        "The key {shown} is revoked already: make a new one.",
    ),
    "key_right_unknown": ("Права {right} нет.", "There is no right {right}."),
    "key_right_beyond": (
        "Права {right} у вас нет: дать его ключу может тот, у кого оно есть.",
        "You do not have the right {right}: who has it can give it to a key.",
    ),
    "key_without_rights": (
        "Укажите хотя бы одно право ключа.",
        "Give the key one right at least.",
    ),
    "key_certificate_invalid": (
        "Отпечаток сертификата — 64 шестнадцатеричных знака SHA-256.",
        "A certificate's fingerprint is 64 hexadecimal digits of SHA-256.",
    ),
}


class KeyRefused(Failure):
    """The key cannot be made or changed so; nothing was changed."""

    words = WORDS


class KeyNotFound(Failure):
    """No such key in this tenant."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. The two secrets are told now and never again."""

    row: ApiKeyRow
    key: str
    signing_secret: str

    def __repr__(self) -> str:
        return f"NewKey({self.row.prefix})"


@dataclass(frozen=True, slots=True)
class Known:
    """Whose key a request came with, and what its second factor is checked against."""

    row: ApiKeyRow
    tenant: Tenant
    factors: int
    sealed_signing: str

    def signing_secret(self) -> str:
        """Return what the machine signs with."""
        return sealed.open_sealed(self.sealed_signing, purpose=PURPOSE)


@transaction.atomic
def create_key(
    *,
    name: str,
    rights: Sequence[str],
    granter: frozenset[str],
    certificate: str = "",
    actor: str,
    now: datetime,
    reason: str = "",
) -> NewKey:
    """Make a key of the tenant in scope.

    Args:
        granter: the rights of who makes it; a key never has more.
        certificate: the SHA-256 of the client's certificate, where it comes with one.

    Raises:
        KeyRefused: a right is unknown or beyond the maker's own, or the fingerprint is none.
    """
    wanted = tuple(sorted(set(rights)))
    _check_rights(wanted, granter)
    fingerprint = certificate.replace(":", "").lower()
    if fingerprint and not (len(fingerprint) == 64 and set(fingerprint) <= set("0123456789abcdef")):
        raise KeyRefused("key_certificate_invalid")
    made = _make(name, wanted, fingerprint, actor=actor, now=now)
    _record("api_key.created", made.row, actor=actor, now=now, after=_image(made.row),
            reason=reason)  # fmt: skip
    return made


@transaction.atomic
def rotate_key(
    key_id: UUID,
    *,
    granter: frozenset[str],
    overlap: timedelta = OVERLAP,
    seen: Seen = None,
    actor: str,
    now: datetime,
    reason: str = "",
) -> NewKey:
    """Make a key in the place of another, which opens for a while yet: nothing stands still.

    Args:
        granter: as in `create_key`: who rotates a key is told its secret, and could use it.

    Raises:
        KeyNotFound: no such key. KeyRefused: it is revoked, or has a right beyond the asker's own.
        Stale: it was rotated or revoked since it was seen.
    """
    old = _lock(key_id)
    refuse_stale(standing_of(_row(old)), seen, of=("parties.api_key", str(old.pk)))
    if old.revoked_at is not None:
        raise KeyRefused("key_revoked", shown=old.prefix)
    _check_beyond(sorted(ALL.intersection(old.rights)), granter)
    until = now + overlap
    if old.expires_at is None or old.expires_at > until:
        models.ApiKey.objects.filter(pk=old.pk).update(expires_at=until)
        events.tell_keys_changed(current_tenant_id())
    made = _make(old.name, tuple(old.rights), old.certificate, actor=actor, now=now)
    _record("api_key.rotated", made.row, actor=actor, now=now, reason=reason,
            before={"prefix": old.prefix, "expires_at": until.isoformat()},
            after=_image(made.row))  # fmt: skip
    return made


@transaction.atomic
def change_key(
    key_id: UUID,
    *,
    name: str,
    rights: Sequence[str],
    granter: frozenset[str],
    seen: Seen = None,
    actor: str,
    now: datetime,
    reason: str = "",
) -> ApiKeyRow:
    """Give a key another name or other rights, from the next request on; its secrets stay.

    Args:
        granter: the rights of who changes it: only what the key has not may be beyond them.

    Raises:
        KeyNotFound: no such key. KeyRefused: it is revoked, or a right is unknown or beyond the
            asker's own.
        Stale: it was changed, rotated or revoked since it was seen.
    """
    old = _lock(key_id)
    refuse_stale(standing_of(_row(old)), seen, of=("parties.api_key", str(old.pk)))
    if old.revoked_at is not None:
        raise KeyRefused("key_revoked", shown=old.prefix)
    wanted = tuple(sorted(set(rights)))
    _check_rights(wanted, granter.union(old.rights))
    before = _image(_row(old))
    old.name, old.rights = name, list(wanted)
    row = _row(old)
    if _image(row) != before:
        models.ApiKey.objects.filter(pk=old.pk).update(name=name, rights=list(wanted))
        events.tell_keys_changed(current_tenant_id())
        _record("api_key.changed", row, actor=actor, now=now, reason=reason, before=before,
                after=_image(row))  # fmt: skip
    return row


@transaction.atomic
def revoke_key(
    key_id: UUID, *, seen: Seen = None, actor: str, now: datetime, reason: str = ""
) -> ApiKeyRow:
    """Close a key for ever, from the next request on; a repeat changes nothing.

    Raises:
        KeyNotFound: no such key.
        Stale: it was rotated since it was seen.
    """
    found = _lock(key_id)
    if found.revoked_at is None:
        refuse_stale(standing_of(_row(found)), seen, of=("parties.api_key", str(found.pk)))
        models.ApiKey.objects.filter(pk=found.pk).update(revoked_at=now)
        events.tell_keys_changed(current_tenant_id())
        found.revoked_at = now
        _record("api_key.revoked", _row(found), actor=actor, now=now, reason=reason,
                after={"prefix": found.prefix})  # fmt: skip
    return _row(found)


@transaction.atomic
def set_machine_factors(
    factors: int, *, seen: Seen = None, actor: str, now: datetime, reason: str
) -> None:
    """Say whether a machine's key is enough (1) or a second factor is needed (2).

    Raises:
        Stale: it was changed since it was seen.
    """
    tenant = models.Tenant.objects.select_for_update().get(pk=current_tenant_id())
    refuse_stale(tenant.machine_factors, seen, of=("parties.tenant", str(tenant.pk)))
    if tenant.machine_factors == factors:
        return
    models.Tenant.objects.filter(pk=tenant.pk).update(machine_factors=factors)
    events.tell_keys_changed(tenant.pk)
    audit.record(
        action="tenant.machine_factors_changed",
        object_type="parties.tenant",
        object_id=str(tenant.pk),
        before={"machine_factors": tenant.machine_factors},
        after={"machine_factors": factors},
        actor=actor,
        now=now,
        reason=reason,
    )


def machine_factors() -> int:
    """Return how many factors the tenant in scope asks of a machine."""
    return models.Tenant.objects.values_list("machine_factors", flat=True).get(
        pk=current_tenant_id()
    )


def keys() -> "QuerySet[models.ApiKey]":
    """Return the keys of the tenant in scope, to be paged; a row of each: `key_row`."""
    return models.ApiKey.objects.filter(tenant=current_tenant_id())


def key_row(found: Any) -> ApiKeyRow:
    """Return a key of `keys()` as it is shown."""
    return _row(found)


def key_by_id(key_id: UUID) -> ApiKeyRow:
    """Return a key of the tenant in scope.

    Raises:
        KeyNotFound: no such key.
    """
    found = keys().filter(pk=key_id).first()
    if found is None:
        raise KeyNotFound("key_not_found", shown=key_id)
    return _row(found)


def known_key(text: str, *, now: datetime) -> Known | None:
    """Return whose key this is, or None where it opens nothing; needs no scope."""
    scheme, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    found = None
    if scheme == SCHEME and prefix.isascii() and 0 < len(prefix) <= 16 and secret.isascii():
        found = models.ApiKey.objects.select_related("tenant").filter(prefix=prefix).first()
    # An unknown prefix takes as long as a wrong secret.
    salt, digest = (found.salt, found.digest) if found else ("", _NOBODY)
    proved = hmac.compare_digest(_digest(salt, secret), digest)
    if found is None or not proved or found.revoked_at is not None:
        return None
    if found.expires_at is not None and found.expires_at <= now:
        return None
    own = TenantRow(
        **{field.name: getattr(found.tenant, field.name) for field in fields(TenantRow)}
    )
    tenant = Tenant(found.tenant_id, own)
    return Known(_row(found), tenant, found.tenant.machine_factors, found.signing)


def note_use(row: ApiKeyRow, *, address: str, now: datetime) -> None:
    """Keep when and from where a key was last used; written once a minute at most."""
    if row.used_at is None or now - row.used_at > USED_EVERY:
        models.ApiKey.objects.filter(pk=row.id).update(used_at=now, used_from=address[:64])


def take_nonce(key_id: UUID, nonce: str, *, now: datetime) -> bool:
    """Remember the nonce of a signed request; False where it was used before."""
    models.ApiNonce.objects.filter(key=key_id, at__lt=now - NONCES_KEPT).delete()
    with transaction.atomic():
        _, is_new = models.ApiNonce.objects.get_or_create(
            key_id=key_id, nonce=nonce, defaults={"at": now}
        )
    return is_new


def _make(
    name: str, rights: tuple[str, ...], certificate: str, *, actor: str, now: datetime
) -> NewKey:
    prefix, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_hex(16)
    signing = secrets.token_urlsafe(32)
    made = models.ApiKey.objects.create(
        tenant_id=current_tenant_id(),
        name=name,
        prefix=prefix,
        salt=salt,
        digest=_digest(salt, secret),
        signing=sealed.seal(signing, purpose=PURPOSE),
        certificate=certificate,
        rights=list(rights),
        made_by=actor,
        made_at=now,
    )
    return NewKey(_row(made), f"{SCHEME}_{prefix}_{secret}", signing)


def _check_rights(wanted: tuple[str, ...], granter: frozenset[str]) -> None:
    if not wanted:
        raise KeyRefused("key_without_rights")
    known = set(models.RoleRight.objects.values_list("right", flat=True))
    for right in wanted:
        if right not in known:
            raise KeyRefused("key_right_unknown", right=right)
    _check_beyond(wanted, granter)


def _check_beyond(rights: Sequence[str], granter: frozenset[str]) -> None:
    for right in rights:
        if right not in granter:
            raise KeyRefused("key_right_beyond", right=right)


def _lock(key_id: UUID) -> Any:
    found = keys().select_for_update().filter(pk=key_id).first()
    if found is None:
        raise KeyNotFound("key_not_found", shown=key_id)
    return found


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(f"{salt}{secret}".encode()).hexdigest()


def _row(found: Any) -> ApiKeyRow:
    return ApiKeyRow(
        id=found.id,
        name=found.name,
        prefix=found.prefix,
        rights=tuple(found.rights),
        certificate=found.certificate,
        made_by=found.made_by,
        made_at=found.made_at,
        expires_at=found.expires_at,
        revoked_at=found.revoked_at,
        used_at=found.used_at,
        used_from=found.used_from,
    )


def standing_of(row: ApiKeyRow) -> list[Any]:
    """What a decision about a key is made from: its use goes on meanwhile, and changes nothing."""
    return [row.name, list(row.rights), row.certificate, row.expires_at, row.revoked_at]


def _image(row: ApiKeyRow) -> dict[str, Any]:
    shown = asdict(row)
    return {name: shown[name] for name in ("name", "prefix", "rights", "certificate")}


def _record(action: str, row: ApiKeyRow, **rest: Any) -> None:
    audit.record(action=action, object_type="parties.api_key", object_id=str(row.id), **rest)
