"""Usage in bulk: a verdict for each event, nothing twice, nothing lost for another's fault."""

import gzip
from typing import Any

import orjson
import pytest

from kvit.metering import queries
from kvit.metering.models import UsageEvent
from tests.api.conftest import Callers

EVENT = {"id": "e1", "subscription": "S-1", "meter": "api_calls",
         "time": "2026-10-16T12:00:00+03:00", "value": "5"}  # fmt: skip


def event(**changes: Any) -> dict[str, Any]:
    return {**EVENT, **changes}


def counts(told: Any) -> tuple[int, ...]:
    names = ("offered", "accepted", "repeated", "conflicting", "rejected")
    return tuple(told[name] for name in names)


def test_three_events_come_in_and_sent_again_change_nothing(api: Callers) -> None:
    crm = api("usage.write")
    batch = [event(id=f"e{i}", value=str(i)) for i in (1, 2, 3)]
    first = crm.post("/events", batch)
    assert (first.status, counts(first.json)) == (200, (3, 3, 0, 0, 0))
    again = crm.post("/events", batch)
    assert counts(again.json) == (3, 0, 3, 0, 0)
    assert [one["verdict"] for one in again.json["data"]] == ["repeated"] * 3
    assert again.json["version"] == first.json["version"]
    assert UsageEvent.objects.count() == 3


def test_each_event_of_a_mixed_batch_has_its_verdict(api: Callers) -> None:
    crm = api()
    crm.post("/events", event())
    answer = crm.post(
        "/events",
        [
            event(),  # the same
            event(value="6"),  # another content under the id
            event(id="e2"),
            event(id="e3", time="yesterday"),
            event(id="e4", value="many"),
            event(id="e5", subscription=""),
            event(id="e6", vaule="5"),
            event(id="e7", customer="romashka"),
            event(id="e8", time="2026-10-16T12:00:00"),
            event(id="e9", dimensions={"region": 7}),
            event(id="e2"),  # twice in one batch
            "nonsense",
            event(id=17),
        ],
        headers={"Accept-Language": "en"},
    )
    told = [(one["verdict"], one.get("field"), one.get("code")) for one in answer.json["data"]]
    assert told == [
        ("repeated", None, None),
        ("conflict", "id", "usage_conflict"),
        ("accepted", None, None),
        ("rejected", "time", "bad_time"),
        ("rejected", "value", "bad_number"),
        ("rejected", "subscription", "bad_subject"),
        ("rejected", "vaule", "unknown_key"),
        ("rejected", "subscription", "bad_subject"),
        ("rejected", "time", "usage_time_without_zone"),
        ("rejected", "dimensions", "wrong_type"),
        ("repeated", None, None),
        ("rejected", "event", "wrong_type"),
        ("rejected", "id", "wrong_type"),
    ]
    assert counts(answer.json) == (13, 1, 2, 1, 9)
    assert answer.json["data"][6]["detail"] == (
        "Key “vaule” is not known here. Did you mean “value”?"
    )
    assert "2026-10-31T09:00:00+03:00" in answer.json["data"][3]["remedy"]
    assert sorted(UsageEvent.objects.values_list("event_id", flat=True)) == ["e1", "e2"]


