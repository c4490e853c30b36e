"""`kvit db …`: the database as its operator sees it."""

import argparse
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from kvit.core.wording import say
from kvit.platform import backup, connection, durability, epoch, provision, settings
from kvit.platform.db.roles import APP_ROLE, OWNER_ROLE, Access
from kvit.platform.embedded import server
from kvit.platform.embedded.binaries import NoBinaries, program
from kvit.platform.embedded.folder import DataFolder
from kvit.platform.failures import Failure
from kvit.web.called import typeable
from kvit.web.cli.ground import database, tell
from kvit.web.cli.language import either, language

WORDS = {
    "external": (
        "База внешняя (DATABASE_URL): запускает и останавливает её ваш администратор.",
        "The database is an external one (DATABASE_URL): your administrator starts and stops it.",
    ),
    "started": (
        "PostgreSQL работает, пока её не остановит kvit db stop.",
        "PostgreSQL runs until kvit db stop.",
    ),
    "stopped": ("PostgreSQL остановлена.", "PostgreSQL is stopped."),
    "was_stopped": ("PostgreSQL и так не работала.", "PostgreSQL was not running."),
    "no_psql": ("Не найдена программа psql.", "The program psql was not found."),
    "saved": (
        "Копия: {path} (документов: {files}, {size} МБ).",
        "Backup: {path} (documents: {files}, {size} MB).",
    ),
    "restored": (
        "Восстановлено из {path}; эпоха {epoch}. Исполнители стоят: проверьте данные и отпустите их"
        " командой kvit db resume.",
        "Restored from {path}; epoch {epoch}. Workers stand still: look at the data, then let them"
        " go on by kvit db resume.",
    ),
    "resumed": ("Исполнители работают дальше.", "Workers go on."),
    "was_resumed": ("Исполнители и так не стояли.", "Workers were not held."),
    "workers": ("исполнители", "workers"),
    "held": ("стоят после восстановления: kvit db resume", "held after a restore: kvit db resume"),
    "prepared": (
        "Роли и база готовы. Впишите в окружение (пароли новые, прежние больше не действуют):",
        "Roles and database are ready. Put into the environment (new passwords, the former ones"
        " are void):",
    ),
    "pid": ("процесс", "process"),
    "state": ("состояние", "state"),
    "version": ("версия", "version"),
    "data": ("папка данных", "data folder"),
    "free": ("свободно на диске", "free on disk"),
    "reserve": ("запас на полный диск", "reserve for a full disk"),
    "stays": ("до kvit db stop", "until kvit db stop"),
    "lingers": ("до ухода последней команды", "until the last command leaves"),
    "running": ("работает", "running"),
    "starting": ("запускается", "starting"),
    "not_running": ("не работает", "not running"),
}


class CannotDo(Failure):
    """The action makes no sense here."""

    words = WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, russian: str, english: str) -> argparse.ArgumentParser:
        text = either(russian, english)
        return actions.add_parser(name, help=text, description=text)

    add("start", "запустить и не останавливать", "start, and do not stop by itself")
    add("stop", "остановить", "stop")
    status = add("status", "состояние и надёжность", "state and durability")
    status.add_argument("--json", action="store_true", help=either("объект JSON", "a JSON object"))
    shell = add("shell", "psql; только чтение", "psql; read only")
    shell.add_argument("-c", "--command", help=either("выполнить и выйти", "run this and leave"))
    shell.add_argument("--write", action="store_true", help=either("можно менять", "may change"))
    shell.add_argument(
        "--app",
        action="store_true",
        help=either("под ролью kvit_app, а не владельца", "as kvit_app, not as the owner"),
    )
    save = add("backup", "резервная копия базы и документов", "back up database and documents")
    save.add_argument("--to", type=Path, metavar="DIR", help=either("новая папка", "a new folder"))
    back = add("restore", "восстановить из копии", "restore from a backup")
    back.add_argument("source", type=Path, metavar="DIR")
    back.add_argument(
        "--force", action="store_true", help=either("заменить имеющиеся данные", "replace data")
    )
    add("resume", "отпустить исполнителей после restore", "let workers go on after a restore")
    init = add("init", "создать роли и базу на своей PostgreSQL", "make roles on your PostgreSQL")
    init.add_argument("--admin-url", required=True, metavar="URL")
    init.add_argument("--database", default="kvit")


def run(args: argparse.Namespace) -> int:
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "start": _start,
        "stop": _stop,
        "status": _status,
        "shell": _shell,
        "backup": _backup,
        "restore": _restore,
        "resume": _resume,
        "init": _init,
    }
    return actions[args.action](args)


def _say(key: str, **params: object) -> None:
    print(typeable(say(WORDS, key, language(), **params)))


