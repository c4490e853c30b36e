"""A wheel stands by itself: pages, catalogues, presets and the demo are in it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).parent / "uv"
EXPECTED = {
    "kvit/web/static/dist/tabler.css", "kvit/web/static/dist/htmx.js",
    "kvit/web/icons/home.svg", "kvit/web/static/kvit/tokens.css",
    "kvit/web/templates/base.html", "kvit/web/locale/ru/LC_MESSAGES/django.mo",
    "kvit/web/presets/saas/catalogue.toml", "kvit/examples/severny-kontur/company.toml",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None:
        pytest.skip("no npm here: a wheel needs the pages' packages")
    target = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [str(UV), "build", "--wheel", "-o", str(target), str(ROOT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return next(target.glob("*.whl"))


@pytest.mark.slow
def test_a_wheel_holds_what_a_checkout_makes(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert names >= EXPECTED
    assert [name for name in names if "axe.js" in name or "node_modules" in name] == []


@pytest.mark.slow
def test_what_was_installed_finds_its_pages_without_a_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path)
    code = (
        "from kvit.web import assets, examples; print(assets.are_built(), assets.LOCK.is_file(),"
        " examples.example('severny-kontur').is_dir())"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env={"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["True", "False", "True"], done.stderr
