"""Two versions at work on one database: what the former one left and writes, the newer one takes.

`./kvit prove upgrade` runs the former code itself. What is held here every day is what it relies
on: jobs that it left in the queue, and rows that it writes without knowing the columns of a later
migration.
"""

import inspect
import subprocess
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddField, CreateModel
from django.db.models.fields import NOT_PROVIDED
from procrastinate.contrib.django import app

from kvit.web import nightly, retention, sealing  # noqa: F401 - with the jobs of workers
from kvit.web.prove.upgrade import former_ref

# Names and arguments as they stand in queues: a line is added, none is changed or taken away.
LEFT = {
    "integrations.webhooks.replay": {"endpoint", "since", "until", "topics"},
    "integrations.webhooks.send": {"endpoint"},
    "invoicing.look": set(),
    "invoicing.merge": set(),
    "invoicing.order": {"order"},
    "invoicing.order.issue": {"order"},
    "invoicing.order.rate": {"order"},
    "ledger.log": set(),
    "ledger.merge": set(),
    "parties.alarm": {"who", "right", "what", "origin"},
    "parties.journal": set(),
    "rating.simulate": {"simulation"},
    "web.forget_old": set(),
    "web.release": set(),
    "web.seal": set(),
    "web.verify": set(),
}


def test_a_job_that_a_former_version_left_is_done_by_this_one() -> None:
    unknown = sorted(LEFT.keys() - app.tasks.keys())
    assert unknown == []
    for name, left in LEFT.items():
        does: Any = inspect.getclosurevars(app.tasks[name].func).nonlocals["function"]
        asked = inspect.signature(does).parameters
        assert left <= asked.keys(), name
        needed = {key for key, one in asked.items() if one.default is inspect.Parameter.empty}
        assert needed - {"now"} <= left, name


def test_a_row_of_a_former_version_stands_without_the_columns_of_a_later_one() -> None:
    ours = {one.label for one in apps.get_app_configs() if one.name.startswith("kvit.")}
    loader = MigrationLoader(None)
    refused, added = [], 0
    for (label, name), migration in loader.disk_migrations.items():
        made = {one.name.lower() for one in migration.operations if isinstance(one, CreateModel)}
        for one in migration.operations:
            if label in ours and isinstance(one, AddField) and one.model_name.lower() not in made:
                field: models.Field[Any, Any] = one.field
                added += 1
                if not field.null and field.db_default is NOT_PROVIDED:
                    refused.append(f"{label}.{name}: {one.model_name}.{one.name}")
    assert refused == []
    assert added > 10


def test_the_former_code_is_the_last_tag_or_the_one_before_the_last_migration(
    tmp_path: Path,
) -> None:
    assert former_ref(tmp_path) == ""  # as of an installed wheel: nothing can be set beside it

    def git(*words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        done = subprocess.run(
            ["git", "-C", tmp_path, *who, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(path: str) -> str:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
        git("add", "-A")
        git("commit", "-qm", path)
        return git("rev-parse", "HEAD")

    git("init", "-q")
    before = commit("src/kvit/x/services.py")
    assert former_ref(tmp_path) == ""
    commit("src/kvit/x/migrations/0001_initial.py")
    commit("src/kvit/x/queries.py")
    assert former_ref(tmp_path) == before
    git("tag", "v1", before)
    commit("src/kvit/x/events.py")
    assert former_ref(tmp_path) == "v1"
