"""Rules of the house that a linter does not see; each names the places that break it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from django.apps import apps
from django.db import models

from kvit.platform.tenancy import TenantModel

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "kvit"
LAYERS = (
    ("core",),
    ("platform",),
    ("parties",),
    ("catalog", "ledger"),
    ("metering", "subscriptions"),
    ("rating",),
    ("invoicing", "payments"),
    ("receivables",),
    ("documents", "integrations", "notifications"),
    ("audit", "insight"),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
LONGEST_FILE, LONGEST_FUNCTION, DEEPEST = 500, 70, 3
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "managers", "manager", "base",
                          "common", "misc", "shared"}  # fmt: skip
# Django looks for the backend's connection in a module of this name.
NAMES_GIVEN_BY_OTHERS = {"platform/db/base.py"}
# What runs other people's code and answers for it: a job, a handler of events.
RUNNERS = {"platform/jobs.py", "platform/consumers.py"}


def sources() -> list[Path]:
    found = [p for p in SOURCE.rglob("*.py") if p.name != "0001_initial.py"]
    assert len(found) > 20
    return found


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(), str(path)))


def own_models() -> list[type[models.Model]]:
    return [m for m in apps.get_models() if m.__module__.startswith("kvit.")]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("kvit", cache_dir=None)


def test_models_are_imported_by_their_own_context_alone(graph: grimp.ImportGraph) -> None:
    strangers = [
        f"{importer} imports {module}"
        for module in graph.modules
        if (found := re.fullmatch(r"kvit\.(\w+)\.models(\..*)?", module))
        for importer in graph.find_modules_that_directly_import(module)
        if not importer.startswith(f"kvit.{found[1]}.")
    ]
    assert strangers == []


def test_private_modules_are_imported_by_their_own_package_alone(graph: grimp.ImportGraph) -> None:
    strangers = [
        f"{importer} imports {module}"
        for module in graph.modules
        if module.rpartition(".")[2].startswith("_") and not module.endswith("__main__")
        for importer in graph.find_modules_that_directly_import(module)
        if not f"{importer}.".startswith(f"{module.rpartition('.')[0]}.")
    ]
    assert strangers == []


def test_imports_go_down_the_layers() -> None:
    from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

    config = str(ROOT / "pyproject.toml")
    assert lint_imports(config_filename=config, no_cache=True) == EXIT_STATUS_SUCCESS


def test_foreign_keys_point_down_the_layers() -> None:
    upward = [
        f"{model._meta.label}.{field.name} points at {target}"
        for model in own_models()
        for field in model._meta.local_fields
        if field.remote_field is not None
        and (target := field.remote_field.model._meta.app_label) != model._meta.app_label
        and not RANK.get(target, 0) < RANK[model._meta.app_label]
    ]
    assert upward == []


def test_no_foreign_key_enters_or_leaves_metering() -> None:
    crossing = [
        f"{model._meta.label}.{field.name}"
        for model in own_models()
        for field in model._meta.local_fields
        if field.remote_field is not None
        for labels in [{model._meta.app_label, field.remote_field.model._meta.app_label}]
        if "metering" in labels and len(labels) > 1
    ]
    assert crossing == []


def test_what_is_unique_is_unique_within_a_tenant() -> None:
    loose = [
        f"{model._meta.label}: {constraint.name}"
        for model in own_models()
        if issubclass(model, TenantModel)
        for constraint in model._meta.constraints
        if isinstance(constraint, models.UniqueConstraint)
        and constraint.fields[:1] != ("tenant_id",)
    ]
    loose += [
        f"{model._meta.label}.{field.name}"
        for model in own_models()
        if issubclass(model, TenantModel)
        for field in model._meta.local_fields
        if field.unique and not field.primary_key
    ]
    assert loose == []


def test_files_functions_and_folders_stay_small() -> None:
    large = []
    for path in sources():
        lines = len(path.read_text().splitlines())
        if lines > LONGEST_FILE:
            large.append(f"{name_of(path)}: {lines} lines")
        if len(path.relative_to(SOURCE).parts) - 1 > DEEPEST:
            large.append(f"{name_of(path)}: too deep")
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    large.append(f"{name_of(path)}: {node.name} has {length} lines")
    assert large == []


def test_modules_are_named_after_their_topic() -> None:
    vague = {
        name_of(path)
        for path in sources()
        if path.stem in NAMES_THAT_SAY_NOTHING or path.parent.name in NAMES_THAT_SAY_NOTHING
    }
    assert vague == NAMES_GIVEN_BY_OTHERS


def test_nothing_is_caught_blindly() -> None:
    blind = [
        f"{name_of(path)}:{node.lineno}"
        for path in sources()
        if name_of(path) not in RUNNERS
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler) and catches_all(node)
    ]
    assert blind == []


def catches_all(handler: ast.ExceptHandler) -> bool:
    """`except:`, and Exception or BaseException unless it only tidies up and raises again."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    if handler.type is not None and not names & {"Exception", "BaseException"}:
        return False
    last = handler.body[-1]
    return not (isinstance(last, ast.Raise) and last.exc is None)


def test_no_float_in_the_core() -> None:
    """A forecast is shown and never posted: the one place where float is at home."""
    floats = [
        f"{name_of(path)}:{node.lineno}"
        for path in sources()
        if name_of(path).startswith("core/") and not name_of(path).startswith("core/forecast/")
        for node in nodes(path)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "float"
        )
    ]
    assert floats == []


def test_no_float_in_the_database() -> None:
    floats = [
        f"{model._meta.label}.{field.name}"
        for model in own_models()
        for field in model._meta.local_fields
        if isinstance(field, models.FloatField)
    ]
    assert floats == []


def test_time_and_tenant_are_never_set_behind_our_back() -> None:
    """No `auto_now`, no signal, no session-wide setting, no hidden write in `save()`."""
    found = []
    for path in sources():
        text = path.read_text()
        for pattern in (
            r"auto_now",
            r"django\.(db\.models|core|dispatch).*(signals|receiver)",
            r"set_config\([^)]*,\s*false\)",
        ):
            found += [f"{name_of(path)}: {hit[0]}" for hit in re.finditer(pattern, text)]
        if path.name == "models.py" or path.parent.name == "models":
            found += [
                f"{name_of(path)}: {node.name}"
                for node in nodes(path)
                if isinstance(node, ast.FunctionDef) and node.name in {"save", "delete", "clean"}
            ]
    assert found == []


def test_every_context_says_what_it_is() -> None:
    """A README of one screen: owns, does not own, hears, tells, words, always true."""
    words = ("owns", "does not own", "hears", "tells", "words", "always true")
    lacking = []
    for app in apps.get_app_configs():
        if not app.name.startswith("kvit.") or app.label == "platform":
            continue
        readme = Path(app.path) / "README.md"
        text = readme.read_text().lower() if readme.exists() else ""
        lacking += [f"{app.label}: {word}" for word in words if word not in text]
    assert lacking == []
