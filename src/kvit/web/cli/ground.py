"""What a command needs under its feet: a database that runs, is migrated, and Django on it.

from kvit.web.cli.ground import ready

def run(args):
    ready()
    from kvit.invoicing import services   # models may be imported from here on
"""

import gc
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from kvit.core.wording import say
from kvit.platform import connection, files, settings
from kvit.platform.db import roles
from kvit.platform.db.roles import Access
from kvit.platform.embedded import server
from kvit.platform.embedded.folder import DataFolder
from kvit.web import translation
from kvit.web.called import typeable
from kvit.web.cli.language import language

GC_THRESHOLDS = (10_000, 50, 50)
LOW_BYTES = 2 * 1024**3
WORDS = {
    "low_disk": (
        "На диске с {path} осталось {free} МБ: освободите место, пока база работает.",
        "Only {free} MB are left on the disk of {path}: free some while the database still works.",
    ),
}


def ready() -> None:
    """Start what has to be started; may be called again, and then does nothing.

    Raises:
        Failure: there is no usable database; the text says what to do.
        UnsafeSchema: the database does not keep tenants apart.
    """
    import django
    from django.apps import apps

    if apps.ready:
        return
    roles.use(database())
    files.use(DataFolder(settings.load().data).files)
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvit.web.settings"
    translation.ensure_compiled()
    django.setup()

    from kvit.platform.migrate import migrate_as_owner

    migrate_as_owner()
    # What is loaded by now lives as long as the process, and a bill run makes millions of objects
    # without a cycle: looking through all of them again and again took a quarter of its time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def database() -> Access:
    """Return the access of a running database, without Django; tells on stderr what takes time."""
    known = settings.load()
    access = connection.ensure(known, report=tell)
    if known.database_url is None:
        warn_of_low_disk(known.data)
    return access


def tell(key: str, **params: Any) -> None:
    """Say on stderr what the server is at."""
    tell_text(say(server.WORDS, key, language(), **params))


def tell_text(text: str) -> None:
    """Say on stderr what is done or waited for."""
    print(typeable(text), file=sys.stderr, flush=True)


def warn_of_low_disk(path: Path) -> None:
    """Warn while there is still time: a database on a full disk stops."""
    usage = shutil.disk_usage(path)
    if usage.free < min(LOW_BYTES, usage.total // 10):
        tell_text(say(WORDS, "low_disk", language(), path=path, free=usage.free // 2**20))
