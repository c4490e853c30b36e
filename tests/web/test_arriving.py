"""A request's body is here before anybody works on it; who is too slow or too large is refused."""

import asyncio
from typing import Any

import pytest

from kvit.web import arriving
from kvit.web.arriving import Arriving

FIRST = {"type": "http.request", "body": b"ab", "more_body": True}
LAST = {"type": "http.request", "body": b"cd", "more_body": False}
GONE = {"type": "http.disconnect"}


class Exchange:
    """One request: what its client sends, what the application sees, what comes back."""

    def __init__(self, *messages: Any, patience_s: float = 5.0) -> None:
        self.messages = list(messages)
        self.arriving = Arriving(self._app, patience_s=patience_s)
        self.seen: list[tuple[Any, bytes]] = []
        self.sent: list[Any] = []

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, is_more = b"", True
        while is_more:
            message = await receive()
            body, is_more = body + message["body"], message["more_body"]
        self.seen.append((scope, body))

    async def _receive(self) -> Any:
        if not self.messages:
            await asyncio.sleep(60)
        return self.messages.pop(0)

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    def run(
        self, length: int | None = 4, query: bytes = b"", headers: dict[str, str] | None = None
    ) -> "Exchange":
        told_length = {} if length is None else {"content-length": str(length)}
        named = {**told_length, "accept-language": "en", **(headers or {})}
        told = [(name.encode(), value.encode()) for name, value in named.items()]
        scope = {"type": "http", "query_string": query, "headers": told}
        asyncio.run(self.arriving(scope, self._receive, self._send))
        return self

    @property
    def answer(self) -> tuple[int, str]:
        return self.sent[0]["status"], self.sent[1]["body"].decode()


def test_a_body_is_whole_before_the_application_sees_it() -> None:
    [(_, body)] = Exchange(FIRST, LAST).run().seen
    assert body == b"abcd"


def test_a_body_that_came_at_once_is_given_with_its_request() -> None:
    given: list[tuple[Any, bytes]] = []
    for parts, at_once in (((LAST,), [b"cd"]), ((FIRST, LAST), [])):
        told = Exchange(*parts)

        async def app(scope: Any, receive: Any, send: Any, body: bytes) -> None:
            given.append((scope, body))

        told.arriving = Arriving(told._app, app)
        told.run(length=sum(len(one["body"]) for one in parts))
        assert ([body for _, body in given], told.arriving._held) == (at_once, 0)
        assert [body for _, body in told.seen] == ([] if at_once else [b"abcd"])
        given.clear()


def test_a_large_body_comes_through_a_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "IN_MEMORY", 10)
    large = b"x" * (2 * arriving.PART_BYTES)
    [(_, body)] = Exchange({**LAST, "body": large}).run(length=len(large)).seen
    assert body == large


def test_who_says_nothing_is_refused_and_the_application_never_asked() -> None:
    late = Exchange(FIRST, patience_s=0.05).run()
    assert late.answer == (
        408, "The body of the request came too slowly: nothing was done. Send it again."
    )  # fmt: skip
    assert late.seen == []


def test_who_leaves_in_the_midst_of_a_body_has_sent_none() -> None:
    left = Exchange(FIRST, GONE).run()
    assert (left.seen, left.sent) == ([], [])


def test_what_is_too_large_is_refused_unread() -> None:
    large = Exchange(FIRST).run(length=arriving.MOST_BYTES + 1)
    assert large.answer[0] == 413
    assert large.messages == [FIRST]
    assert large.seen == []


def test_bodies_of_a_process_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "MOST_HELD", 3)
    full = Exchange(FIRST, LAST).run()
    assert full.answer[0] == 503
    assert full.seen == []
    full.messages = [{**LAST, "body": b"abc"}]  # what was refused is held no longer
    assert [body for _, body in full.run().seen] == [b"abc"]


def test_letters_of_a_query_are_read_whichever_way_they_are_written() -> None:
    [(scope, _)] = Exchange(LAST).run(query="search=Ё%20&q=1".encode()).seen
    assert scope["query_string"] == b"search=%D0%81%20&q=1"


def test_a_header_with_an_underscore_passes_for_no_other() -> None:
    told = {"x-client-cert-sha256": "aa", "x_client_cert_sha256": "bb"}
    [(scope, _)] = Exchange(LAST).run(headers=told).seen
    assert [one for one in scope["headers"] if b"cert" in one[0]] == [
        (b"x-client-cert-sha256", b"aa")
    ]


