"""Planted bugs of the services: locks left out, keys not asked, commits in the wrong place."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from importlib import import_module
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from kvit.platform import clock, durable_log, files, idempotency
from kvit.web.prove.planted import Planting, attribute, mutant, swapped


@mutant("issued without a lock", origin="Lago #5523: finalised twice, tax and number twice",
        caught_by="race double_issue")  # fmt: skip
def issue_unlocked() -> Planting:
    return _unlocked("kvit.invoicing.services._issue", but="number_documents")


@mutant("a number series without a lock", origin="two documents of one number",
        caught_by="race number_series")  # fmt: skip
def series_unlocked() -> Planting:
    return _unlocked("kvit.invoicing.services._issue", but="locked_drafts")


@mutant("credits over a line without a lock", origin="Lago #5020: credits spent wrongly at once",
        caught_by="race credit_limit")  # fmt: skip
def credit_unlocked() -> Planting:
    return _unlocked("kvit.invoicing.services._family")


@mutant("a coupon without a lock", origin="Lago #5980", caught_by="race coupon_twice")
def coupon_unlocked() -> Planting:
    return _unlocked("kvit.catalog.services._coupons")


@mutant("amendments numbered without a lock", origin="a change of plan lost beside another",
        caught_by="race amendment_numbers")  # fmt: skip
def amendments_unlocked() -> Planting:
    return _unlocked("kvit.subscriptions.services")


@mutant("a clock that is read and set without a lock", origin="Kvit itself, found by its race",
        caught_by="race test_clock")  # fmt: skip
def clock_unlocked() -> Planting:
    def move(tenant_id: Any, *, to: Any, actor: str, reason: str) -> None:
        with transaction.atomic():
            model: Any = vars(clock)["TestClock"]
            found = model.objects.first()
            if found is None:
                model.objects.create(at=to)
            elif to >= found.at:
                model.objects.filter(pk=found.pk).update(at=to)

    return attribute(clock, "move_test_clock", move)


@mutant("two runs take no turns", origin="a charge on two documents",
        caught_by="race double_run")  # fmt: skip
def no_turns() -> Planting:
    return swapped(_own("_documents")._take_turn, lambda billed_in: None)


@mutant("what is invoiced is not asked", origin="no ON CONFLICT: a killed run bills again",
        caught_by="crash bill run")  # fmt: skip
def invoiced_unasked() -> Planting:
    return swapped(_own("_documents")._not_invoiced, list)


@mutant("a set bills what is invoiced", origin="no ON CONFLICT: a killed run bills again",
        caught_by="crash bill run")  # fmt: skip
def invoiced_unasked_together() -> Planting:
    return attribute(_own("_together"), "_ALREADY", "SELECT %s")


@mutant("a set charges what is charged", origin="Kill Bill #664: duplicate items without end",
        caught_by="crash bill run")  # fmt: skip
def charged_unasked_together() -> Planting:
    return swapped(import_module("kvit.rating._plain")._rated, lambda ids, run: {})


@mutant("a request without its key", origin="missing idempotency; Kill Bill #1015: paid twice",
        caught_by="crash amendment")  # fmt: skip
def no_key() -> Planting:
    return attribute(idempotency, "once", _just_act)


@mutant("a key kept apart from its effect", origin="answered from the key, the effect lost",
        caught_by="crash amendment")  # fmt: skip
def key_apart() -> Planting:
    right = idempotency.once

    def once(*, scope: str, key: str, request: bytes, act: Callable[[], Any]) -> Any:
        first: list[dict[str, str]] = []

        def keep() -> dict[str, str]:
            first.append({"done": "True"})
            return first[0]

        answer = right(scope=scope, key=key, request=request, act=keep)
        return act() if first else answer

    return attribute(idempotency, "once", once)


@mutant("a number in a transaction of its own", origin="Lago #5523: a number advanced for nothing",
        caught_by="crash approval")  # fmt: skip
def number_apart() -> Planting:
    right = _own("_issue").number_documents

    def number(*args: Any, **kwargs: Any) -> None:
        with ThreadPoolExecutor(1) as other:
            context = copy_context()
            other.submit(context.run, _closing, right, *args, **kwargs).result()

    return swapped(right, number)


@mutant("commit before the ledger's lines", origin="an invoice without its postings",
        caught_by="crash approval")  # fmt: skip
def posted_later() -> Planting:
    right = _own("_issue")._post

    def post(drafts: Any, **kwargs: Any) -> None:
        kept = list(drafts)
        transaction.on_commit(lambda: right(kept, **kwargs))

    return swapped(right, post)


@mutant("a commit that does not wait for the standby",
        origin="asynchronous replication: 4 of 12 388 lost in a trial",
        caught_by="failover")  # fmt: skip
def standby_unasked() -> Planting:
    return attribute(import_module("kvit.web.prove.failover"), "STANDBYS", "")


@mutant("answered before the log is flushed", origin="acknowledged, and lost with the power",
        caught_by="crash bulk")  # fmt: skip
def log_unflushed() -> Planting:
    class Hasty:
        """`os` as the log sees it."""

        def __getattr__(self, name: str) -> Any:
            return (lambda descriptor: None) if name == "fdatasync" else getattr(os, name)

    return attribute(durable_log, "os", Hasty())


@mutant("the log forgotten before the commit", origin="lago#637: answered with 200, never billed",
        caught_by="crash bulk")  # fmt: skip
def log_forgotten() -> Planting:
    right = durable_log.read

    def read(path: Path) -> durable_log.Read:
        found = right(path)
        path.unlink()
        return found

    return attribute(durable_log, "read", read)


@mutant("a folder's name is not flushed", origin="Kvit itself, found by its crash proof",
        caught_by="crash sealing")  # fmt: skip
def folder_unflushed() -> Planting:
    return swapped(
        files.make_folder, lambda folder: folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    )


@mutant("how many have left is noted apart", origin="a counter beside the rows that it counts",
        caught_by="crash releasing")  # fmt: skip
def noted_apart() -> Planting:
    release = import_module("kvit.metering._release")
    right = release._leave_chunk

    def leave(key: Any) -> Any:
        noted: Any = release.ReleasedSeal.objects.filter(pk=key)
        before = noted.values_list("gone", flat=True).get()
        count = right(key)
        if count:
            noted.update(gone=before)
            transaction.on_commit(lambda: noted.update(gone=before + count))
        return count

    return attribute(release, "_leave_chunk", leave)


@mutant("rows are read while they are on their way", origin="a row read before and after its move",
        caught_by="race release_against_events")  # fmt: skip
def read_on_their_way() -> Planting:
    release = import_module("kvit.metering._release")
    right = release.hold

    def hold(name: str, *, shared: bool = False) -> None:
        if not name.startswith("metering-moving:"):
            right(name, shared=shared)

    return attribute(release, "hold", hold)


@mutant("what has left is not asked for when it is sent again",
        origin="ids remembered for some days only: sent later, an event counts again",
        caught_by="race release_against_events")  # fmt: skip
def left_unasked() -> Planting:
    return attribute(import_module("kvit.metering._intake"), "_NEW", "")


def _own(name: str) -> Any:
    """Return a private module of invoicing: a bug is planted where it would be written."""
    return import_module(f"kvit.invoicing.services.{name}")


def _just_act(*, scope: str, key: str, request: bytes, act: Callable[[], Any]) -> Mapping[str, Any]:
    with transaction.atomic():
        return dict(act())


def _closing(act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        with transaction.atomic():
            return act(*args, **kwargs)
    finally:
        connection.close()


@contextmanager
def _unlocked(module: str, *, but: str = "") -> Iterator[None]:
    """Leave the row locks of one module out, but for those that one of its functions takes."""
    right = QuerySet.select_for_update

    def select(self: Any, *args: Any, **kwargs: Any) -> Any:
        caller = sys._getframe(1)
        while caller.f_globals.get("__name__", "").startswith("django."):
            caller = caller.f_back  # type: ignore[assignment]
        if caller.f_globals.get("__name__") == module and caller.f_code.co_name != but:
            return self.all()
        return right(self, *args, **kwargs)

    QuerySet.select_for_update = select
    try:
        yield
    finally:
        QuerySet.select_for_update = right
