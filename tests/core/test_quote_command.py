"""`kvit quote` as a process: quick, without Django, streaming."""

import json
import subprocess
import sys
from pathlib import Path

LINE = '{"id": 1, "currency": "RUB", "plan": "basic"}\n'
CATALOGUE = """
[[plan]]
code = "basic"
[[plan.price]]
code = "fee"
price = { model = "flat", amount = "10.00" }
"""


def quote(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kvit", "quote", *arguments]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=60, check=False,
        env={"PYTHONPATH": "src", "PATH": "", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip


def test_plans_come_from_a_catalogue_file(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(CATALOGUE, encoding="utf-8")
    done = quote(LINE, "--catalogue", str(path))
    assert (done.returncode, json.loads(done.stdout)["amount"], done.stderr) == (0, "10.00", "")
    assert quote(LINE).returncode == 1
    missing = quote(LINE, "--catalogue", str(tmp_path / "none.toml"))
    assert (missing.returncode, missing.stdout) == (1, "")


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys, kvit.web.cli.quote; print(sorted({m.split('.')[0] for m in sys.modules} "
        "& {'django', 'pyarrow', 'psycopg', 'pydantic', 'holidays', 'numpy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True,
        env={"PYTHONPATH": "src", "PATH": ""},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_each_line_is_answered_before_the_next_is_sent() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kvit", "quote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env={"PYTHONPATH": "src", "PATH": ""},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    for number in (1, 2):
        line = {"id": number, "round": {"amount": "2.675", "currency": "USD"}}
        process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["amount"] == "2.68"
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    process.stdout.close()
