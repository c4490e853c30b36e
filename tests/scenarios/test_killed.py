"""`kvit bill` killed at any moment, or started twice at once, ends at the totals of one calm run.

Real processes over a real data folder: what dies is the command, by SIGKILL; the server lives on.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.company import CATALOGUE, COMPANY, Company

# Few: the crash proof kills a run of many chunks, at each of its statements; this is the command.
CUSTOMERS, EACH = 5, 8
KILLS = 3
pytestmark = [pytest.mark.slow, pytest.mark.embedded]


class Machine:
    """A data folder of its own, and commands over it."""

    def __init__(self, data: Path) -> None:
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("KVIT_", "DATABASE_"))},
            "KVIT_DATA": str(data),
            "KVIT_LANG": "en",
            "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src"),
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "kvit", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> dict[str, Any]:
        """Run a command to its end and return its JSON answer."""
        return finished(self.start(*words))

    def stop(self) -> None:
        self.start("db", "stop").communicate(timeout=60)

    def copied(self, data: Path) -> "Machine":
        """Stop, and return another one with the same data."""
        self.stop()
        shutil.copytree(self.environment["KVIT_DATA"], data, symlinks=True)
        return Machine(data)


def finished(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, told = process.communicate(timeout=180)
    assert process.returncode == 0, told
    assert "Traceback" not in told
    answer: dict[str, Any] = json.loads(out)
    return answer


@dataclass(frozen=True, slots=True)
class Calm:
    """What a run that nobody disturbed answers, how long it took, and where it began."""

    begun: Machine  # with an empty database, at rest
    command: list[str]
    answer: dict[str, Any]
    took_s: float


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Calm:
    root = tmp_path_factory.mktemp("calm")
    command = ["bill", str(_large(root).path), "--period", "2026-10", "--json"]
    begun = Machine(root / "begun")
    begun.run("verify", "--json")  # makes the database: only billing is timed
    machine = begun.copied(root / "data")
    try:
        machine.run("verify", "--json")
        began = time.monotonic()
        answer = machine.run(*command)
        took = time.monotonic() - began
    finally:
        machine.stop()
    assert len(answer["invoices"]) == CUSTOMERS
    return Calm(begun, command, answer, took)


def _large(root: Path) -> Company:
    codes = [f"c-{n}" for n in range(CUSTOMERS)]
    owned = [(f"{code}-{n}", code) for code in codes for n in range(EACH)]
    chance = random.Random(7)
    usage = [
        f"{code}-{n},2026-10-{chance.randrange(1, 32):02}T10:00:00,{code},calls,{n + 1}7"
        for code, _ in owned
        for n in range(3)
    ]
    return Company(
        root / "company",
        {
            "company.toml": COMPANY,
            "catalogue.toml": CATALOGUE,
            "customers.csv": "code,name,kind\n"
            + "".join(f"{c},Клиент {c},person\n" for c in codes),
            "subscriptions.csv": "code,customer,plan,start\n"
            + "".join(f"{code},{owner},pro,2026-10-01\n" for code, owner in owned),
            "usage/calls.csv": "id,time,subscription,meter,value\n" + "\n".join(usage) + "\n",
        },
    )


def figures(answer: dict[str, Any]) -> dict[str, Any]:
    """Everything about the invoices but which run issued them, and under which number."""
    return {
        one["customer"]: (one["net"], one["vat"], one["total"], one["lines"])
        for one in answer["invoices"]
    }


def numbers(answer: dict[str, Any]) -> list[str]:
    return sorted(one["number"] for one in answer["invoices"])


def test_killed_at_any_moment_the_same_command_finishes(
    calm: Calm, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rough = calm.begun.copied(tmp_path / "rough")
    request.addfinalizer(rough.stop)
    chance = random.Random()  # another set of moments every time
    moments = sorted(chance.uniform(0.1, 1.0) * calm.took_s for _ in range(KILLS))
    for moment in moments:
        process = rough.start(*calm.command)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    answer = rough.run(*calm.command)
    assert figures(answer) == figures(calm.answer), f"killed after {moments}"
    assert numbers(answer) == numbers(calm.answer)
    assert rough.run("verify", "--json")["holds"]


def test_two_starts_at_once_bill_once(
    calm: Calm, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rough = Machine(tmp_path / "rough")
    request.addfinalizer(rough.stop)
    # The database is not there yet either: both find that, one makes it.
    both = [rough.start(*calm.command), rough.start(*calm.command)]
    answers = [finished(process) for process in both]
    for answer in answers:
        assert figures(answer) == figures(calm.answer)
        assert numbers(answer) == numbers(calm.answer)
    issued = [one["number"] for answer in answers for one in answer["invoices"] if one["new"]]
    assert sorted(issued) == numbers(calm.answer)
    assert rough.run("verify", "--json")["holds"]
