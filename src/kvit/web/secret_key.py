"""The key that signs sessions and links: one for an installation, kept in its data folder."""

import os
import secrets
from pathlib import Path

NAME = "secret-key"


def secret_key(data: Path) -> str:
    """Return the key, made on first use; readable by the owner of the folder alone.

    Two processes that start at once agree: the file is made once, whole, and then only read.
    """
    path = data / NAME
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{NAME}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(64))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)  # fails where another process was first, whose key then holds
    except FileExistsError:
        pass
    finally:
        part.unlink()
    return path.read_text()