def _folder() -> DataFolder:
    """The folder of the embedded server; refuses where another server is used."""
    known = settings.load()
    if known.database_url is not None:
        raise CannotDo("external")
    return DataFolder(known.data)


def _start(_: argparse.Namespace) -> int:
    folder = _folder()
    folder.create()
    folder.keep.touch()
    folder.give_to_owner(folder.keep)
    database()
    _say("started")
    return 0


def _stop(_: argparse.Namespace) -> int:
    _say("stopped" if server.stop(_folder(), report=tell) else "was_stopped")
    return 0


def _status(args: argparse.Namespace) -> int:
    known = settings.load()
    facts: dict[str, object] = {}
    if known.database_url is None:
        folder = DataFolder(known.data)
        seen = server.status(folder)
        facts["state"] = "running" if seen.ready else "starting" if seen.pid else "not_running"
        facts["data"] = str(folder.root)
        if seen.pid is not None:
            facts |= {"pid": seen.pid, "stays": seen.stays}
        if folder.root.exists():
            usage = shutil.disk_usage(folder.root)
            facts["free"] = f"{usage.free // 2**20} MB ({100 * usage.free // usage.total} %)"
            facts["reserve"] = folder.reserve.exists()
        access = server.access_of(folder) if seen.ready else None
    else:
        access = connection.external(known)
        facts["state"] = "running"
    if access is not None:
        facts |= _seen_from_inside(access)
    if args.json:
        print(json.dumps(facts, ensure_ascii=False))
    else:
        _print_facts(facts)
    return 0 if facts["state"] == "running" else 1


def _seen_from_inside(access: Access) -> dict[str, object]:
    with psycopg.connect(connection.conninfo(access, APP_ROLE), connect_timeout=10) as inside:
        version = inside.info.parameter_status("server_version")
        read = durability.read(inside)
    held = {"workers": "held"} if epoch.epoch(access, APP_ROLE).is_held else {}
    return {"version": version, **held, **read}


def _print_facts(facts: dict[str, object]) -> None:
    lang = language()
    for name, value in facts.items():
        label = say(WORDS, name, lang) if name in WORDS else name
        if name == "stays":
            value = typeable(say(WORDS, "stays" if value else "lingers", lang))
            label = say(WORDS, "running", lang)
        elif isinstance(value, bool):
            value = either("есть", "yes") if value else either("нет", "no")
        elif isinstance(value, str) and value in WORDS:
            value = say(WORDS, value, lang)
        print(f"{label}: {value}")


def _shell(args: argparse.Namespace) -> int:
    access = database()
    role = APP_ROLE if args.app else OWNER_ROLE
    try:
        psql = str(program("psql"))
    except NoBinaries:
        found = shutil.which("psql")
        if found is None:
            raise CannotDo("no_psql") from None
        psql = found
    environment = {
        **os.environ,
        "PGHOST": access.host,
        "PGPORT": str(access.port),
        "PGDATABASE": access.database,
        "PGUSER": role,
        "PGPASSWORD": access.app_password if args.app else access.owner_password,
        "PGOPTIONS": "" if args.write else "-c default_transaction_read_only=on",
        **{f"PG{name.upper()}": value for name, value in access.options.items()},
    }
    words = [psql, "--no-psqlrc", *(["-c", args.command] if args.command else [])]
    # A child, not an exec: this process goes on counting as a user of the server.
    return subprocess.run(words, env=environment, check=False).returncode


def _backup(args: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    target = args.to or Path(f"kvit-{now:%Y%m%dT%H%M%SZ}")
    manifest = backup.back_up(
        database(), DataFolder(settings.load().data).files, target.absolute(), now=now
    )
    size = round(sum(item.bytes for item in manifest.items.values()) / 2**20, 1)
    _say("saved", path=target, files=len(manifest.items) - 1, size=size)
    return 0


def _restore(args: argparse.Namespace) -> int:
    folder = DataFolder(settings.load().data)
    access = database()
    folder.create()  # documents lie here even when the database is an external one
    number = backup.restore(access, folder.files, args.source.absolute(), force=args.force)
    _say("restored", path=args.source, epoch=number)
    return 0


def _resume(_: argparse.Namespace) -> int:
    _say("resumed" if epoch.resume(database()) else "was_resumed")
    return 0


def _init(args: argparse.Namespace) -> int:
    access = provision.prepare_external(args.admin_url, database=args.database)
    _say("prepared")
    print(f"DATABASE_URL={provision.url(access, APP_ROLE)}")
    print(f"KVIT_OWNER_DATABASE_URL={provision.url(access, OWNER_ROLE)}")
    return 0
