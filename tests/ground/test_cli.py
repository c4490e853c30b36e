"""The command line as a person meets it: help, languages, mistakes, broken pipes."""

import errno
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kvit.platform.failures import Failure
from kvit.web import cli, serving
from kvit.web.called import typeable

KVIT = [sys.executable, "-P", "-m", "kvit"]


def kvit(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "KVIT_LANG": "en", **variables}
    return subprocess.run(
        [*KVIT, *words], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["quote", "--help"]])
def test_light_commands_import_no_heavy_package(words: list[str]) -> None:
    code = (
        "import sys; from kvit.web.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit: pass\n"
        "print(sorted({'django', 'psycopg', 'pyarrow', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_help_names_every_command_in_both_languages() -> None:
    for lang, word in (("ru", "Использование"), ("en", "Usage")):
        shown = kvit("--help", KVIT_LANG=lang).stdout
        assert word in shown
        for command in cli.COMMANDS:
            assert f"  {command.name}" in shown
            assert (command.russian if lang == "ru" else command.english) in shown


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_every_command_of_the_table_stands(command: cli.Command) -> None:
    module = importlib.import_module(f"kvit.web.cli.{command.name}")
    assert callable(module.run)
    assert callable(getattr(module, "add_arguments", None)) or module.PASSES_ARGUMENTS_ON


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"KVIT_LANG": "ru", "LANG": "en_US.UTF-8"}, "Использование"),
        (
            {"KVIT_LANG": "", "LC_ALL": "", "LC_MESSAGES": "", "LANG": "ru_RU.UTF-8"},
            "Использование",
        ),
        ({"KVIT_LANG": "", "LC_ALL": "C", "LANG": "ru_RU.UTF-8"}, "Usage"),
        ({"KVIT_LANG": "en", "LANG": "ru_RU.UTF-8"}, "Usage"),
    ],
)
def test_the_language_follows_the_locale_unless_said_otherwise(
    variables: dict[str, str], word: str
) -> None:
    assert word in kvit("--help", **variables).stdout


def test_an_unknown_command_gets_a_suggestion() -> None:
    done = kvit("verfy")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean kvit verify?" in done.stderr


@pytest.mark.parametrize(
    ("called", "text", "typed"),
    [
        ("", "Next: kvit bill DIR", "Next: kvit bill DIR"),
        ("./kvit", "kvit bill DIR, then kvit --help.", "./kvit bill DIR, then ./kvit --help."),
        ("./kvit", "with `kvit db backup`", "with `./kvit db backup`"),
        ("", "run ./kvit new DIR", "run kvit new DIR"),
        ("/my disk/kvit", "run ./kvit new DIR", "run '/my disk/kvit' new DIR"),
        ("./kvit", "a folder /opt/kvit stands, and Kvit is its name", None),
        ("./kvit", "src/kvit bill.kvit bill", None),
    ],
)  # fmt: skip
def test_a_suggested_command_can_be_typed_here(
    monkeypatch: pytest.MonkeyPatch, called: str, text: str, typed: str | None
) -> None:
    monkeypatch.setenv("KVIT_CALLED_AS", called)
    assert typeable(text) == (typed or text)
    assert typeable(typeable(text)) == typeable(text)


def test_hints_name_the_command_as_it_was_called(tmp_path: Path) -> None:
    assert "Did you mean ./kvit verify?" in kvit("verfy", KVIT_CALLED_AS="./kvit").stderr
    done = kvit("bill", str(tmp_path), "--period", "2026-10", KVIT_CALLED_AS="./kvit")
    assert (done.returncode, "./kvit new NEW_FOLDER" in done.stderr) == (2, True)
    assert "or make one: kvit new" in kvit("bill", str(tmp_path), "--period", "2026-10").stderr


