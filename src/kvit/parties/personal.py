"""Personal data in images: what an audit row holds instead of it.

audit row   {"kind": "person", "personal": "9f2c…"}        kept for ever
image       9f2c… = sha256(salt + {"name": "Иван", …})     kept until the person is forgotten
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from kvit.parties.models import PersonalImage
from kvit.parties.rows import CustomerRow
from kvit.platform import bulk
from kvit.platform.ids import uuid7

PERSONAL = ("name", "inn", "email", "phone", "address", "ogrn", "account")


@dataclass(frozen=True, slots=True)
class Image:
    """The personal fields of a customer at one moment."""

    digest: str
    salt: str
    fields: dict[str, str]


def take_image(row: CustomerRow) -> Image:
    """Make a new image, under a salt of its own."""
    values = {name: getattr(row, name) for name in PERSONAL}
    salt = secrets.token_hex(16)
    text = json.dumps(values, ensure_ascii=False, sort_keys=True)
    return Image(hashlib.sha256(f"{salt}{text}".encode()).hexdigest(), salt, values)


def public_part(row: CustomerRow) -> dict[str, Any]:
    """Return the fields that an audit row may hold in clear."""
    return {name: value for name, value in asdict(row).items() if name not in PERSONAL}


def store_images(images: Mapping[UUID, Image]) -> None:
    """Keep the images of customers, by customer."""
    bulk.copy_in(
        PersonalImage,
        ("id", "customer_id", "digest", "salt", "fields"),
        [(uuid7(), owner, one.digest, one.salt, one.fields) for owner, one in images.items()],
    )
