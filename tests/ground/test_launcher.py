"""./kvit in a checkout of its own: nothing is faked, packages come from the machine's cache."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("kvit", "deploy", "requirements.lock", "requirements-dev.lock", "pyproject.toml", "src")
PATIENCE_S = 300

pytestmark = [pytest.mark.slow, pytest.mark.embedded]


def copy_checkout(target: Path) -> Path:
    target.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / part, ignore=ignored)
        else:
            shutil.copy2(source, target / part)
    return target


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KVIT_")}
    return {**clean, "KVIT_LANG": "en", **more}


def run(
    words: list[str | Path], cwd: Path = ROOT, **more: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words,
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that two first starts at once have installed, by a path with a space and «ё»."""
    made = copy_checkout(tmp_path_factory.mktemp("launcher") / "мой счётчик")
    starts = [
        subprocess.Popen(
            [made / "kvit", "--version"],
            cwd="/",
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [start.communicate(timeout=PATIENCE_S) for start in starts]
    assert [start.returncode for start in starts] == [0, 0], told
    assert [out for out, _ in told] == ["kvit 0.1.0\n"] * 2
    assert sorted("Installed in" in err for _, err in told) == [False, True]
    assert sum("is being installed, waiting" in err for _, err in told) <= 1
    return made


def test_the_environment_is_what_the_lock_says_and_no_more(checkout: Path) -> None:
    stamp = checkout / ".venv/requirements.lock"
    assert stamp.read_bytes() == (ROOT / "requirements.lock").read_bytes()
    names = {path.name.split("-")[0] for path in (checkout / ".venv").glob("lib/*/site-packages/*")}
    assert "django" in names
    assert "pytest" not in names


def test_it_works_from_any_folder_and_through_links(checkout: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to(checkout / "kvit")
    second.symlink_to("first")
    assert run([second, "--version"], cwd=tmp_path).stdout == "kvit 0.1.0\n"
    assert run(["sh", "kvit", "--version"], cwd=checkout).stdout == "kvit 0.1.0\n"


def test_hints_say_how_it_was_called(checkout: Path, tmp_path: Path) -> None:
    def suggested(words: list[str | Path], **more: str) -> str:
        told = run([*words, "verfy"], cwd=checkout, **more).stderr
        return told.partition("Did you mean ")[2].partition(" verify?")[0]

    assert suggested(["./kvit"]) == "./kvit"
    assert suggested(["sh", "kvit"]) == "./kvit"
    assert suggested([checkout / "kvit"]) == f"'{checkout}/kvit'"  # its path has a space
    (tmp_path / "kvit").symlink_to(checkout / "kvit")
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    assert suggested(["sh", "-c", "exec kvit verfy"], PATH=path) == "kvit"


def test_files_of_the_current_folder_are_not_imported(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("raise SystemExit('the wrong argparse')\n")
    assert run([checkout / "kvit", "--version"], cwd=tmp_path).returncode == 0


def test_a_moved_checkout_runs_its_own_source(checkout: Path) -> None:
    moved = checkout.rename(checkout.with_name("elsewhere"))
    try:
        done = run([moved / "kvit", "--version"])
        assert (done.stdout, done.stderr) == ("kvit 0.1.0\n", "")
        words = ["-P", "-c", "import kvit; print(kvit.__file__)"]
        shown = run([moved / ".venv/bin/python", *words], cwd=Path("/"))
        assert Path(shown.stdout.strip()) == moved / "src/kvit/__init__.py"
    finally:
        moved.rename(checkout)


def test_a_later_start_leaves_the_environment_as_it_is(checkout: Path) -> None:
    def stamps() -> dict[Path, int]:
        found = [checkout / ".venv", *(checkout / ".venv").glob("*")]
        return {path: path.stat().st_mtime_ns for path in found}

    assert run([checkout / "kvit", "--version"]).returncode == 0
    before = stamps()
    assert run([checkout / "kvit", "--version"]).returncode == 0
    assert stamps() == before


def test_an_installation_killed_midway_is_begun_anew(tmp_path: Path) -> None:
    made = copy_checkout(tmp_path / "kvit")
    first = subprocess.Popen(
        [made / "kvit", "--version"],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: any((made / ".venv").glob("lib/*/site-packages/*")))
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (made / ".venv/requirements.lock").exists()
    done = run([made / "kvit", "--version"])
    assert (done.returncode, done.stdout) == (0, "kvit 0.1.0\n")
    assert "First start" in done.stderr


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_a_folder_that_is_not_ours_is_not_touched(tmp_path: Path) -> None:
    made = copy_checkout(tmp_path / "kvit")
    own = made / ".venv"
    own.mkdir()
    (own / "precious").write_text("mine")
    done = run([made / "kvit", "--version"])
    assert done.returncode == 1
    assert "was not made by Kvit" in done.stderr
    assert [path.name for path in own.iterdir()] == ["precious"]


def test_without_a_python_that_is_new_enough_it_says_so_in_plain_words(tmp_path: Path) -> None:
    made = copy_checkout(tmp_path / "kvit")
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 3 9 /usr/bin/python3.9\n")
    old.chmod(0o755)
    english = run([made / "kvit", "--version"], KVIT_PYTHON=str(old))
    russian = run([made / "kvit", "--version"], KVIT_PYTHON=str(old), KVIT_LANG="ru")
    assert (english.returncode, russian.returncode) == (1, 1)
    assert "needs Python 3.11 or newer" in english.stderr
    assert "Нужен Python 3.11 или новее" in russian.stderr
    assert "Traceback" not in english.stderr
    assert not (made / ".venv").exists()


def test_what_is_current_is_left_alone(checkout: Path) -> None:
    lock = checkout / ".venv/requirements.lock"
    before = lock.stat().st_mtime_ns
    words = [sys.executable, ROOT / "deploy/install.py", checkout, checkout / ".venv", lock.name]
    done = run(words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert lock.stat().st_mtime_ns == before
