"""One package out of a lock with hashes. Standard library only: `deploy/install.py` reads it before
there is an environment."""

from pathlib import Path


def pinned(lock: Path, package: str) -> str:
    """Return the lines of a lock that pin one package, as pip and uv read them."""
    lines = lock.read_text().splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(f"{package}=="))
    found = [lines[start]]
    for line in lines[start + 1 :]:
        if not line.strip().startswith("--hash"):
            break
        found.append(line)
    return "\n".join(found).rstrip("\\ ") + "\n"
