"""Run the proofs at their usual sizes and write the figures of docs/explanation/reliability.md.

    .venv/bin/python bench/proofs.py                  all of them
    .venv/bin/python bench/proofs.py crash race       some; the others keep their figures
    .venv/bin/python bench/proofs.py --size 4 race    another size than usual
    .venv/bin/python bench/proofs.py --page           the page alone

What `./kvit prove NAME --json` said stands in `figures/proofs/NAME.json`, with the machine, the
moment and the processor time; what stands between the page's markers is made of it.
"""

import argparse
import json
import resource
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measure import machine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FIGURES = HERE / "figures" / "proofs"
PAGE = ROOT / "docs" / "explanation" / "reliability.md"
BEGIN, END = "<!-- figures: made by bench/proofs.py -->", "<!-- end of figures -->"
NAMES = (
    "dates", "rounding", "simulate", "race", "crash", "kill", "roles", "failover", "tamper",
    "upgrade", "mutants",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--size", type=int)
    parser.add_argument("--page", action="store_true", help="write the page alone")
    args = parser.parse_args()
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"no proof of that name: {', '.join(sorted(unknown))}")
    FIGURES.mkdir(parents=True, exist_ok=True)
    for name in () if args.page else args.names or NAMES:
        told = measured(name, args.size)
        (FIGURES / f"{name}.json").write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n")
        print(row(told), flush=True)
        write()
    write()


def measured(name: str, size: int | None) -> dict[str, Any]:
    """Run a proof and return what it said, with what it took."""
    words = ["./kvit", "prove", name, *([] if size is None else ["--size", str(size)])]
    load, began, before = machine(), time.monotonic(), _processor_s()
    done = subprocess.run([*words, "--json"], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if not done.stdout:
        raise SystemExit(f"{' '.join(words)} told nothing: status {done.returncode}")
    return {
        **json.loads(done.stdout.splitlines()[-1]),
        "command": " ".join(words),
        "machine": load,
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s": round(_processor_s() - before, 1),
    }


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write() -> None:
    """Put the figures that are known between the markers of the page."""
    known = [FIGURES / f"{name}.json" for name in NAMES]
    told = [json.loads(path.read_text()) for path in known if path.is_file()]
    lines = [
        "| command | tried | violations | wall, s | processor, s | machine, moment |",
        "|---|---|---|---|---|---|",
        *map(row, told),
    ]
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + "\n\n" + "\n".join(lines) + "\n\n" + END + after)


def row(told: dict[str, Any]) -> str:
    tried = ", ".join(f"{name} {_grouped(value)}" for name, value in told["figures"].items())
    trace = f", trace `{told['trace']}`" if told["trace"] else ""
    return (
        f"| `{told['command']}` (seed {told['seed']}) | {tried}{trace} | {len(told['violations'])}"
        f" | {told['wall_s']} | {told['cpu_s']} | {told['machine']}; {told['at']} |"
    )


def _grouped(value: int) -> str:
    return f"{value:,}".replace(",", " ")


if __name__ == "__main__":
    main()
