"""Locks without addresses, versions in step, and nothing used that is not declared."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-extras.lock")
# What a declared package is made of and speaks in: it is there as long as that package is.
PARTS = {
    "asgiref": "django",
    "pydantic": "pydantic-settings, django-ninja",
    "pydantic_core": "pydantic-settings, django-ninja",
}
PINNED = re.compile(r"^([a-z0-9-]+)==([^\s;\\]+)", re.MULTILINE)


def declared(kind: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = (
        project["project"]["dependencies"] if kind == "run" else project["dependency-groups"][kind]
    )
    return {re.split(r"[\[~=<>!]", line)[0].strip() for line in lines}


def extras() -> set[str]:
    """Packages of optional features: imported inside the function that says what is missing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {name for many in project["project"]["optional-dependencies"].values() for name in many}


def versions(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in PINNED.findall((ROOT / lock).read_text()):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "index-url" not in text
    for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_all_locks_agree_on_versions(lock: str) -> None:
    run, other = versions("requirements.lock"), versions(lock)
    assert {name: other.get(name) for name in run} == run


def test_every_declared_package_is_locked_and_explained() -> None:
    page = (ROOT / "docs/reference/dependencies.md").read_text()
    for kind, lock in (("run", "requirements.lock"), ("dev", "requirements-dev.lock")):
        for name in declared(kind):
            row = re.search(rf"^\| {re.escape(name)} \| ([^|]+) \|", page, re.MULTILINE)
            assert row, f"{name} is not explained"
            for version in versions(lock)[name]:
                assert version in row[1], f"{name}: the page says {row[1]}, the lock {version}"


def test_the_page_explains_nothing_that_is_not_declared() -> None:
    page = (ROOT / "docs/reference/dependencies.md").read_text()
    rows = re.findall(r"^\| ([a-z0-9-]+) \| [0-9]", page, re.MULTILINE)
    assert set(rows) == declared("run") | declared("dev")


def test_sources_import_only_what_running_declares() -> None:
    names: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    foreign = names - sys.stdlib_module_names - {"kvit"}
    providers = importlib.metadata.packages_distributions()
    owners = {
        name: {p.lower().replace("_", "-") for p in providers.get(name, [])} for name in foreign
    }
    undeclared = {name for name, found in owners.items() if not found & declared("run")}
    assert undeclared <= set(PARTS) | extras()
