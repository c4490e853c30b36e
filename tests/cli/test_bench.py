"""`kvit bench` hands everything that was asked to the benchmark."""

import os
import sys

import pytest

from kvit.web import cli
from kvit.web.cli import bench


def test_every_option_reaches_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: became.append(words))
    monkeypatch.setattr(os, "chdir", lambda _: None)
    asked = ["--events", "1", "--accounts", "2", "--invoices", "3", "--rounds", "4",
             "--workers", "5", "--keep", "/kept", "--kill", "--growth", "--json"]  # fmt: skip
    cli.main(["bench", "pages", *asked])
    assert became == [[sys.executable, str(bench.FOLDER / "pages.py"), *asked]]
