"""Commands run in this process, over the test's own database and store of files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kvit.web.cli import main
from tests.scenarios.company import Company


@pytest.fixture
def company(tmp_path: Path, file_store: Path, db: Any) -> Company:
    return Company(tmp_path / "company")


@pytest.fixture
def kvit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run a command; gives its exit status, stdout and stderr."""

    def run(*words: object, lang: str = "ru") -> tuple[int, str, str]:
        monkeypatch.setenv("KVIT_LANG", lang)
        capsys.readouterr()
        try:
            status = main([str(word) for word in words])
        except SystemExit as left:  # argparse
            status = int(str(left.code))
        out, told = capsys.readouterr()
        return status, out.replace("\N{NO-BREAK SPACE}", " "), told

    return run


@pytest.fixture
def kvit_json(kvit: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, Any]]:
    """Run a command with --json; stdout must be one object, stderr empty."""

    def run(*words: object, lang: str = "ru") -> tuple[int, Any]:
        status, out, told = kvit(*words, "--json", lang=lang)
        assert told == ""
        assert out.count("\n") == 1
        return status, json.loads(out)

    return run
