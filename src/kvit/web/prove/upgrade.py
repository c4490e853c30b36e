"""R1's upgrade on the real code: the former version at work beside this one, on one database.

The former version (a git ref: the last tag, or the commit before the last one that changed the
schema) makes a database by its own migrations, a company, and its bills of October. This version
migrates it, while that process lives on. Usage of November is taken in by both, some of it by each
of them again. Then a run of November is ordered, and a worker of each version shares it. What comes
of it must be, row by row, what comes of a copy that this version bills alone; both must have
rated some of it; and every invariant must hold.

Without git and its history there is no former code: then the outcome says so.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from kvit.web.prove import former as script
from kvit.web.prove.ground import Ground, close
from kvit.web.prove.outcome import Outcome, Part, chance_of, gathered

ROOT = Path(__file__).resolve().parents[4]
MIGRATIONS = "src/kvit/*/migrations/*.py"
FEW = 20  # customers of whom both tell usage
TOLD = {
    "document": "SELECT kind, status, number_text, billed_in, customer_id, net_minor, vat_minor,"
    " total_minor FROM invoicing_invoice",
    "line": "SELECT i.number_text, l.position, l.price_code, l.units, l.net_minor, l.vat_minor"
    " FROM invoicing_invoiceline l JOIN invoicing_invoice i ON i.id = l.invoice_id",
    "charge": "SELECT subscription_code, price_key, period_start, units, amount_minor, reason"
    " FROM rating_charge",
    "posting": "SELECT debit, credit, customer_id, amount_minor, effective_on FROM ledger_posting",
    "event": "SELECT event_id, subject, meter, value FROM metering_usageevent",
    "fact": "SELECT topic, payload->>'total_minor' FROM platform_eventlog",
}
Told = Counter[tuple[object, ...]]


def prove(*, seed: int, size: int, ground: Ground, former: str = "") -> Outcome:
    """Bill `size` payers by both versions; `former` is a git ref. The seed draws who has usage."""
    part, ref = Part(), former or former_ref(ROOT)
    if not ref:
        return Outcome("upgrade", seed, size, left_out="no_former")
    chance = chance_of(seed, "upgrade")
    mine, theirs = (chance.sample(range(size), min(FEW, size)) for _ in range(2))
    with tempfile.TemporaryDirectory(prefix="kvit-former-") as made, checked_out(ref, made) as code:
        # A template as others are: so it is gone when all is over, however that comes.
        database = ground.made["former"] = ground.empty("former")
        with _Former(ground, code) as beside:
            told = beside.does("make", database, payers=size)
            part.figures["bills of the former"] = told["invoices"]
            alone = _alone(ground, database, mine, theirs)
            with ground.copy(database) as access:
                _migrate()
                _take_in(part, beside, access.database, mine, theirs)
                _share(part, beside, access.database)
                part.violations += _checked(alone)
    return gathered("upgrade", [part], seed=seed, size=size)


def former_ref(root: Path) -> str:
    """Return the last tag, or the commit before the last change of the schema, if any is known."""
    if not (root / ".git").exists():
        return ""
    tag = _git(root, "describe", "--tags", "--abbrev=0")
    changed = _git(root, "log", "-1", "--format=%H", "--", MIGRATIONS)
    return tag or (changed and _git(root, "rev-parse", "--verify", "--quiet", f"{changed}^"))


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", root, *words], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:  # no git here
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@contextmanager
def checked_out(ref: str, folder: str) -> Iterator[Path]:
    """The code of that ref below a folder."""
    with subprocess.Popen(
        ["git", "-C", ROOT, "archive", "--format=tar", ref, "src"], stdout=subprocess.PIPE
    ) as archive:
        subprocess.run(["tar", "-x", "-C", folder], stdin=archive.stdout, check=True)
    yield Path(folder) / "src"


class _Former:
    """A process of the former version; it does one thing after the other."""

    def __init__(self, ground: Ground, code: Path) -> None:
        from kvit.platform import files

        self._given = {"access": asdict(ground.access), "files": str(files.folder())}
        self._code = code

    def __enter__(self) -> "_Former":
        self._process = subprocess.Popen(
            [sys.executable, "-P", script.__file__],
            env={**os.environ, "PYTHONPATH": str(self._code)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(self._given)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def does(self, what: str, database: str, **given: object) -> dict[str, int]:
        """Let it do something, and wait for it."""
        self.begins(what, database, **given)
        return self.ends()

    def begins(self, what: str, database: str, **given: object) -> None:
        self._say({"do": what, "database": database, **given})

    def _say(self, line: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def ends(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process of the former version ended")
        answer: dict[str, int] = json.loads(line)
        return answer


def _migrate() -> None:
    from kvit.platform.migrate import migrate_as_owner

    migrate_as_owner()
    close()


def _alone(ground: Ground, database: str, mine: list[int], theirs: list[int]) -> dict[str, Told]:
    """Bill a copy by this version alone, with files of its own, and return what stands."""
    with ground.copy(database), _files_apart():
        _migrate()
        for places in (mine, theirs):
            script.intake(places=places)
        _order()
        script.work()
        return _told()


@contextmanager
def _files_apart() -> Iterator[None]:
    from kvit.platform import files

    before = files.folder()
    with tempfile.TemporaryDirectory(prefix="kvit-alone-") as made:
        files.use(Path(made) / "files")
        try:
            yield
        finally:
            files.use(before)


def _take_in(
    part: Part, beside: _Former, database: str, mine: list[int], theirs: list[int]
) -> None:
    """Each version takes in its usage, then what the other one has taken in."""
    close()
    first = [script.intake(places=mine), beside.does("intake", database, places=theirs)]
    again = [script.intake(places=theirs), beside.does("intake", database, places=mine)]
    part.figures["events"] = sum(one["accepted"] for one in first)
    twice = sum(one["accepted"] for one in again)
    if twice:
        part.violations.append(f"{twice} events were taken in by both")


def _share(part: Part, beside: _Former, database: str) -> None:
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    _order()
    beside.begins("work", database)
    ours = script.work()["rated"]
    theirs = beside.ends()["rated"]
    with tenant_scope(company.tenant().id):
        whole = company.number(
            "SELECT count(*) FROM invoicing_runpart WHERE stage = 'rating' AND is_done"
        )
    part.figures["parts"], part.figures["rated by the former"] = whole, theirs
    if ours + theirs != whole or not ours or not theirs:
        part.violations.append(
            f"of {whole} parts the former version rated {theirs}, this one {ours}"
        )


def _order() -> None:
    from kvit.invoicing import services as invoicing
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    month = company.NOVEMBER
    with tenant_scope(company.tenant().id):
        invoicing.order_run(
            month.start, action="bill", author=company.ACTOR, now=month.end_instant(company.ZONE)
        )


def _told() -> dict[str, Told]:
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company

    with tenant_scope(company.tenant().id):
        return {name: Counter(company.ask(words)) for name, words in TOLD.items()}


def _checked(alone: dict[str, Told]) -> Iterator[str]:
    from kvit.platform.tenancy import tenant_scope
    from kvit.web.prove import company
    from kvit.web.prove.kill import left_undone

    yield from left_undone()
    for name, found in _told().items():
        for word, rows in (("stands", found - alone[name]), ("is missing", alone[name] - found)):
            yield from (f"{name} {word}: {row}"[:300] for row in list(rows)[:3])
    with tenant_scope(company.tenant().id):
        yield from company.gaps()
    yield from company.broken()