@pytest.mark.parametrize("written", ['"1_000"', '"_1"', '"1\\u005f000"', '"1_0.5"', '"1_e3"'])
def test_digits_are_not_grouped_by_underscores(api: Callers, written: str) -> None:
    """Python would read them; no other system does, and a person means something else by it."""
    plain = b'{"id": "m_1", "subscription": "S-1", "meter": "api_calls", "text": "a_1", "value":'
    plain += b' "1", "time": "2026-10-16T12:00:00Z"}'
    grouped = plain.replace(b'"1"', written.encode()).replace(b"m_1", b"m_2")
    cloud = b'{"specversion": "1.0", "id": "m_3", "source": "crm", "type": "api_calls", "value":'
    cloud += b' "1_0", "subject": "S-1", "time": "2026-10-16T09:00:00Z", "data": {"value": "7"}}'
    grouped_cloud = cloud.replace(b'"7"', written.encode()).replace(b"m_3", b"m_4")
    body = b"[" + b",".join([plain, grouped, cloud, grouped_cloud]) + b"]"
    told = api().post("/events", body, headers={"Accept-Language": "en"}).json
    assert [(one["verdict"], one.get("field"), one.get("code")) for one in told["data"]] == [
        ("accepted", None, None), ("rejected", "value", "bad_number"),
    ] * 2  # fmt: skip
    shown = written.strip('"').replace("\\u005f", "_")
    assert told["data"][1]["detail"] == f"“{shown}” is not a number."
    assert told["data"][1]["remedy"] == (
        "Write a decimal number with a point and no spaces: 1234.5."
    )
    alone = api().post("/events", grouped).json
    assert (counts(alone), alone["data"][0]["code"]) == ((1, 0, 0, 0, 1), "bad_number")
    values = UsageEvent.objects.order_by("event_id").values_list("event_id", "value")
    assert list(values) == [("m_1", 1), ("m_3", 7)]


@pytest.mark.parametrize(
    ("once", "twice", "name"),
    [
        (b'"value": "1"', b'"value": "1", "value": "2"', "value"),
        (b'"value": "1"', b'"value": "1", "v\\u0061lue": "1"', "value"),
        (b'"a": "b"', b'"a": "b", "a": "c"', "a"),
        (b'"id": "m_2"', b'"id": "m_9", "id": "m_2"', "id"),
    ],
)
def test_a_key_said_twice_is_refused_and_neither_is_taken(
    api: Callers, once: bytes, twice: bytes, name: str
) -> None:
    plain = b'{"id": "m_1", "subscription": "S-1", "meter": "api_calls", "value": "1",'
    plain += b' "dimensions": {"a": "b"}, "time": "2026-10-16T12:00:00Z"}'
    cloud = b'{"specversion": "1.0", "id": "m_1", "source": "crm", "type": "api_calls", "subject":'
    cloud += b' "S-1", "time": "2026-10-16T09:00:00Z", "data": {"value": "1", "dimensions": {"a":'
    cloud += b' "b"}}}'
    for sound in (plain, cloud):
        second = sound.replace(b"m_1", b"m_2")
        body = b"[" + sound + b"," + second.replace(once, twice) + b"]"
        told = api().post("/events", body, headers={"Accept-Language": "en"}).json["data"]
        assert [(one["verdict"], one.get("field"), one.get("code")) for one in told] == [
            ("accepted", None, None), ("rejected", name, "duplicate_key"),
        ]  # fmt: skip
        assert (told[1]["detail"], told[1]["remedy"]) == (
            f"Key “{name}” stands twice.", "Keep one of them."
        )  # fmt: skip
    assert list(UsageEvent.objects.values_list("event_id", flat=True)) == ["m_1", "m_1"]


def test_faults_alone_are_told_where_asked_for(api: Callers) -> None:
    batch = [event(id="e1"), event(id="e2", time="?")]
    answer = api().send("POST", "/events", batch, query={"verdicts": "faults"})
    assert [one["index"] for one in answer.json["data"]] == [1]


def test_cloud_events_say_the_same(api: Callers) -> None:
    crm = api()
    cloud = {"specversion": "1.0", "id": "e1", "source": "api", "type": "api_calls",
             "subject": "S-1", "time": "2026-10-16T09:00:00Z", "data": {"value": 5},
             "traceparent": "00-1"}  # fmt: skip
    kind = "application/cloudevents-batch+json"
    assert counts(crm.post("/events", [cloud], kind=kind).json) == (1, 1, 0, 0, 0)
    assert counts(crm.post("/events", event()).json) == (1, 0, 1, 0, 0)
    mixed = [event(id="e2"), {**cloud, "id": "e3", "subject": "customer:romashka"}]
    assert counts(crm.post("/events", mixed).json) == (2, 2, 0, 0, 0)
    assert UsageEvent.objects.get(event_id="e3").subject_kind == "customer"


