"""Texts signed with Ed25519, in the form of C2SP signed-note: any verifier of that form reads them.

    signer = Signer.derived("kvit/ledger/…")
    note = signer.sign("kvit/ledger/…\\n3\\n…\\n")
    opened(note, signer.verifier)   → the text, once the signature has been checked

The key comes from the installation's `SECRET_KEY`, which stands outside the database: who owns the
tables alone can sign nothing. Its public half, the verifier (`name+id+key`), is handed to whoever
shall check.
"""

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from kvit.platform.failures import Failure

ED25519 = b"\x01"  # the note's type of signature
MOST_CHARS = 100_000
ID_BYTES, KEY_BYTES = 4, 32
WORDS = {
    "note_not_signed": (
        "Подпись не подходит к ключу {verifier}: это не та запись или её изменили.",
        "No signature fits the key {verifier}: this is another note, or it was changed.",
    ),
    "note_of_another_key": (
        "Подписано другим ключом того же имени {verifier}, а не этим.",
        "Signed by another key of the same name {verifier}, not by this one.",
    ),
    "note_key_wrong": (
        "Это не ключ проверки: нужен вид имя+номер+ключ, его печатает kvit books key.",
        "This is no verifier key: it looks like name+id+key, and kvit books key prints it.",
    ),
}


class NoteUnusable(Failure):
    """A note that is not signed by the key that it should be, or a key that is none."""

    words = WORDS


@dataclass(frozen=True, slots=True)
class Verifier:
    """The public half of a key, and its name."""

    name: str
    key: bytes

    @property
    def id(self) -> bytes:
        named = self.name.encode() + b"\n" + ED25519 + self.key
        return hashlib.sha256(named).digest()[:ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(ED25519 + self.key).decode()}"


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs, and its name."""

    name: str
    key: Ed25519PrivateKey

    @classmethod
    def derived(cls, name: str) -> "Signer":
        """Return the installation's key of that name."""
        derived = HKDF(SHA256(), length=KEY_BYTES, salt=None, info=b"kvit note " + name.encode())
        seed = derived.derive(settings.SECRET_KEY.encode())
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """Return the text, which ends in a newline, with its signature."""
        signature = b64encode(self.verifier.id + self.key.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {signature}\n"


def read_verifier(text: str) -> Verifier:
    """Read a verifier key as `str(Verifier)` writes it.

    Raises:
        NoteUnusable: it is none.
    """
    name, _, rest = text.strip().partition("+")
    told, _, encoded = rest.partition("+")
    try:
        raw = b64decode(encoded, validate=True)
    except ValueError:  # no base64, or no ASCII at all
        raw = b""
    found = Verifier(name, raw[1:])
    is_one = name and raw[:1] == ED25519 and len(found.key) == KEY_BYTES
    if not is_one or found.id.hex() != told:
        raise NoteUnusable("note_key_wrong")
    return found


def opened(note: str, verifier: Verifier) -> str:
    """Return the text of a note that this key has signed; signatures of others are let be.

    Raises:
        NoteUnusable: the key has not signed it, or not this text (`note_not_signed`); or a key of
            that name with another id has (`note_of_another_key`).
    """
    text, _, signatures = note[:MOST_CHARS].rpartition("\n\n")
    code = "note_not_signed"
    for line in signatures.split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "—" or name != verifier.name:
            continue
        try:
            raw = b64decode(encoded, validate=True)
            if b64encode(raw).decode() != encoded:  # bits that say nothing are others
                code = "note_not_signed"
                break
            if raw[:ID_BYTES] == verifier.id:
                key = Ed25519PublicKey.from_public_bytes(verifier.key)
                key.verify(raw[ID_BYTES:], f"{text}\n".encode())
                return f"{text}\n"
        except (ValueError, InvalidSignature):
            code = "note_not_signed"
            break
        code = "note_of_another_key"
    raise NoteUnusable(code, verifier=verifier.name)
