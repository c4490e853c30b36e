"""`kvit bench` hands what was asked to the benchmark, and refuses what that would not heed."""

import os

import pytest

from kvit.web import cli
from kvit.web.cli import bench

GIVEN = {
    "events": "1", "accounts": "2", "invoices": "3", "customers": "6", "rounds": "4",
    "workers": "5", "keep": "/kept", "only": "CSV", "kill": None, "growth": None,
}  # fmt: skip


def words(*options: str) -> list[str]:
    return [word for one in options for word in (f"--{one}", GIVEN[one]) if word is not None]


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    found: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: found.append(words[1:]))
    monkeypatch.setattr(os, "chdir", lambda _: None)
    return found


@pytest.mark.parametrize("name", bench.TAKES)
def test_every_option_reaches_the_benchmark(name: str, became: list[list[str]]) -> None:
    asked = [*words(*bench.TAKES[name]), "--json"]
    cli.main(["bench", name, *asked])
    [[script, *given]] = became
    assert script == str(bench.FOLDER / f"{name}.py")
    assert sorted(given) == sorted(asked)


def test_several_numbers_of_workers_reach_it(became: list[list[str]]) -> None:
    cli.main(["bench", "billrun", "--workers", "1", "2"])
    assert became == [[str(bench.FOLDER / "billrun.py"), "--workers", "1", "2"]]


@pytest.mark.parametrize("name", bench.TAKES)
def test_an_option_of_another_benchmark_is_refused(
    name: str, became: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    for option in GIVEN.keys() - bench.TAKES[name]:
        assert cli.main(["bench", name, *words(option)]) == 1
        assert f"--{option}" in capsys.readouterr().err
    assert became == []


@pytest.mark.parametrize("count", ["0", "-5", "1e6", "1.5", "", "9" * 40])
def test_a_size_is_a_whole_number_above_nought(count: str, became: list[list[str]]) -> None:
    with pytest.raises(SystemExit) as refused:
        cli.main(["bench", "quote", f"--events={count}"])
    assert (refused.value.code, became) == (2, [])