def test_an_id_is_one_within_its_source(api: Callers) -> None:
    crm = api()
    batch = [event(source="crm"), event(source="wms"), event()]
    assert counts(crm.post("/events", batch).json) == (3, 3, 0, 0, 0)
    sources = UsageEvent.objects.order_by("source").values_list("source", flat=True)
    assert list(sources) == ["api", "crm", "wms"]
    answer = crm.send("POST", "/events", event(), query={"source": "wms"})
    assert counts(answer.json) == (1, 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("source", "code"), [("s" * 201, "usage_key_too_long"), ("a\0b", "usage_text_invalid")]
)
def test_a_source_that_cannot_be_kept_is_told_as_what_it_is(
    api: Callers, source: str, code: str
) -> None:
    answer = api().post("/events", [event(source=source), event(id="e2")])
    assert counts(answer.json) == (2, 1, 0, 0, 1)
    [told] = [one for one in answer.json["data"] if one["verdict"] == "rejected"]
    assert (told["field"], told["code"]) == ("source", code)


@pytest.mark.parametrize("value", ["0.1", "123456789012345678.123456789012", "1e2"])
def test_a_number_keeps_every_digit(api: Callers, value: str) -> None:
    raw = orjson.dumps(event()).replace(b'"5"', value.encode())
    assert counts(api().post("/events", raw).json) == (1, 1, 0, 0, 0)
    from decimal import Decimal

    assert UsageEvent.objects.get().value == Decimal(value)


def test_a_packed_batch_is_unpacked(api: Callers) -> None:
    batch = [event(id=f"e{i}") for i in range(2_000)]
    plain = orjson.dumps(batch)
    # Of two members, as who appends to a file leaves it, both are read.
    packed = gzip.compress(plain[:20]) + gzip.compress(b"") * 2_000 + gzip.compress(plain[20:])
    answer = api().post("/events", packed, headers={"Content-Encoding": "gzip"})
    assert counts(answer.json) == (2_000, 2_000, 0, 0, 0)


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (b"[]", "", 422, "batch_size"),
        (orjson.dumps([{}] * 10_001), "", 422, "batch_size"),
        (b"[", "", 400, "bad_request"),
        (b"", "", 422, "batch_size"),
        (b"\xff", "", 400, "bad_request"),
        (b"[" * 5_000, "", 400, "bad_request"),
        (b"not gzip", "gzip", 400, "bad_request"),
        (gzip.compress(b"[1]", mtime=0)[:-1], "gzip", 400, "bad_request"),
        (gzip.compress(b"[1]", mtime=0) + b"x", "gzip", 400, "bad_request"),
        (
            gzip.compress(b"[1]", mtime=0) + gzip.compress(b"[2]", mtime=0),
            "gzip",
            400,
            "bad_request",
        ),
        (b"[]", "br", 415, "encoding_unsupported"),
        (gzip.compress(b" " * (65 * 2**20)), "gzip", 413, "body_too_large"),
        (b" " * (8 * 2**20 + 1), "", 413, "body_too_large"),
    ],
)
def test_a_batch_that_is_none_is_refused_whole(
    api: Callers, body: bytes, encoding: str, status: int, code: str
) -> None:
    headers = {"Content-Encoding": encoding} if encoding else {}
    answer = api().post("/events", body, headers=headers)
    assert (answer.status, answer.code) == (status, code)
    assert queries.latest_version() == 0


def test_rejected_events_are_kept_in_sight(api: Callers) -> None:
    from kvit.metering.models import RejectedRow

    api().post("/events", event(id="e9", time="?"))
    row = RejectedRow.objects.get()
    assert (row.source, row.event_id, row.field, row.code) == ("api", "e9", "time", "bad_time")


def test_hostile_texts_are_refused_one_by_one(api: Callers) -> None:
    raw = b'[{"id": "a\\u0000", "subscription": "S", "meter": "m", "time": "2026-10-16T12:00:00Z"}]'
    answer = api().post("/events", raw)
    assert counts(answer.json) == (1, 0, 0, 0, 1)
    assert answer.json["data"][0]["code"] == "usage_text_invalid"
    [one] = api().post("/events", raw.replace(b"a\\u0000", b"\xff")).json["data"]
    assert (one["verdict"], one["code"]) == ("rejected", "not_utf8")
    assert "UTF-8" in str(one)
