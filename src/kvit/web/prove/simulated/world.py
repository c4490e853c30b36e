"""One world: clients, a network, workers and a store, interleaved step by step by one chance.

A month of a world: clients tell usage, changes and credits through a network that loses, doubles,
delays and reorders; runs bill the month beside them; everything may die between two steps. After
each step the invariants are asked of what was committed. Then faults stop, every client is
answered, the last months are billed in peace, and everything must come to what the oracle says.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from functools import partial
from random import Random

from kvit.core.bookkeeping import balances
from kvit.core.catalogue import Catalogue
from kvit.core.periods import Period, add_months
from kvit.core.usage import UsageEvent
from kvit.web.prove.simulated import work
from kvit.web.prove.simulated.faults import Faults
from kvit.web.prove.simulated.oracle import CYCLES, FEES, Life, Said, owed
from kvit.web.prove.simulated.store import KeyTaken, Store, Transaction
from kvit.web.prove.simulated.work import DocumentRow, Steps, Subscriber

SUBSCRIBERS, MONTHS = 8, 36
BEGIN = date(2027, 1, 1)  # 29 February 2028 is in the second year
ZONES = ("Europe/Moscow", "America/New_York", "Asia/Kolkata", "Europe/London",
         "Pacific/Auckland", "America/St_Johns")  # fmt: skip
LATE = datetime(9000, 1, 1, tzinfo=UTC)
CHANGES, CREDITS = 0.06, 0.02  # a subscription's month
PERCENTS = ("5", "10", "15", "25")
NAP = 30  # steps of a pause
FULL = 12  # commits that a full disk refuses, at most
MANY = 200_000  # steps of a month: more than that is no progress

Work = Callable[[Transaction], Steps]


@dataclass(slots=True, eq=False)
class Process:
    """Transactions one after the other; begun again from the first one after a death."""

    name: str
    jobs: list[Work]
    renew: Callable[[], list[Work]] | None = None  # the jobs of another version
    at: int = 0
    db: Transaction | None = None
    steps: Steps | None = None
    waits: Hashable = None
    asleep: int = 0

    def let_go(self) -> None:
        """End the open transaction with nothing done."""
        if self.db is not None:
            self.db.rollback()
        if self.steps is not None:
            self.steps.close()
        self.db = self.steps = self.waits = None


@dataclass(slots=True)
class World:
    seed: str
    prices: Catalogue
    store: Store = field(default_factory=Store)
    violations: list[str] = field(default_factory=list)
    sent: dict[str, tuple[int, UsageEvent]] = field(default_factory=dict)
    unanswered: list[tuple[int, str, Work]] = field(default_factory=list)  # month to be told in
    pending: list[Period] = field(default_factory=list)
    issued: Counter[str] = field(default_factory=Counter)  # by year
    steps: int = 0
    refused: int = 0  # commits that the disk has no room for yet
    chance: Random = field(init=False)
    faults: Faults = field(init=False)
    subscribers: list[Subscriber] = field(init=False)
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.faults = Faults(self.chance)
        self.subscribers = [Subscriber(self._life()) for _ in range(SUBSCRIBERS)]

    def live(self) -> int:
        """Live through all months; return how many a subscription was billed for, in sum."""
        for month in range(MONTHS):
            self._month(month)
            if self.violations:
                return 0
        self.faults.stop()
        for month in (MONTHS, MONTHS + 1):
            self._month(month, quiet=True)
        return self._judge(add_months(BEGIN, MONTHS + 2))

    # What happens in a month

    def _month(self, month: int, *, quiet: bool = False) -> None:
        window = Period(add_months(BEGIN, month), add_months(BEGIN, month + 1))
        if not quiet:
            self._tell(window, month)
        self.pending.append(window)
        messages = self._delivered(month, quiet)
        beside: list[Process] = []
        if self.faults.fires("change in the run"):
            beside, messages = messages, []
        self._until_quiet(messages)
        if self.faults.fires("run skipped"):
            self._until_quiet(beside)
            return
        due, self.pending = self.pending, []
        for one in due:
            self._until_quiet([*self._runs(one), *beside])
            beside = []

    def _tell(self, window: Period, month: int) -> None:
        """Let clients make up what they say in a month."""
        for place, one in enumerate(self.subscribers):
            batch = [
                self._event(f"{place}/{month}/{n}", window) for n in range(self.chance.randrange(4))
            ]
            if batch:
                self.sent |= {event.id: (place, event) for event in batch}
                self._say(month, f"usage {batch[0].id}", partial(_take_in, place, batch))
            if self.chance.random() < CHANGES:
                said = self._change(one.life, window)
                key = f"change {place}/{month}"
                self._say(month, key, partial(_amend, place, key, said))
            if self.chance.random() < CREDITS:
                self._say_credit(f"credit {place}/{month}", window, month)

    def _say(self, month: int, name: str, job: Work) -> None:
        late = self.chance.randrange(1, 4) if self.faults.fires("delay") else 0
        self.unanswered.append((month + late, name, job))

    def _say_credit(self, key: str, window: Period, month: int) -> None:
        documents = self.store.table("document")
        some = [one for one, row in documents.items() if row.corrects is None]
        if some:
            document = self.chance.choice(some)
            row: DocumentRow = documents[document]
            asked = self.chance.randrange(1, max(2, row.lines[0].net + 5_000))
            on = window.start
            job = partial(_credit, key, document, asked, on)
            self._say(month, key, job)

    def _delivered(self, month: int, quiet: bool) -> list[Process]:
        """Let messages of the month through the network; what is not answered is told again."""
        told = [one for one in self.unanswered if quiet or one[0] <= month]
        self.unanswered = [one for one in self.unanswered if not (quiet or one[0] <= month)]
        if self.faults.fires("reorder"):
            self.chance.shuffle(told)
        arrived: list[Process] = []
        for _, name, job in told:
            if self.faults.fires("lost request"):
                self.unanswered.append((month + 1, name, job))
                continue
            arrived.append(Process(name, [job]))
            if self.faults.fires("duplicate"):
                arrived.append(Process(f"{name} again", [job]))
            if self.faults.fires("lost answer"):
                self.unanswered.append((month + 1, name, job))
        return arrived

    def _runs(self, window: Period) -> Iterator[Process]:
        clock = LATE
        if self.faults.fires("clock back"):
            days = self.chance.randrange(1, window.days)
            clock = datetime(window.start.year, window.start.month, 1, tzinfo=UTC)
            clock += timedelta(days=days)
            self.pending.append(window)  # it left something, and said so
        elif self.faults.fires("clock forward"):
            clock = datetime(window.end.year, window.end.month, 20, tzinfo=UTC)
        yield self._run(window, clock)
        if self.faults.fires("two runs"):
            yield self._run(window, clock)
        if self.faults.fires("redelivery"):
            again = self._run(window, clock)
            again.asleep = self.chance.randrange(20, 400)
            yield again

    def _run(self, window: Period, clock: datetime) -> Process:
        renew = partial(self._jobs, window, clock)
        return Process(f"run {window.start}", renew(), renew)

    def _jobs(self, window: Period, clock: datetime) -> list[Work]:
        size = self.chance.randrange(1, SUBSCRIBERS + 1)
        places = list(range(SUBSCRIBERS))
        rated: list[Work] = [
            partial(_rate, places[at : at + size], self, window, clock)
            for at in range(0, SUBSCRIBERS, size)
        ]
        issued: list[Work] = [
            partial(_invoice, places[at : at + size], window) for at in range(0, SUBSCRIBERS, size)
        ]
        return [*rated, *issued]

    # Steps, and what goes wrong with them

    def _until_quiet(self, processes: Sequence[Process]) -> None:
        alive, began = list(processes), self.steps
        while alive and not self.violations:
            self.steps += 1
            if self.steps - began > MANY:
                self.violations.append(f"no progress: {[one.name for one in alive]}")
                return
            fault = self.faults.of_step()
            if fault == "failover":
                self.faults.met(fault)
                for each in alive:
                    each.let_go()
            one = self.chance.choice(alive) if len(alive) > 1 else alive[0]
            if one.asleep:
                one.asleep -= 1
                continue
            self._step(one, fault)
            if one.at >= len(one.jobs):
                alive.remove(one)
        if not self.violations and self.store.locks:
            self.violations.append(f"locks are left: {list(self.store.locks)}")

    def _step(self, one: Process, fault: str | None) -> None:
        if one.steps is None:
            one.db = Transaction(self.store)
            one.steps = one.jobs[one.at](one.db)
        if one.waits is not None:
            assert one.db is not None
            if not one.db.takes(one.waits):
                return
            one.waits = None
        if fault in ("crash", "pause", "chosen as victim"):
            self.faults.met(fault)
            self._note(one, fault)
            if fault == "pause":
                one.asleep = NAP
                return
            one.let_go()
            if fault == "crash":
                one.at = 0
            return
        try:
            one.waits = next(one.steps)
            self._note(one, "step")
        except StopIteration:
            self._commit(one)
        except KeyTaken:
            self._note(one, "taken")
            one.let_go()

    def _commit(self, one: Process) -> None:
        db = one.db
        assert db is not None
        if self.faults.fires("disk full"):
            self.refused = self.chance.randrange(1, FULL)
        if self.refused:
            self.refused -= 1
            self._note(one, "full")
            one.let_go()
            return
        if self.faults.fires("partial write"):
            self._note(one, "partial write")
            one.let_go()
            return
        unknown = self.faults.fires("commit unknown")
        if unknown and self.chance.random() < 0.5:
            one.let_go()
            return
        try:
            db.commit()
        except KeyTaken:
            self._note(one, "taken")
            one.let_go()
            return
        self._note(one, "commit")
        one.db = one.steps = None
        self._absorb()
        if unknown:
            return  # it went through, and is tried again
        one.at += 1
        if self.faults.fires("crash after commit"):
            one.at = 0
        elif one.renew is not None and one.at < len(one.jobs) and self.faults.fires("upgrade"):
            one.jobs, one.at = one.renew(), 0

    def _note(self, one: Process, what: str) -> None:
        self.digest.update(f"{one.name}/{one.at}/{what};".encode())

    # What must hold

    def _absorb(self) -> None:
        """Take in what was committed, and ask the invariants of it."""
        for table, key, row in self.store.news:
            if table == "event":
                place, event = row
                self.subscribers[place].take(event)
            elif table == "amendment":
                self.subscribers[key[0]].said.append(row)  # type: ignore[index]
            elif table == "document":
                self.violations += _unsound(row)
                self.issued[str(row.on.year)] += 1
                wanted = f"{row.on.year}-{self.issued[str(row.on.year)]:05}"
                if row.number != wanted:
                    self.violations.append(f"the next number is {row.number}, not {wanted}")
            elif table == "credited":
                line = self.store.table("document")[key].lines[0]
                if row.net > line.net or row.total > line.total:
                    self.violations.append(f"{row} is credited of {line}")
            elif table == "series" and row != self.issued[str(key)[:4]]:
                self.violations.append(f"{key}: {row} for {self.issued} documents")

    def _judge(self, until: date) -> int:
        """Compare the world with the oracle; return how many months were billed."""
        if self.violations:
            return 0
        told: defaultdict[int, list[tuple[datetime, int]]] = defaultdict(list)
        for place, event in self.sent.values():
            told[place].append((event.time, int(event.value)))
        wanted = [
            owed(one.life, one.said, told[place], until)
            for place, one in enumerate(self.subscribers)
        ]
        self.violations += self._wrong(wanted)
        if self.violations:
            return 0
        return sum(
            len(periods) * one.life.months
            for periods, one in zip(wanted, self.subscribers, strict=True)
        )

    def _wrong(self, owed_: Sequence[Mapping[date, int]]) -> Iterator[str]:
        if self.unanswered or self.pending:
            yield f"left undone: {len(self.unanswered)} requests, {self.pending}"
        taken = self.store.table("event")
        if set(taken) != set(self.sent):
            yield f"{len(self.sent)} events were told, {len(taken)} are kept"
        for place, (one, wanted) in enumerate(zip(self.subscribers, owed_, strict=True)):
            charged: Counter[date] = Counter()
            for key, row in self.store.table("charged").get(place, {}).items():
                charged[row.period] += row.amount
                if key not in self.store.table("line"):
                    yield f"{key} is on no document"
            if {key: n for key, n in charged.items() if n or key in wanted} != wanted:
                differ = {key for key in {*wanted, *charged} if wanted.get(key) != charged[key]}
                day = min(differ)
                yield f"{one.life} {day}: charged {charged[day]}, owed {wanted.get(day)}"
        documents = self.store.table("document").values()
        entries = [entry for row in documents for entry in row.entries]
        claim = balances(entries).get(("receivable", "RUB"), 0)
        if claim != sum(row.total.total for row in documents):
            yield f"the claims are {claim}"

    # What clients say

    def _life(self) -> Life:
        start = BEGIN + timedelta(self.chance.randrange(31))
        words = (
            self.chance.choice(list(FEES)),
            self.chance.choice(list(CYCLES)),
            self.chance.choice(("calendar", "anniversary")),
        )
        return Life(start, " ".join(words), self.chance.choice(ZONES))

    def _event(self, key: str, window: Period) -> UsageEvent:
        seconds = self.chance.randrange(window.days * 86_400)
        at = datetime(window.start.year, window.start.month, 1, tzinfo=UTC)
        at += timedelta(seconds=seconds)
        if self.faults.fires("other zone"):
            at = at.astimezone(timezone(timedelta(hours=self.chance.randrange(-11, 13))))
        return UsageEvent(at, key, Fraction(self.chance.randrange(1, 5_000)), ())

    def _change(self, life: Life, window: Period) -> Said:
        day = window.start + timedelta(self.chance.randrange(window.days))
        if self.faults.fires("backdated change"):
            day -= timedelta(self.chance.randrange(1, 75))
        day = max(day, life.start)
        if self.chance.random() < 0.5:
            cycle = life.plan.split(" ", 1)[1]
            return Said(0, day, "plan", f"{self.chance.choice(list(FEES))} {cycle}")
        return Said(0, day, "discount", self.chance.choice(PERCENTS))


def _unsound(row: DocumentRow) -> Iterator[str]:
    """A document adds up, its VAT is rounded once, its entries are its sums."""
    sums = row.total
    if sums.net + sums.vat != sums.total:
        yield f"{sums} does not add up"
    if row.corrects is None and abs(sums.vat - sums.net * work.VAT / 100) > Fraction(1, 2):
        yield f"VAT of {sums.net} is {sums.vat}"
    told = balances(row.entries)
    wanted = {("receivable", "RUB"): sums.total, ("revenue", "RUB"): -sums.total,
              ("vat_on_revenue", "RUB"): sums.vat, ("vat_out", "RUB"): -sums.vat}  # fmt: skip
    if told != {key: value for key, value in wanted.items() if value}:
        yield f"{sums} is posted as {told}"


def _take_in(place: int, events: Sequence[UsageEvent], db: Transaction) -> Steps:
    return work.take_in(db, place, events)


def _amend(place: int, key: str, said: Said, db: Transaction) -> Steps:
    return work.amend(db, place, key, said)


def _credit(key: str, document: Hashable, asked: int, on: date, db: Transaction) -> Steps:
    return work.credit(db, key, document, asked, on)


def _rate(
    places: Sequence[int], world: World, window: Period, clock: datetime, db: Transaction
) -> Steps:
    return work.rate_some(db, places, world.subscribers, world.prices, window, clock)


def _invoice(places: Sequence[int], window: Period, db: Transaction) -> Steps:
    return work.invoice(db, places, window)
