"""The command line: `kvit COMMAND`, each command a module of this package.

A command module has `add_arguments(parser)` and `run(args) -> int` (the exit status), and is
imported only when it is called. Commands that need the database call `ground.ready()` first, so
that `--help`, `--version` and `quote` start without Django.
"""

import argparse
import difflib
import os
import sys
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

import kvit
from kvit.core.wording import Words, say
from kvit.platform.failures import Failure
from kvit.web.called import name as called
from kvit.web.called import typeable
from kvit.web.cli.language import either, language
from kvit.web.cli.misused import in_russian
from kvit.web.troubles import FULL

OK, FAILED, MISUSED, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

WORDS: Words = {
    "usage": ("Использование: kvit КОМАНДА [параметры]", "Usage: kvit COMMAND [options]"),
    "about": (
        "Квит: биллинг и расчёты с точностью до копейки.",
        "Kvit: billing exact to the kopeck.",
    ),
    "more": (
        "Параметры команды: kvit КОМАНДА --help. Язык: KVIT_LANG=ru или en.",
        "Options of a command: kvit COMMAND --help. Language: KVIT_LANG=ru or en.",
    ),
    "unknown": ("Нет команды «{name}». {hint}", "There is no command '{name}'. {hint}"),
    "suggest": ("Возможно, {name}?", "Did you mean {name}?"),
    "see_help": ("Все команды: kvit --help", "All commands: kvit --help"),
    "database_left": (
        "База данных не закончила работу: {reason}\nЗапустите команду ещё раз: что записано,"
        " второй раз не запишется.",
        "The database did not finish its work: {reason}\nRun the command again: what is written"
        " is not written twice.",
    ),
    "disk_full": (
        "На диске нет места ({reason}). Освободите его и запустите команду ещё раз: что записано,"
        " цело и второй раз не запишется.",
        "The disk is full ({reason}). Free some of it and run the command again: what is written is"
        " whole, and is not written twice.",
    ),
    "interrupted": ("Прервано.", "Interrupted."),
    "start": ("Начать", "Begin"),
    "money": ("Деньги и объяснения", "Money and explanations"),
    "keep": ("Содержать", "Keep"),
    "build": ("Разрабатывать", "Develop"),
}


@dataclass(frozen=True, slots=True)
class Command:
    """A line of `kvit --help`; its module is named after it."""

    name: str
    group: str  # a key of WORDS
    russian: str
    english: str


