"""Makes or refreshes the environment of the launcher. Standard library only.

Called as `install.py ROOT VENV LOCK` by ./kvit when VENV does not hold a copy of LOCK. That copy
is written last: whatever was interrupted, by a signal or a power cut, is begun anew.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# There is no environment yet, and nothing on the path but this folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from kvit.platform.pins import pinned

RUN, DEVELOP = "requirements.lock", "requirements-dev.lock"
MARK = "made-by-kvit"
RUSSIAN = (
    (
        os.environ.get("KVIT_LANG")
        or os.environ.get("LC_ALL")
        or os.environ.get("LC_MESSAGES")
        or os.environ.get("LANG")
        or ""
    )
    .lower()
    .startswith("ru")
)


class Refused(Exception):
    """The installation cannot go on; the text says what the person can do."""


def say(russian: str, english: str) -> None:
    print(russian if RUSSIAN else english, file=sys.stderr, flush=True)


def refuse(russian: str, english: str) -> Refused:
    return Refused(russian if RUSSIAN else english)


def install(root: Path, venv: Path, lock: str) -> None:
    """Bring `venv` to the state of `lock`, one process at a time."""
    try:
        venv.parent.mkdir(parents=True, exist_ok=True)
        door = open(venv.parent / f"{venv.name}.lock", "w")  # noqa: SIM115 (held until exit)
    except OSError as error:
        raise refuse(
            f"Сюда нельзя писать: {error.filename}. Укажите папку: KVIT_VENV=~/.kvit-venv ./kvit …",
            f"Not writable: {error.filename}. Name another folder: KVIT_VENV=~/.kvit-venv ./kvit …",
        ) from error
    try:
        fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Другой процесс уже устанавливает Квит, жду его…", "Kvit is being installed, waiting…")
        fcntl.flock(door, fcntl.LOCK_EX)
    if _is_current(root, venv, lock):
        return
    if (venv / DEVELOP).exists():
        lock = DEVELOP  # what a developer has is kept, in its new versions
    began = time.monotonic()
    _make_room(root, venv)
    for stamp in (RUN, DEVELOP):
        (venv / stamp).unlink(missing_ok=True)
    _install_packages(root, venv, lock)
    _show_the_source(root, venv)
    for stamp in (RUN, DEVELOP) if lock == DEVELOP else (RUN,):
        _write_last(root / stamp, venv / stamp)
    seconds = round(time.monotonic() - began)
    say(f"Готово за {seconds} с.", f"Installed in {seconds} s.")


def _is_current(root: Path, venv: Path, lock: str) -> bool:
    stamp = venv / lock
    return (
        os.access(venv / "bin/python", os.X_OK)
        and stamp.is_file()
        and stamp.read_bytes() == (root / lock).read_bytes()
    )


def _make_room(root: Path, venv: Path) -> None:
    """Leave a working environment in `venv`; one that was interrupted is thrown away."""
    if venv.exists() and any(venv.iterdir()) and not (venv / MARK).exists():
        raise refuse(
            f"{venv} создана не Квитом: уберите её или укажите другую: KVIT_VENV=папка ./kvit …",
            f"{venv} was not made by Kvit: move it away or name another: KVIT_VENV=folder ./kvit …",
        )
    whole = any((venv / stamp).exists() for stamp in (RUN, DEVELOP))
    if whole and os.access(venv / "bin/python", os.X_OK):
        say("Обновляю пакеты Квита…", "Bringing Kvit's packages up to date…")
        return
    shutil.rmtree(venv, ignore_errors=True)
    venv.mkdir()
    (venv / MARK).write_text("./kvit may delete this folder and make it again.\n")
    say(
        f"Первый запуск: ставлю пакеты в {venv} (около 500 МБ, один раз)…",
        f"First start: installing packages into {venv} (about 500 MB, once)…",
    )
    if uv := shutil.which("uv"):
        words = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(venv)]
        if subprocess.run(words, stdout=sys.stderr, check=False).returncode == 0:
            return
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        _install_debian_venv()
    _run([sys.executable, "-m", "venv", str(venv)])


def _install_debian_venv() -> None:
    """Debian keeps `venv` and `pip` in a package of their own."""
    line = "apt-get update && apt-get install -y python3-venv"
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise refuse(
            f"В этом Python нет venv. Выполните и запустите снова: sudo sh -c '{line}'",
            f"This Python has no venv. Run this and start again: sudo sh -c '{line}'",
        )
    say(f"В этом Python нет venv: {line}", f"This Python has no venv: {line}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-y", "-q", "python3-venv"]):
        done = subprocess.run([apt, *words], env=environment, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise refuse(f"apt-get {words[0]} не удался.", f"apt-get {words[0]} failed.")


def _install_packages(root: Path, venv: Path, lock: str) -> None:
    """Install with uv where it can be had (ten times faster), else with pip; hashes always."""
    python = str(venv / "bin/python")
    uv = shutil.which("uv") or _borrow_uv(root, venv)
    if uv is not None:
        words = [uv, "pip", "sync", "--python", python, "--require-hashes", str(root / lock)]
        if subprocess.run(words, stdout=sys.stderr, check=False).returncode == 0:
            return
        say("uv не справился, пробую pip…", "uv did not manage, trying pip…")
    if not (venv / "bin/pip").exists():
        _run([python, "-m", "ensurepip", "--upgrade"])
    # pip leaves what an older lock had and a newer one has not: harmless, unlike a missing package.
    _run([python, "-m", "pip", "install", "--require-hashes", "-r", str(root / lock)])


def _borrow_uv(root: Path, venv: Path) -> str | None:
    """Install uv as the development lock pins it; None where the index does not have it."""
    with tempfile.NamedTemporaryFile("w", suffix=".lock") as only_uv:
        only_uv.write(pinned(root / DEVELOP, "uv"))
        only_uv.flush()
        words = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", only_uv.name]
        done = subprocess.run([str(venv / "bin/python"), *words], stdout=sys.stderr, check=False)
    return str(venv / "bin/uv") if done.returncode == 0 else None


def _show_the_source(root: Path, venv: Path) -> None:
    """Put src on the path of the environment: relative where it can be, so a checkout may move."""
    site = next((venv / "lib").glob("python3.*/site-packages"))
    inside = venv.resolve().is_relative_to(root.resolve())
    source = os.path.relpath(root / "src", site) if inside else str(root / "src")
    (site / "kvit.pth").write_text(source + "\n", encoding="utf-8")


def _write_last(source: Path, stamp: Path) -> None:
    """Copy durably: the stamp may not outlive a power cut that its packages did not."""
    os.sync()
    part = stamp.with_suffix(".part")
    shutil.copyfile(source, part)
    part.replace(stamp)


def _run(words: list[str]) -> None:
    done = subprocess.run(words, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        text = " ".join(words)
        raise refuse(
            f"Не удалось ({done.returncode}): {text}", f"Failed ({done.returncode}): {text}"
        )


if __name__ == "__main__":
    try:
        install(Path(sys.argv[1]), Path(sys.argv[2]).absolute(), sys.argv[3])
    except Refused as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
