"""The page of worked cases, made from the register."""

from collections import Counter
from pathlib import Path

from kvit.core.vendor_policies import POLICIES
from tests.core.golden import CASES
from tests.core.golden.register import Case

PAGE = Path(__file__).parents[3] / "docs/reference/worked-cases.md"
HEAD = """\
# Worked cases of other systems

What other billing systems assert in their own tests, asked of our core. Vendors disagree with one
another, so each case is computed under a named preset of its system (`kvit.core.vendor_policies`).
Made by `python -m tests.core.golden`; `tests/core/test_golden.py` computes every case, and fails
when this page says anything else.
"""
COMPOSED = """\
"Agrees, composed" means that parts of the core give the figure together, as the row says, and that
no single price, line or command of ours says it by itself."""


def page() -> str:
    verdicts = Counter(case.verdict for case in CASES.values())
    told = "; ".join(f"{verdict}: {count}" for verdict, count in sorted(verdicts.items()))
    lines = [HEAD, f"{len(CASES)} cases. {told}.", "", COMPOSED, "", "## Presets", ""]
    lines += ["| preset | system | what it reproduces |", "|---|---|---|"]
    lines += [
        f"| `{policy.code}` | {policy.name} | {policy.reproduces} |" for policy in POLICIES.values()
    ]
    lines += ["", "## Cases", "", "| case | preset | what | verdict | ours | computed in |"]
    lines += ["|---|---|---|---|---|---|", *(_row(CASES[name]) for name in sorted(CASES))]
    differing = [case for case in CASES.values() if case.differs]
    lines += ["", "## Where we differ, and why", ""]
    lines += [f"- `{case.id}`: {case.differs}." for case in differing]
    return "\n".join(lines) + "\n"


def _row(case: Case) -> str:
    ours, computed = case.note or case.composed, f"`tests/core/golden/{case.test}`"
    cells = (f"`{case.id}`", f"`{case.preset}`", case.shows, case.verdict, ours, computed)
    return "| " + " | ".join(cells) + " |"