COMMANDS = (
    Command("demo", "start", "выставить счета показательной компании", "bill the demo company"),
    Command("serve", "start", "открыть рабочее место и API", "serve the office and the API"),
    Command("new", "start", "создать свою компанию по образцу", "make a company from a preset"),
    Command("bill", "money", "выставить счета по папке компании", "bill a company's folder"),
    Command("quote", "money", "рассчитать цены из JSON без базы", "price JSON without a database"),
    Command("explain", "money", "показать, из чего сложилась сумма", "open a sum to its events"),
    Command("approve", "money", "утвердить или отклонить черновики", "issue or refuse drafts"),
    Command("correct", "money", "исправить или аннулировать счёт", "credit, debit or void"),
    Command("amend", "money", "изменить подписки", "change subscriptions"),
    Command("preview", "money", "показать будущие счета", "show the bills to come"),
    Command("usage", "money", "что ждёт и что в споре; отменить, решить",
            "what waits or is in dispute; undo, decide"),
    Command("books", "money", "ведомость, карточка счёта, долги",
            "trial balance, account card, receivables"),
    Command("verify", "money", "пересчитать и сверить всё в базе", "recompute every invariant"),
    Command("db", "keep", "база данных: запуск, копии, восстановление",
            "the database: start, stop, backups"),
    Command("run", "keep", "запустить одну роль: web, worker, rating …",
            "run one role: web, worker, rating …"),
    Command("user", "keep", "пригласить сотрудника, новая ссылка", "invite staff, a new link"),
    Command("key", "keep", "ключи API: выпустить, показать, отозвать",
            "API keys: make, show, revoke"),
    Command("settings", "keep", "показать настройки", "print the settings"),
    Command("check", "build", "проверить код: формат, типы, слои", "check format, types, layers"),
    Command("screens", "build", "снять картинки всех страниц", "take pictures of all pages"),
    Command("test", "build", "запустить тесты", "run the tests"),
    Command("prove", "build", "доказать: ни копейки не теряется и не удваивается",
            "prove that no kopeck is lost or doubled"),
    Command("conformance", "build", "проверить, что движки SQL считают как Квит",
            "check that SQL engines rate as Kvit does"),
    Command("bench", "build", "измерить скорость рядом с другими", "time a part beside a peer"),
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; expected failures are printed, not raised."""
    words = list(sys.argv[1:] if argv is None else argv)
    # Rules of time zones come with Kvit (tzdata is locked), not from the machine it runs on.
    os.environ["PYTHONTZPATH"] = ""
    zoneinfo.reset_tzpath(to=())
    lang = language()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no rouble sign shows "?" in its place: better than an end in midst.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return _dispatch(words, lang)
    except Failure as error:
        print(typeable(error.text(lang)), file=sys.stderr)
        return FAILED
    except database_failures() as error:
        print(typeable(say(WORDS, "database_left", lang, reason=error)), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(say(WORDS, "interrupted", lang), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Who read us has left (`kvit … | head`): nothing more can be said, the exit flush included.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        if error.errno not in FULL:
            raise
        print(typeable(say(WORDS, "disk_full", lang, reason=error)), file=sys.stderr)
        return FAILED


def database_failures() -> tuple[type[Exception], ...]:
    """Return what a database raises that stopped, is full or has no room for us; nothing where no
    command has loaded it."""
    modules = (sys.modules.get(name) for name in ("django.db", "psycopg"))
    return tuple(module.OperationalError for module in modules if module is not None)


def _dispatch(words: list[str], lang: str) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(typeable(help_text(lang)))
        return OK
    if words[0] in ("-V", "--version"):
        print(f"kvit {kvit.__version__}")
        return OK
    name, rest = words[0], words[1:]
    known = next((command for command in COMMANDS if command.name == name), None)
    if known is None:
        print(typeable(_unknown(name, lang)), file=sys.stderr)
        return MISUSED
    module = import_module(f"kvit.web.cli.{name}")
    if getattr(module, "PASSES_ARGUMENTS_ON", False):
        args = argparse.Namespace(arguments=rest)
    else:
        parser = _Parser(
            prog=f"{called()} {name}", description=either(known.russian, known.english)
        )
        module.add_arguments(parser)
        args = parser.parse_args(rest)
    try:
        status: int = module.run(args)
    finally:
        sys.stdout.flush()
    return status


def help_text(lang: str) -> str:
    """Return the page of `kvit --help`."""
    lines = [say(WORDS, "about", lang), "", say(WORDS, "usage", lang)]
    for group in dict.fromkeys(command.group for command in COMMANDS):
        lines += ["", f"{say(WORDS, group, lang)}:"]
        lines += [
            f"  {command.name:<12}{either(command.russian, command.english)}"
            for command in COMMANDS
            if command.group == group
        ]
    return "\n".join([*lines, "", say(WORDS, "more", lang)])


def _unknown(name: str, lang: str) -> str:
    near = difflib.get_close_matches(name, [command.name for command in COMMANDS], n=1)
    hint = say(WORDS, "suggest", lang, name=f"kvit {near[0]}") if near else ""
    hint = f"{hint} {say(WORDS, 'see_help', lang)}".strip()
    return say(WORDS, "unknown", lang, name=name, hint=hint)


class _Parser(argparse.ArgumentParser):
    """Argparse in the reader's language, and without abbreviated options.

    An abbreviation that works today breaks somebody's script when a longer option appears.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, add_help=False, **kwargs)
        self._positionals.title = either("что", "arguments")
        self._optionals.title = either("параметры", "options")
        self.add_argument(
            "-h", "--help", action="help", help=either("показать эту справку", "show this help")
        )

    def format_usage(self) -> str:
        return super().format_usage().replace("usage:", either("использование:", "usage:"), 1)

    def format_help(self) -> str:
        return super().format_help().replace("usage:", either("использование:", "usage:"), 1)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(MISUSED, f"{self.prog}: {either(in_russian(message), message)}\n")
