"""Races about keys: of requests, events, coupons, drafts of the catalogue, the test clock."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from functools import partial
from typing import Any

from kvit.catalog import services as catalog
from kvit.catalog.rows import CouponTerms
from kvit.metering import services as metering
from kvit.platform import audit, clock, idempotency
from kvit.web.prove import company
from kvit.web.prove.company import ACTOR, BEGIN, LATER
from kvit.web.prove.races import HANDS, Round, among, race, same, told

DRAFTS = 2  # of one price
COUPONS = 3  # of each code
EVENTS = 40  # of an intake: the last of them is told with another value by half of the hands


@race("idempotency_key", template="one")
def idempotency_key(place: int) -> Round:
    """One key for two requests, told four times each: one of them is done, once."""

    def ask(request: bytes) -> Any:
        return idempotency.once(
            scope="prove", key=f"k-{place}", request=request, act=lambda: act(request)
        )

    def act(request: bytes) -> dict[str, str]:
        audit.record(action="proved", object_type="proof", object_id=f"k-{place}",
                     actor=ACTOR, now=LATER)  # fmt: skip
        return {"done": request.decode()}

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=HANDS // 2, idempotency_key_reused=HANDS // 2)
        done = [str(one) for one in answers if not isinstance(one, Exception)]
        yield from same("answers", len(set(done)), 1)
        effects = company.number(
            "SELECT count(*) FROM platform_auditrow"
            " WHERE action = 'proved' AND object_id = %(key)s",
            key=f"k-{place}",
        )
        yield from same("effects", effects, 1)

    return Round([partial(ask, one) for _ in range(HANDS // 2) for one in (b"one", b"two")], check)


@race("coupon_twice", template="one")
def coupon_twice(place: int) -> Round:
    """A coupon for three, used by eight at once, is used by three."""
    code = f"coupon-{place}"
    coupon = CouponTerms(code, code, fixed=Fraction(100), limit=COUPONS)
    catalog.publish(catalog.CatalogueIn(coupons=(coupon,)), actor=ACTOR, now=BEGIN)

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=COUPONS, used_up=HANDS - COUPONS)
        used = company.number("SELECT redeemed FROM catalog_coupon WHERE code = %(code)s",
                              code=code)  # fmt: skip
        yield from same("uses", used, COUPONS)

    return Round([lambda: catalog.redeem(code, on=LATER.date())] * HANDS, check)


@race("event_ids", template="one")
def event_ids(place: int) -> Round:
    """One file of events taken in eight times at once, half of them with another value of one:
    each event is accepted once, every other is a repeat or a conflict."""
    source = f"source-{place}"

    def rows(other: bool) -> list[Any]:
        made = [company.event(0, n) for n in range(EVENTS)]
        return [*made[:-1], company.event(0, EVENTS - 1, value=1 + other)]

    def take(other: bool) -> Any:
        return metering.ingest(rows(other), source=source, actor=ACTOR, now=LATER)

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from told(answers, done=HANDS)
        sums = [(one.accepted, one.repeated, one.conflicting, one.rejected) for one in answers]
        if any(sum(one) != EVENTS for one in sums):
            yield f"verdicts do not add up: {sums}"
        yield from same("accepted", sum(one[0] for one in sums), EVENTS)
        yield from same("told to be conflicting", sum(one[2] for one in sums), HANDS // 2)
        kept = company.number("SELECT count(*) FROM metering_usageevent WHERE source = %(source)s",
                              source=source)  # fmt: skip
        yield from same("events kept", kept, EVENTS)

    return Round([partial(take, n % 2 == 1) for n in range(HANDS)], check)


@race("draft_publish", template="one")
def draft_publish(place: int) -> Round:
    """Two drafts of one price, each published four times at once: one revision, one price."""
    day = date(2090, 1, 1) + timedelta(place)
    drafts = []
    for n in range(DRAFTS):
        draft = catalog.open_draft(f"d-{n}", effective_from=day, actor=ACTOR, now=LATER)
        price = {"model": "flat", "amount": str(2000 + HANDS * place + n)}
        document = {"plan": "pro", "code": "fee", "name": "fee", "price": price}
        drafts.append(catalog.put(draft.id, "price", document, expected=draft.version,
                                  actor=ACTOR, now=LATER))  # fmt: skip
    before = company.number("SELECT last FROM catalog_revision")

    def publish(n: int) -> Any:
        one = drafts[n % len(drafts)]
        return catalog.publish_draft(
            one.id, expected=one.version, actor=ACTOR, now=LATER, reason="proof"
        )

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from among(answers, "done", "draft_conflict", "draft_closed", "draft_moved")
        yield from same("published", sum(not isinstance(one, Exception) for one in answers), 1)
        after = company.number("SELECT last FROM catalog_revision")
        yield from same("revisions", after - before, 1)
        standing = company.number(
            "SELECT count(*) FROM catalog_priceversion WHERE code = 'fee' AND status = 'published'"
            " AND effective_from = %(day)s",
            day=day,
        )
        yield from same("versions of that day", standing, 1)

    return Round([partial(publish, n) for n in range(HANDS)], check)


@race("test_clock", template="one")
def test_clock(place: int) -> Round:
    """A test clock set to eight moments at once stands at the latest, and never went back."""
    tenant = company.tenant().id
    moments = [BEGIN + timedelta(days=place, hours=n) for n in range(HANDS)]

    def check(answers: Sequence[Any]) -> Iterable[str]:
        yield from among(answers, "done", "clock_goes_back")
        yield from same("the clock", clock.now_for(tenant), max(moments))
        shown = [one for (one,) in company.ask(
            "SELECT after->>'at' FROM platform_auditrow WHERE action = 'clock.moved'"
            " ORDER BY (after->>'at')::timestamptz")]  # fmt: skip
        before = [one for (one,) in company.ask(
            "SELECT before->>'at' FROM platform_auditrow WHERE action = 'clock.moved'"
            " AND before IS NOT NULL ORDER BY (before->>'at')::timestamptz")]  # fmt: skip
        yield from same("each setting begins where one ended", before, shown[:-1])

    def move(n: int) -> Any:
        return clock.move_test_clock(tenant, to=moments[n], actor=ACTOR, reason="proof")

    return Round([partial(move, n) for n in range(HANDS)], check)