def test_a_body_of_the_length_that_is_told_is_waited_for_no_longer() -> None:
    """The server tells with one more message that nothing follows; who asks next hears the rest."""
    told = Exchange({**FIRST, "body": b"abcd"})
    [(_, body)] = told.run().seen
    assert (body, told.messages) == (b"abcd", [])

    async def after() -> Any:
        told.messages = [{**LAST, "body": b""}, GONE]
        receive = arriving.told_again(b"abcd", told._receive)
        return [await receive(), await receive()]

    assert asyncio.run(after()) == [{**LAST, "body": b"abcd"}, GONE]


def test_each_of_many_clients_has_its_own_patience() -> None:
    """One timer looks after all: who is too slow is refused, the others are answered."""
    slow, quick = Exchange(FIRST, patience_s=0.05), Exchange(FIRST, LAST)
    quick.arriving._then, slow.arriving._then = quick._app, quick._app
    quick.arriving = slow.arriving

    async def both() -> None:
        scope = {
            "type": "http", "query_string": b"", "headers": [(b"content-length", b"4")],
        }  # fmt: skip
        await asyncio.gather(
            slow.arriving(scope, slow._receive, slow._send),
            quick.arriving(scope, quick._receive, quick._send),
        )

    asyncio.run(both())
    assert ([body for _, body in quick.seen], slow.answer[0]) == ([b"abcd"], 408)


def test_who_is_cancelled_by_somebody_else_is_not_too_slow() -> None:
    left = Exchange(FIRST)

    async def cancelled() -> None:
        scope = {"type": "http", "query_string": b"", "headers": [(b"content-length", b"4")]}
        task = asyncio.create_task(left.arriving(scope, left._receive, left._send))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert (left.seen, left.sent) == ([], [])


CHUNKED = {"transfer-encoding": "Chunked"}


def test_a_body_told_by_its_end_is_passed_on_with_its_length() -> None:
    for parts, body in (
        ((FIRST, LAST), b"abcd"),
        ((FIRST, FIRST, LAST), b"ababcd"),
        ((LAST,), b"cd"),
    ):
        chunked = Exchange(*parts).run(length=None, headers=CHUNKED)
        [(scope, seen)] = chunked.seen
        assert (seen, scope["headers"]) == (
            body, [(b"accept-language", b"en"), (b"content-length", str(len(body)).encode())],
        )  # fmt: skip


def test_a_body_that_has_no_end_is_refused_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "MOST_BYTES", 9)
    large = Exchange(*[FIRST] * 9).run(length=None, headers=CHUNKED)
    assert (large.answer[0], len(large.messages), large.seen) == (413, 4, [])
    slow = Exchange(FIRST, patience_s=0.05).run(length=None, headers=CHUNKED)
    assert (slow.answer[0], slow.seen) == (408, [])
    left = Exchange(FIRST, GONE).run(length=None, headers=CHUNKED)
    assert (left.answer[0], left.seen) == (400, [])  # it may be there: its parts were none
    monkeypatch.setattr(arriving, "MOST_HELD", 5)
    full = Exchange(*[FIRST] * 9).run(length=None, headers=CHUNKED)
    assert (full.answer[0], len(full.messages), full.seen) == (503, 6, [])
    assert full.arriving._held == 0


def test_a_body_in_crumbs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part costs its work, however small it is."""
    monkeypatch.setattr(arriving, "MOST_CRUMBS", 3)
    crumbs = Exchange(*[FIRST] * 9).run(length=None, headers=CHUNKED)
    assert (crumbs.answer[0], len(crumbs.messages), crumbs.seen) == (400, 5, [])
    large = {**FIRST, "body": b"x" * 2 * arriving.CRUMB_BYTES}
    whole = Exchange(*[large] * 9, LAST).run(length=None, headers=CHUNKED)
    assert [len(body) for _, body in whole.seen] == [18 * arriving.CRUMB_BYTES + 2]


@pytest.mark.parametrize(
    ("length", "encoding"), [(4, "chunked"), (None, "gzip, chunked"), (None, "identity")]
)
def test_a_body_whose_end_is_told_in_two_ways_is_refused_unread(
    length: int | None, encoding: str
) -> None:
    unclear = Exchange(FIRST, LAST).run(length=length, headers={"transfer-encoding": encoding})
    assert unclear.answer == (
        400, "It is unclear where the body ends: nothing was done. Send it with Content-Length, or"
        " with Transfer-Encoding: chunked alone.",
    )  # fmt: skip
    assert (unclear.seen, unclear.messages) == ([], [FIRST, LAST])