def test_a_wrong_option_is_refused_in_the_language_of_the_reader() -> None:
    done = kvit("settings", "--jso", KVIT_LANG="ru")
    assert done.returncode == 2
    assert done.stderr.startswith("использование: kvit settings")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "--port", "99999"], "a whole number from 1 to 65535 is needed, not “99999”"),
        (["run", "web", "--processes", "0"], "from 1 to 256 is needed, not “0”"),
        (["usage", "seal", "--keep-days", "1" * 5_000], "a whole number from 0 to 36500"),
        (["usage", "seal", "--bring-back", "--since", "0001-01-01"], "1970 to 2199"),
        (["bill", ".", "--period", "2026-10", "--now", "0001-01-01"], "“0001-01-01”"),
        (["run", "worker", "--queues", "nowhere"], "'nowhere'"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_at_once(words: list[str], said: str) -> None:
    done = kvit(*words)
    assert (done.returncode, said in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["usage", "seal", "--since", "2026-10-01"], "--bring-back"),
        (["usage", "seal", "--release", "--since", "2026-10-01"], "--bring-back"),
        (["usage", "seal", "--keep-days", "3"], "--release"),
        (["run", "rating", "--queues", "ingest"], "worker"),
    ],
)
def test_an_option_that_would_be_of_no_effect_is_refused(words: list[str], said: str) -> None:
    done = kvit(*words)
    assert (done.returncode, said in done.stderr) == (1, True)


def test_an_address_of_another_machine_is_no_port_that_is_taken() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    for host, code in (("127.0.0.1", "port_taken"), ("192.0.2.1", "not_listened"),
                       ("nowhere.invalid", "not_listened")):  # fmt: skip
        with pytest.raises(serving.NotServed) as caught:
            serving.free_port(host, port, port)
        assert caught.value.code == code
    with pytest.raises(serving.NotServed):
        serving.free_port("127.0.0.1", port, port, shared=True)
    taken.close()


def test_web_servers_of_ours_share_a_port() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert serving.free_port("127.0.0.1", port, port, shared=True) == port


def test_an_expected_failure_is_a_sentence_and_status_one() -> None:
    done = kvit("settings", KVIT_LINGER_S="-1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Setting KVIT_LINGER_S: ")
    assert "Traceback" not in done.stderr


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    from kvit.web.cli import settings

    def crash(_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(settings, "run", crash)
    with pytest.raises(ZeroDivisionError):
        cli.main(["settings"])


def test_a_full_disk_is_a_sentence_and_status_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kvit.web.cli import settings

    def fill(_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("KVIT_LANG", "en")
    monkeypatch.setattr(settings, "run", fill)
    assert cli.main(["settings"]) == 1
    assert capsys.readouterr().err.startswith("The disk is full ([Errno 28] No space left on")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    with subprocess.Popen(
        [*KVIT, "settings", "--reference"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(30) == cli.PIPE_CLOSED
        assert process.stderr.read() == b""


def test_a_terminal_that_knows_few_letters_is_told_what_it_can_show() -> None:
    shown = subprocess.run(
        [*KVIT, "--help"], capture_output=True, text=True, check=False,
        env={**os.environ, "KVIT_LANG": "ru", "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (shown.returncode, "demo" in shown.stdout, "Traceback" in shown.stderr) == (
        0, True, False,
    )  # fmt: skip


def test_an_interrupt_ends_with_a_word_and_status_130(tmp_path: Path) -> None:
    environment = {**os.environ, "KVIT_LANG": "en", "KVIT_DATA": str(tmp_path)}
    code = (  # a background job of a shell inherits an ignored interrupt; a terminal's does not
        "import signal, sys, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from kvit.web import cli\nfrom kvit.web.cli import settings\n"
        "def wait(args):\n    print('waiting', flush=True)\n    time.sleep(60)\n"
        "settings.run = wait\nsys.exit(cli.main(['settings']))"
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == cli.INTERRUPTED
        assert process.stderr.read() == "Interrupted.\n"


def test_zone_rules_come_from_the_locked_package() -> None:
    code = (
        "import zoneinfo\nfrom kvit.web import cli\ncli.main(['--version'])\n"
        "print(zoneinfo.TZPATH, zoneinfo.ZoneInfo('Europe/Moscow'))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "() Europe/Moscow"


class Refused(Failure):
    words = {"no": ("нет: {n} {n:plural:строка|строки|строк}", "no: {n} {n:plural:row|rows}")}


def test_a_failure_speaks_both_languages_and_keeps_its_code() -> None:
    refused = Refused("no", n=2)
    assert (refused.code, refused.text("ru"), str(refused)) == ("no", "нет: 2 строки", "no: 2 rows")
