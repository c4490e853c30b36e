"""By which migrations a database was made: the hash of each, in the comment of Django's own list.

Django remembers the names of migrations alone. Until the first release they are written anew under
the same names, and a database of an earlier day would pass for a current one.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

_LIST = "django_migrations"


def made_otherwise(loader: MigrationLoader) -> str:
    """Return the first applied migration that says something else now; "" when none does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass(%s) IS NOT NULL, obj_description(to_regclass(%s))", [_LIST, _LIST]
        )
        stands, comment = cursor.fetchone()
    if not stands:
        return ""
    told = json.loads(comment) if comment else {}
    applied = {f"{app}.{name}" for app, name in loader.applied_migrations}
    changed = (name for name, said in _ours(loader) if name in applied and told.get(name) != said)
    return next(changed, "")


def stamp(loader: MigrationLoader) -> None:
    """Write what the migrations say, as the owner, before they are applied: who looks meanwhile
    finds the list with its stamp or no list at all."""
    with transaction.atomic():
        MigrationRecorder(connection).ensure_schema()
        with connection.cursor() as cursor:
            cursor.execute(f"COMMENT ON TABLE {_LIST} IS %s", [json.dumps(dict(_ours(loader)))])


def _ours(loader: MigrationLoader) -> Iterator[tuple[str, str]]:
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if migration.__module__.startswith("kvit."):
            source = Path(str(sys.modules[migration.__module__].__file__)).read_text("utf-8")
            # The first line of a generated one tells when it was made, and nothing else.
            said = "\n".join(line for line in source.splitlines() if not line.startswith("#"))
            yield f"{app}.{name}", hashlib.sha256(said.encode()).hexdigest()[:16]
