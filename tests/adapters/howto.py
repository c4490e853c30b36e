"""The files that a how-to shows: a fenced block whose info string is "language path"."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
_BLOCK = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def write_files(page: str, directory: Path) -> list[str]:
    """Write the files of docs/howto/`page` into `directory`; return their names."""
    text = (ROOT / "docs/howto" / page).read_text(encoding="utf-8")
    found = _BLOCK.findall(text)
    for name, content in found:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return [name for name, _ in found]


def table(page: str) -> list[list[str]]:
    """The cells of every table row of the page."""
    text = (ROOT / "docs/howto" / page).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip(" *→") for cell in row.strip("|").split("|")] for row in rows]
