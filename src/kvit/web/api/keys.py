"""Keys of machines."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query
from pydantic import Field

from kvit.parties import api_keys, queries
from kvit.parties import services as parties
from kvit.parties.rows import ApiKeyRow
from kvit.platform.paging import keyset
from kvit.web.api.core import COMPARES, Router, operation, seen, standing
from kvit.web.api.schemas import Input, Int, Listed, Moment, Paging, Reason, Schema, Text, listed

TAG = ("Ключи API", "API keys")
router = Router()


class KeyOut(Schema):
    """A key as it may be shown."""

    id: UUID
    name: str
    shown: str = Field(examples=["kvit_1f2e3d4c5b6a_…"])
    rights: list[str]
    certificate: str
    made_by: str
    made_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    used_at: Moment | None
    used_from: str


class NewKeyOut(KeyOut):
    """A key just made. `key` and `signing_secret` are told once; keep them."""

    key: str | None
    signing_secret: str | None


class KeyIn(Input):
    """What the key is for and what it may do."""

    name: Text = Field(min_length=1, max_length=120, examples=["CRM"])
    rights: list[Text] = Field(
        min_length=1, max_length=100, examples=[["invoices.read", "usage.write"]]
    )
    certificate: Text = Field("", description="SHA-256 of the client's certificate, in hex.")
    reason: Reason = ""


class KeyChangeIn(Input):
    """What the key is called and what it may do from now on."""

    name: Text = Field(min_length=1, max_length=120, examples=["CRM"])
    rights: list[Text] = Field(min_length=1, max_length=100, examples=[["invoices.read"]])
    reason: Reason = ""


class RotateIn(Input):
    """How long the old key opens beside the new one."""

    overlap_hours: Int = Field(168, ge=0, le=24 * 90)
    reason: Reason = ""


class RevokeIn(Input):
    """Why the key is closed."""

    reason: Reason = ""


@operation(router, "GET", "/keys", right="keys.write", response=Listed[KeyOut])
def list_keys(request: HttpRequest, page: Query[Paging]) -> Any:
    """The newest first; revoked ones stay in the list."""
    found = keyset(queries.keys(), order=("-made_at", "-id"), after=page.after, limit=page.limit)
    return listed(found, lambda one: _shown(queries.key_row(one)))


@operation(
    router, "POST", "/keys", right="keys.write", status=201, response=NewKeyOut, recent=True,
    secrets=("key", "signing_secret"),
)  # fmt: skip
def create_key(request: HttpRequest, body: KeyIn) -> NewKeyOut:
    """A key has no more rights than who makes it. The secrets are told here and never again."""
    made = parties.create_key(
        name=body.name,
        rights=body.rights,
        granter=request.principal.rights,
        certificate=body.certificate,
        actor=request.principal.actor,
        now=datetime.now(UTC),
        reason=body.reason,
    )
    return _new(made)


@operation(router, "GET", "/keys/{key_id}", right="keys.write", response=KeyOut)
def read_key(request: HttpRequest, key_id: UUID) -> KeyOut:
    """One key."""
    row = queries.key_by_id(key_id)
    standing(request, api_keys.standing_of(row))
    return _shown(row)


@operation(router, "PUT", "/keys/{key_id}", right="keys.write", response=KeyOut, recent=True)
def change_key(request: HttpRequest, key_id: UUID, body: KeyChangeIn) -> KeyOut:
    """Its secrets stay. Who changes it adds no right beyond their own."""
    row = parties.change_key(
        key_id,
        name=body.name,
        rights=body.rights,
        granter=request.principal.rights,
        seen=seen(request),
        actor=request.principal.actor,
        now=datetime.now(UTC),
        reason=body.reason,
    )
    standing(request, api_keys.standing_of(row))
    return _shown(row)


@operation(
    router, "POST", "/keys/{key_id}/rotate", right="keys.write", status=201, response=NewKeyOut,
    recent=True, secrets=("key", "signing_secret"), extra=COMPARES,
)  # fmt: skip
def rotate_key(request: HttpRequest, key_id: UUID, body: RotateIn) -> NewKeyOut:
    """Make a key in its place; both open until the overlap has passed. Needs its rights too."""
    made = parties.rotate_key(
        key_id,
        granter=request.principal.rights,
        overlap=timedelta(hours=body.overlap_hours),
        seen=seen(request),
        actor=request.principal.actor,
        now=datetime.now(UTC),
        reason=body.reason,
    )
    return _new(made)


@operation(
    router, "POST", "/keys/{key_id}/revoke", right="keys.write", response=KeyOut, recent=True,
    extra=COMPARES,
)  # fmt: skip
def revoke_key(request: HttpRequest, key_id: UUID, body: RevokeIn) -> KeyOut:
    """Close it for ever, from the next request on."""
    row = parties.revoke_key(
        key_id,
        seen=seen(request),
        actor=request.principal.actor,
        now=datetime.now(UTC),
        reason=body.reason,
    )
    return _shown(row)


def _shown(row: ApiKeyRow) -> KeyOut:
    return KeyOut(**_fields(row))


def _new(made: parties.NewKey) -> NewKeyOut:
    return NewKeyOut(**_fields(made.row), key=made.key, signing_secret=made.signing_secret)


def _fields(row: ApiKeyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "shown": row.shown,
        "rights": list(row.rights),
        "certificate": row.certificate,
        "made_by": row.made_by,
        "made_at": row.made_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "used_at": row.used_at,
        "used_from": row.used_from,
    }
