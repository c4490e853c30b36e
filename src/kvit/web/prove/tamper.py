"""R9: whoever owns the tables changes postings past every guard, and each change is pointed at.

One company posts in many transactions, several at a time, and its log is signed in between. Then a
superuser changes, drops, exchanges and slips in postings, each another one; the audit must name
those, with what was done to them, and no other. Files of another, smaller log are changed one at a
time, by whoever has the disk and not the key: each must contradict a hash or a signed checkpoint.
Both at the same time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Literal
from uuid import UUID, uuid4

import psycopg
from django.db import connection

from kvit.core.transparency import consistency_proof, is_consistent
from kvit.ledger import queries, services
from kvit.ledger.services import PostingIn
from kvit.parties import queries as parties_read
from kvit.parties import services as parties
from kvit.parties.rows import SellerRow, TenantRow
from kvit.platform.tenancy import tenant_scope
from kvit.platform.tlog import LEVELS, WIDTH
from kvit.web.prove.ground import Ground
from kvit.web.prove.outcome import Outcome, Part, chance_of, gathered, spread

NOW = datetime(2026, 11, 1, tzinfo=UTC)
POSTED = 250  # postings for each one that is tampered with
AT_ONCE, HANDS = 500, 4
FEW, FILES = 2_000, 60  # postings of a small log, and how often a file of it is changed
CHANGES = {
    "amount_minor": "amount_minor = amount_minor + 1",
    "credit": "credit = '68.02'",
    "customer_id": "customer_id = gen_random_uuid()",
    "effective_on": "effective_on = effective_on - 31",
    "recorded_at": "recorded_at = recorded_at - interval '1 day'",
    "source": "source = source || 'x'",
}
_COPIED = """
    INSERT INTO ledger_posting (id, tenant_id, seller_id, debit, credit, customer_id, amount_minor,
                                currency, source, line, effective_on, recorded_at)
    SELECT %s, tenant_id, seller_id, debit, credit, customer_id, amount_minor, currency, source,
           line + 1000, effective_on, recorded_at
    FROM ledger_posting WHERE id = %s
