"""The log of postings: what is signed is not changed, dropped, exchanged or added to unseen."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection, transaction

from kvit.core.transparency import Checkpoint, leaf_hash, read_checkpoint
from kvit.ledger import jobs, queries
from kvit.ledger.services import PostingIn, ensure_chart, log_postings, post_many
from kvit.platform.jobs import work_once
from kvit.platform.row_log import NotLogged
from kvit.platform.signed_notes import NoteUnusable, opened
from kvit.platform.tenancy import current_tenant_id, tenant_scope
from kvit.platform.tlog import KeyChanged
from tests.platform.conftest import make_house

pytestmark = pytest.mark.django_db(transaction=True)
DAY = date(2026, 11, 1)
CUSTOMER = uuid4()
Post = Callable[..., list[UUID]]


@pytest.fixture
def post(seller: UUID, now: datetime, file_store: Path) -> Post:
    """Return a function that posts so many invoices of two postings each."""

    def some(count: int, customer: UUID = CUSTOMER) -> list[UUID]:
        keys = [uuid4() for _ in range(count)]
        post_many(
            (
                PostingIn(seller, debit, credit, customer, 100 + n, "RUB",
                          f"invoice:{key}", line, DAY)
                for n, key in enumerate(keys)
                for line, (debit, credit) in enumerate(
                    [("receivable", "revenue"), ("revenue", "vat_out")], 1)
            ),
            now=now,
        )  # fmt: skip
        return keys

    return some


def log() -> int:
    return log_postings(beside=None)


def told() -> list[tuple[str, str, str]]:
    return [(one.code, one.row, one.detail) for one in queries.problems_of_log()]


def logged() -> list[int]:
    kept = queries.log_of_books()
    size = kept.grown().frontier.size
    return [json.loads(one)[1] for some, _ in kept.bundles(size) for one in some]


def tampered(owner: psycopg.Connection[Any], *statements: str) -> None:
    """Do what only the owner of the table can: put its guards to sleep, and wake them after."""
    guards = ("TRIGGER USER", "ROW LEVEL SECURITY")
    with owner.transaction():
        for one in guards:
            owner.execute(f"ALTER TABLE ledger_posting DISABLE {one}")
        for one in statements:
            owner.execute(one)
        for one in guards:
            owner.execute(f"ALTER TABLE ledger_posting ENABLE {one}")


def test_every_posting_is_signed_once(post: Post) -> None:
    assert (queries.is_behind(), log(), queries.log_of_books().note()) == (False, 0, None)
    post(3)
    assert queries.is_behind()
    assert (log(), log(), queries.is_behind()) == (6, 0, False)
    post(200)
    assert log() == 400
    ids = logged()
    assert (len(ids), len(set(ids)), told()) == (406, 406, [])
    sizes = [one.size for one in queries.log_of_books().signed()]
    assert sizes == [6, 406]


def test_a_posting_reads_in_the_log_as_it_was_posted(post: Post, seller: UUID) -> None:
    [key] = post(1)
    log()
    kept = queries.log_of_books()
    said = json.loads(kept.entry(0, 2))
    assert said[0] == "kvit.posting.v1"
    assert said[2:] == [
        str(seller), "62.01", "90.01", str(CUSTOMER), 100, "RUB", f"invoice:{key}", 1,
        "2026-11-01", "2026-11-01T00:00:00+00:00",
    ]  # fmt: skip


def test_what_is_committed_late_comes_late_and_comes(post: Post, tenant: UUID) -> None:
    has_ids, may_end = Event(), Event()

    def late() -> None:
        with tenant_scope(tenant), transaction.atomic():
            post(1, customer=uuid4())  # whom nobody else posts to: debts are kept in place
            has_ids.set()
            may_end.wait(60)
        connection.close()

    slow = Thread(target=late)
    slow.start()
    has_ids.wait(60)
    post(1)  # with higher ids, and committed before
    assert (log(), log()) == (2, 0)
    post(1)
    assert log() == 2
    may_end.set()
    slow.join()
    assert (log(), log()) == (2, 0)
    post(1)
    assert (log(), queries.is_behind(), told()) == (2, False, [])
    assert (sorted(logged()) != logged(), len(set(logged()))) == (True, 8)


def test_it_is_not_written_where_postings_may_yet_be_undone(
    post: Post,
) -> None:
    post(1)
    with pytest.raises(queries.NotLogged) as caught, transaction.atomic():
        log()
    assert caught.value.code == "ledger_log_in_transaction"
    assert queries.log_of_books().note() is None


def test_a_changed_posting_is_named_with_what_changed(
    post: Post, owner: psycopg.Connection[Any]
) -> None:
    post(300)
    log()
    key = logged()[411]
    tampered(owner, f"UPDATE ledger_posting SET amount_minor = 1 WHERE id = {key}")
    assert told() == [
        ("ledger_posting_not_as_signed", f"posting:{key}", "amount_minor 305 -> 1")]  # fmt: skip


def test_a_dropped_an_exchanged_and_a_slipped_in_posting_are_named(
    post: Post, owner: psycopg.Connection[Any]
) -> None:
    post(5)
    log()
    first, second, third, *_ = logged()
    tampered(
        owner,
        f"DELETE FROM ledger_posting WHERE id = {third}",
        f"UPDATE ledger_posting SET id = -1 WHERE id = {first}",
        f"UPDATE ledger_posting SET id = {first} WHERE id = {second}",
        f"UPDATE ledger_posting SET id = {second} WHERE id = -1",
        "INSERT INTO ledger_posting (id, tenant_id, seller_id, debit, credit, customer_id,"
        " amount_minor, currency, source, line, effective_on, recorded_at) SELECT 0, tenant_id,"
        " seller_id, debit, credit, customer_id, amount_minor, currency, source, 9, effective_on,"
        f" recorded_at FROM ledger_posting WHERE id = {first}",
    )  # fmt: skip
    assert sorted((code, row) for code, row, _ in told()) == [
        ("ledger_posting_gone", f"posting:{third}"),
        ("ledger_posting_not_as_signed", f"posting:{first}"),
        ("ledger_posting_not_as_signed", f"posting:{second}"),
        ("ledger_posting_slipped_in", "posting:0"),
    ]


def test_a_log_that_was_changed_to_fit_contradicts_its_checkpoint(
    post: Post, owner: psycopg.Connection[Any]
) -> None:
    """Who can write the folder changes entry and hash together; the signature they cannot."""
    post(2)
    log()
    kept, key = queries.log_of_books(), logged()[0]
    tampered(owner, f"UPDATE ledger_posting SET amount_minor = 1 WHERE id = {key}")
    bundle, tile = (kept.folder / f"tile/{name}/000.p/4" for name in ("entries", "0"))
    old = kept.entry(0, 4)
    new = old.replace(b",100,", b",1,")
    bundle.write_bytes(
        bundle.read_bytes().replace(len(old).to_bytes(2, "big") + old,
                                    len(new).to_bytes(2, "big") + new))  # fmt: skip
    assert told() == [
        ("ledger_log_not_as_signed", "entry:0", "not what its hash says"),
        ("ledger_log_not_as_signed", "checkpoint:4", "another root"),
    ]
    tile.write_bytes(leaf_hash(new) + tile.read_bytes()[32:])
    assert told() == [("ledger_log_not_as_signed", "checkpoint:4", "another root")]


def test_a_log_that_was_cut_contradicts_its_checkpoint(
    post: Post,
) -> None:
    post(1)
    log()
    kept = queries.log_of_books()
    before = (kept.folder / "grown").read_bytes()
    post(1)
    log()
    (kept.folder / "grown").write_bytes(before)
    [(code, row, detail)] = told()
    assert (code, row) == ("ledger_log_not_as_signed", "log")
    assert "is damaged" in detail


def test_a_changed_checkpoint_is_no_replaced_key(post: Post) -> None:
    """Who is told to begin anew would help whoever changed it."""
    post(2)
    log()
    newest = queries.log_of_books().folder / "checkpoint"
    newest.write_text(newest.read_text().replace("\n4\n", "\n3\n"))
    [(code, row, _)] = told()
    assert (code, row) == ("ledger_log_not_as_signed", "log")


def test_a_replaced_key_is_named_and_the_log_begins_anew_when_it_is_told_to(
    post: Post,
    tmp_path: Path,
    settings: Any,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    post(2)
    assert log_postings(beside=elsewhere) == 4
    former = queries.log_of_books().note()
    with pytest.raises(NotLogged) as whole:
        queries.BOOKS.begin_anew(beside=elsewhere, now=now)
    assert whole.value.code == "ledger_log_goes_on"

    settings.SECRET_KEY = "another"
    with pytest.raises(KeyChanged) as refused:
        log_postings(beside=elsewhere)
    assert "secret-key" in refused.value.text("ru")
    assert "kvit books seal --anew" in refused.value.text("en")
    [(code, row, detail)] = told()
    assert (code, row) == ("ledger_log_key_changed", "log")
    assert detail == queries.log_of_books().signer.name
    said: list[str] = []
    monkeypatch.setattr(jobs._log, "error", lambda text, *rest: said.append(text % rest))
    here = SimpleNamespace(id=current_tenant_id(), row=SimpleNamespace(code="acme"))
    monkeypatch.setattr(jobs.parties, "tenants", lambda: [here])
    jobs.log_all()
    assert ["secret-key" in one for one in said] == [True]
    assert queries.log_of_books().note() == former

    aside = queries.BOOKS.begin_anew(beside=elsewhere, now=now)
    assert (aside / "checkpoint").read_text() == former
    assert log_postings(beside=elsewhere) == 4
    assert told() == []
    own = elsewhere / queries.log_of_books().signer.name
    assert sorted(one.name for one in own.parent.iterdir()) == [own.name, aside.name]


def test_who_holds_a_checkpoint_finds_it_again(post: Post, tmp_path: Path) -> None:
    post(150)
    log_postings(beside=tmp_path / "elsewhere")
    kept = queries.log_of_books()
    [note] = [one.read_text() for one in (tmp_path / "elsewhere").rglob("*") if one.is_file()]
    post(300)
    log()
    assert queries.agrees(note)
    others = (
        Checkpoint(kept.signer.name, 300, leaf_hash(b"x")),
        Checkpoint(kept.signer.name, 10_000, leaf_hash(b"x")),
        Checkpoint("kvit/ledger/other/1", 300, kept.read(note).root),
    )
    assert [queries.agrees(kept.signer.sign(one.text)) for one in others] == [False] * 3
    with pytest.raises(NoteUnusable):
        queries.agrees(note.replace("300", "301"))


def test_a_document_is_proved_against_the_checkpoint(
    post: Post, owner: psycopg.Connection[Any]
) -> None:
    keys = post(700)
    log()
    post(1)
    log()
    source = f"invoice:{keys[411]}"
    proofs, verifier = queries.proofs_of(source), queries.log_of_books().signer.verifier
    head = read_checkpoint(opened(proofs[0].note, verifier))
    assert (head.size, [one.index for one in proofs]) == (1402, [822, 823])
    for one in proofs:
        assert json.loads(one.entry)[8] == source
        assert one.is_shown(head)
        assert not replace(one, entry=one.entry.replace(b",511,", b",1,")).is_shown(head)
    with pytest.raises(queries.NotLogged) as caught:
        queries.proofs_of("invoice:none")
    assert caught.value.code == "ledger_not_in_log"
    tampered(owner, f"UPDATE ledger_posting SET amount_minor = 1 WHERE source = '{source}'")
    with pytest.raises(queries.NotLogged):
        queries.proofs_of(source)


def test_a_worker_logs_what_was_posted_and_leaves_the_others_alone(
    now: datetime, file_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs.settings, "load", lambda: SimpleNamespace(checkpoints=tmp_path / "c"))
    houses = [make_house(code, now) for code in ("busy", "idle")]
    with tenant_scope(houses[0].tenant):
        ensure_chart(houses[0].seller, actor="t", now=now)
        row = PostingIn(houses[0].seller, "receivable", "revenue", None, 5, "RUB", "x:1", 1, DAY)
        post_many([row], now=now)
    jobs.log_all()
    jobs.log_all()
    work_once()
    with tenant_scope(houses[0].tenant):
        assert (logged() != [], queries.is_behind()) == (True, False)
    with tenant_scope(houses[1].tenant):
        assert queries.log_of_books().note() is None
    assert len([one for one in (tmp_path / "c/kvit/ledger").rglob("*") if one.is_file()]) == 1