"""


@dataclass(frozen=True, slots=True)
class _Half:
    ground: Ground
    seed: int
    of: Literal["postings", "files"]
    postings: int
    tampered: int


def prove(*, seed: int, size: int, ground: Ground, few: int = FEW, files: int = FILES) -> Outcome:
    """Tamper with `size` postings among 250 times as many, and with `files` of a log of `few`."""
    ground.migrated()  # before the processes part: what one of them makes, another does not know
    halves = [
        _Half(ground, seed, "postings", size * POSTED, size),
        _Half(ground, seed, "files", few, files),
    ]
    return gathered("tamper", spread(_tamper, halves), seed=seed, size=size)


def _tamper(half: _Half) -> Part:
    part, chance = Part(), chance_of(half.seed, half.of)
    with half.ground.copy(half.ground.migrated()) as access:
        tenant = _company()
        with tenant_scope(tenant):
            part.figures["postings"] = _posted(tenant, half.postings)
            if half.of == "files":
                part.violations += _files(chance, part.figures, half.tampered)
                return part
            part.violations += map(str, queries.problems_of_log())
            part.violations += _inconsistent(part.figures)
            with half.ground.superuser(access.database) as mighty:
                mighty.execute("SET session_replication_role = replica")
                done = _tampered(mighty, half.tampered, chance)
            part.figures.update(code.removeprefix("ledger_posting_") for code, _ in done)
            found = [(one.code, one.row) for one in queries.problems_of_log()]
            part.violations += [f"not found: {one}" for one in sorted(done - {*found})]
            part.violations += [f"nobody did: {one}" for one in sorted({*found} - done)]
    return part


def _company() -> UUID:
    row = TenantRow("tampered", "Tampered", currency="RUB", zone="Europe/Moscow")
    tenant = parties.create_tenant(row, actor="cli:prove", now=NOW).id
    with tenant_scope(tenant):
        parties.apply_sellers([SellerRow("main", "Main")], actor="cli:prove", now=NOW, reason="")
        [seller] = parties_read.sellers().values()
        services.ensure_chart(seller.id, actor="cli:prove", now=NOW)
    return tenant


def _posted(tenant: UUID, count: int) -> int:
    """Post side by side and sign in between; return how many the log has in the end."""
    [seller] = parties_read.sellers().values()

    def post(first: int) -> None:
        rows = [
            PostingIn(seller.id, "receivable", "revenue", UUID(int=first + n), 1 + n, "RUB",
                      f"invoice:{uuid4()}", 1, date(2026, 10, 1 + n % 31))
            for n in range(AT_ONCE)
        ]  # fmt: skip
        try:
            with tenant_scope(tenant):
                services.post_many(rows, now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(HANDS) as hands:
        posting = [hands.submit(post, first) for first in range(0, count, AT_ONCE)]
        logged = 0
        for one in posting:
            one.result()
            logged += services.log_postings(beside=None)
    return logged + services.log_postings(beside=None)


def _inconsistent(figures: Counter[str]) -> Iterator[str]:
    """Show of every two checkpoints in turn that the later log begins with the earlier."""
    log = queries.log_of_books()
    signed = list(log.signed())
    figures["checkpoints"] = len(signed)
    for old, new in pairwise(signed):
        proof = consistency_proof(old.size, new.size, log.perfect(new.size))
        if not is_consistent(old.size, old.root, new.size, new.root, proof):
            yield f"the log of {new.size} does not begin with that of {old.size}"


# A signature that names another key may as well be another key's: that is told of it.
_TOLD = {"ledger_log_not_as_signed", "ledger_log_key_changed"}


def _files(chance: Random, figures: Counter[str], count: int) -> Iterator[str]:
    """Change one file of the log at a time; whatever it is, the audit says so."""
    log = queries.log_of_books()
    folder, size = log.folder, log.grown().frontier.size
    paths = [one for one in sorted(folder.rglob("*")) if _is_signed(one, folder, size)]
    for _ in range(count):
        path = chance.choice(paths)
        kept = path.read_bytes()
        path.write_bytes(_spoiled(kept, chance))
        figures["files"] += 1
        codes = {one.code for one in queries.problems_of_log()}
        path.write_bytes(kept)
        if not codes & _TOLD:
            yield f"{path.relative_to(folder)} was changed unseen"


def _is_signed(path: Path, folder: Path, size: int) -> bool:
    """Whether the checkpoint of that size speaks of the file: not of unfinished tiles of before."""
    place = path.relative_to(folder).parts
    if path.parent.suffix == ".p":
        level = 0 if place[1] == "entries" else int(place[1])
        return path.name == str((size >> (LEVELS * level)) % WIDTH)
    return path.is_file() and place not in (("lock",), ("grown",))


def _spoiled(body: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(body))
    return body[:at] + bytes([body[at] ^ (1 << chance.randrange(8))]) + body[at + 1 :]


def _tampered(mighty: psycopg.Connection[Any], size: int, chance: Random) -> set[tuple[str, str]]:
    """Do it, each time to other postings; return what the audit has to say."""
    ids = [key for (key,) in mighty.execute("SELECT id FROM ledger_posting ORDER BY id")]
    chosen = chance.sample(ids, size + size // 4 + 1)
    done: set[tuple[str, str]] = set()
    kinds: tuple[Callable[[int], None], ...]

    def changed(key: int) -> None:
        change = chance.choice(sorted(CHANGES))
        mighty.execute(f"UPDATE ledger_posting SET {CHANGES[change]} WHERE id = %s", [key])
        done.add(("ledger_posting_not_as_signed", f"posting:{key}"))

    def dropped(key: int) -> None:
        mighty.execute("DELETE FROM ledger_posting WHERE id = %s", [key])
        done.add(("ledger_posting_gone", f"posting:{key}"))

    def exchanged(key: int) -> None:
        other = chosen.pop()
        for old, new in ((key, -1), (other, key), (-1, other)):
            mighty.execute("UPDATE ledger_posting SET id = %s WHERE id = %s", [new, old])
        done.update(("ledger_posting_not_as_signed", f"posting:{one}") for one in (key, other))

    def slipped_in(key: int) -> None:
        mighty.execute(_COPIED, [-key - 1, key])
        done.add(("ledger_posting_slipped_in", f"posting:{-key - 1}"))

    kinds = (changed, dropped, exchanged, slipped_in)
    for n in range(size):
        kinds[n % len(kinds)](chosen.pop())
    return done
