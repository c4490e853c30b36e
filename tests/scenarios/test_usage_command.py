"""`kvit usage`: a person sees what waits and what is in dispute, undoes and decides."""

import json
from pathlib import Path
from typing import Any

import pytest

from kvit.metering import queries as metering
from kvit.parties import queries as parties
from kvit.platform.tenancy import tenant_scope
from kvit.web import cli
from tests.scenarios.company import Company
from tests.scenarios.test_faults import WHOLE, net_of

TYPO = "x1,2026-10-08T12:00:00,a-l,calls,40\n"  # the letter l for the figure 1


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in English; returns (status, stdout, stderr)."""
    monkeypatch.setenv("KVIT_LANG", "en")

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.main(words)
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def usage(run: Any, *words: str) -> Any:
    status, out, err = run("usage", *words, "--json")
    assert status == 0, err
    return json.loads(out)


def faults_of(said: Any) -> list[str]:
    return [one["code"] for one in said.document["faults"]]


def test_a_corrected_row_replaces_the_one_that_waited_and_is_billed_once(
    company: Company, run: Any
) -> None:
    """The whole path of a mistyped subscription: fault, correction, dispute, decision, bill."""
    company.append("usage/calls.csv", TYPO)
    first = company.bill()
    assert (faults_of(first), first.waiting) == (["unknown_subscription"], 1)

    company.edit("usage/calls.csv", "a-l,calls,40", "a-1,calls,40")
    disputed = company.bill(lang="en")
    [fault] = disputed.document["faults"]
    assert (fault["code"], fault["row"], disputed.waiting) == ("usage_conflict", 6, 1)
    assert "kvit usage replace x1 --source calls --reason" in fault["remedy"]
    assert "kvit usage keep x1 --source calls --reason" in fault["remedy"]

    command = ["usage", "replace", "x1", "--source", "calls", "--reason", "a typing error"]
    assert run(*command)[0] == 0

    october = company.bill()
    assert (october.faults, october.waiting, october.status) == ([], 0, 0)
    assert october.totals == WHOLE  # it is issued: what comes late waits for the next month
    assert october.document["put_off"] == 1
    november = company.bill("2026-11")
    assert (november.faults, november.waiting, november.status) == ([], 0, 0)
    assert net_of(november)["alfa"] == "1004.00"
    assert net_of(company.bill("2026-11")) == net_of(november)
    assert net_of(company.bill("2026-12"))["alfa"] == "1000.00"


def test_a_replaced_row_is_billed_at_once_where_nothing_was_billed_yet(
    company: Company, run: Any
) -> None:
    company.append("usage/calls.csv", TYPO)
    company.bill("2026-09")  # takes the rows in, and bills nothing
    company.edit("usage/calls.csv", "a-l,calls,40", "a-1,calls,40")
    company.bill("2026-09")
    assert run("usage", "replace", "x1", "--reason", "a typing error")[0] == 0
    said = company.bill()
    assert (said.faults, said.waiting, said.status) == ([], 0, 0)
    assert net_of(said)["alfa"] == "1304.00"


def test_a_policy_of_corrections_bills_the_replaced_row_in_its_own_month(
    company: Company, run: Any
) -> None:
    company.edit("company.toml", "open_period", "correction")
    company.append("usage/calls.csv", TYPO)
    company.bill()
    company.edit("usage/calls.csv", "a-l,calls,40", "a-1,calls,40")
    company.bill()
    run("usage", "replace", "x1", "--reason", "a typing error")
    said = company.bill()
    assert (said.faults, said.waiting, said.status) == ([], 0, 0)
    assert net_of(said)["alfa"] == "1304.00"


def test_keeping_the_accepted_event_settles_the_dispute(company: Company, run: Any) -> None:
    company.bill()
    company.edit("usage/calls.csv", "a-1,calls,1000", "a-1,calls,9000")
    assert faults_of(company.bill()) == ["usage_conflict"]
    [shown] = usage(run, "conflicts")["conflicts"]
    assert (shown["accepted"]["value"], shown["disputed"]["value"]) == ("1000", "9000")
    assert (shown["disputed"]["file"], shown["disputed"]["row"]) == ("usage/calls.csv", 2)
    text = run("usage", "conflicts")[1]
    assert "1000" in text
    assert "9000" in text
    assert run("usage", "keep", shown["id"][-8:], "--reason", "the node agrees")[0] == 0
    assert usage(run, "conflicts") == {"conflicts": [], "total": 0}
    said = company.bill()
    assert (said.faults, said.totals, said.status) == ([], WHOLE, 0)
    history = usage(run, "event", "u1")
    assert [one["state"] for one in history["revisions"]] == ["stands"]
    assert [one["outcome"] for one in history["disputes"]] == ["keep"]


def test_an_event_that_was_billed_and_undone_comes_back_as_a_difference(
    company: Company, run: Any
) -> None:
    company.bill()
    status, out, _ = run("usage", "retract", "u2", "--reason", "a broken meter")
    assert (status, "1 event undone" in out) == (0, True)
    assert "of the retracted, 1 since the last run" in run("verify")[1]
    assert company.bill().totals == WHOLE
    november = company.bill("2026-11")
    assert "since the last run" not in run("verify")[1]
    assert (november.status, november.waiting) == (0, 0)
    assert net_of(november)["alfa"] == "950.00"  # 500 calls at 0.10 are given back
    [shown] = usage(run, "event", "u2")["revisions"]
    assert (shown["state"], shown["retraction_reason"]) == ("undone", "a broken meter")


def test_an_event_that_was_undone_at_once_is_corrected_at_once_by_policy(
    company: Company, run: Any
) -> None:
    company.edit("company.toml", "open_period", "correction")
    company.bill()
    run("usage", "retract", "u2", "--reason", "a broken meter")
    said = company.bill()
    assert said.totals["alfa credit_note"] == "-61.00"
    assert net_of(said)["alfa"] == "1250.00"


def test_an_event_that_waits_can_be_undone_and_waits_no_more(company: Company, run: Any) -> None:
    company.append("usage/calls.csv", TYPO)
    company.bill()
    assert run("usage", "retract", "x1", "--reason", "a typing error")[0] == 0
    company.edit("usage/calls.csv", TYPO, "")
    said = company.bill()
    assert (said.faults, said.waiting, said.status) == ([], 0, 0)
    assert run("usage", "waiting")[1] == "No event waits.\n"


def test_what_waits_is_listed_with_the_reason(company: Company, run: Any) -> None:
    company.append("subscriptions.csv", "a-2,alfa,pro,2026-10-10\n")
    company.append(
        "usage/calls.csv",
        TYPO
        + "x2,2026-10-08T12:00:00,a-1,disk,1\n"
        + "x3,2026-10-08T12:00:00,a-1,spare,2\n"
        + "x4,2026-10-08T12:00:00,a-2,calls,3\n",
    )
    company.write(
        "usage/more.csv",
        "id,time,customer,meter,value\n"
        "y1,2026-10-20T12:00:00,nobody,calls,4\n"
        "y2,2026-10-20T12:00:00,alfa,calls,5\n",
    )
    assert "  kvit usage waiting " in run("bill", str(company.path), "--period", "2026-10")[1]
    said = company.bill()
    assert said.waiting == 6
    shown = usage(run, "waiting")
    assert shown["events"] == 6
    assert {one["reason"]: [e["event_id"] for e in one["listed"]] for one in shown["waiting"]} == {
        "unknown_subscription": ["x1"], "unknown_meter": ["x2"], "unpriced_usage": ["x3"],
        "usage_outside": ["x4"], "unknown_customer": ["y1"], "usage_ambiguous": ["y2"],
    }  # fmt: skip
    assert all(one["remedy"] for one in shown["waiting"])
    assert [one["reason"] for one in usage(run, "waiting", "--source", "more")["waiting"]] == [
        "usage_ambiguous", "unknown_customer",
    ]  # fmt: skip
    status, text, _ = run("usage", "waiting", "--limit", "2")
    assert (status, "6 events wait in all" in text) == (0, True)
    assert "there is no subscription “a-l”" in text


def test_usage_of_a_price_that_a_fault_holds_is_listed(company: Company, run: Any) -> None:
    company.edit("catalogue.toml", 'unit = "0.10"', 'unit = "a lot"')
    company.bill()
    shown = usage(run, "waiting")["waiting"]
    assert [(one["reason"], one["subject"], one["events"]) for one in shown] == [
        ("not_priced", "a-1", 2), ("not_priced", "b-1", 1),
    ]  # fmt: skip


def test_rows_that_could_not_be_read_are_listed_until_they_are_mended(
    company: Company, run: Any
) -> None:
    long_id = f"{'i' * 300},2026-10-08T12:00:00,a-1,calls,4\n"
    company.append("usage/calls.csv", "x1,2026-10-08T12:00:00,a-1,calls,many\n" + long_id)
    company.bill()
    shown, long = usage(run, "rejected")["rejected"]
    assert (long["code"], long["message"]) == (
        "usage_key_too_long", "Field “id” is longer than 200 characters.",
    )  # fmt: skip
    assert (shown["code"], shown["file"], shown["row"]) == ("bad_value", "usage/calls.csv", 6)
    assert "“many” is not a measured number" in run("usage", "rejected")[1]
    company.edit("usage/calls.csv", "a-1,calls,many", "a-1,calls,4")
    company.bill()
    [still] = usage(run, "rejected")["rejected"]
    assert still["code"] == "usage_key_too_long"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["event", "zz"], "no event “zz”"),
        (["retract", "zz", "--reason", "why"], "no event “zz”"),
        (["retract", "u1", "zz", "--reason", "why"], "no event “zz”"),
        (["retract", "u1", "--reason", " "], "Give a reason"),
        (["keep", "u1", "--reason", "why"], "Nothing is in dispute about the event “u1”"),
        (["replace", "--reason", "why"], "Name events, or --all"),
        (["replace", "u1", "--all", "--reason", "why"], "Name events, or --all"),
        (["retract", "u1", "--source", "other", "--reason", "why"], "no event “u1”"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    company: Company, run: Any, words: list[str], told: str
) -> None:
    company.bill()
    status, out, err = run("usage", *words)
    assert (status, out, told in err) == (1, "", True), err
    assert run("usage", "waiting", "--tenant", "other")[0] == 1
    tenant = parties.tenant_by_code("acme")
    assert tenant is not None
    with tenant_scope(tenant.id):
        assert (metering.counts().retracted, metering.latest_version()) == (0, 1)


def test_several_rows_in_dispute_are_decided_one_by_one(company: Company, run: Any) -> None:
    company.bill()
    company.append(
        "usage/calls.csv",
        "u1,2026-10-05T12:00:00,a-1,calls,7\nu1,2026-10-05T12:00:00,a-1,calls,8\n",
    )
    company.bill()
    status, _, err = run("usage", "replace", "u1", "--reason", "why")
    assert (status, "Several rows are in dispute" in err) == (1, True)
    assert run("usage", "replace", "--all", "--reason", "why")[0] == 1
    shown = {one["disputed"]["value"]: one for one in usage(run, "conflicts")["conflicts"]}
    end = shown["7"]["id"][-8:]
    assert run("usage", "replace", f"…{end}", "--reason", "why")[0] == 0
    assert run("usage", "keep", "--all", "--reason", "why")[0] == 0
    revisions = usage(run, "event", "u1")["revisions"]
    assert [(one["value"], one["state"]) for one in revisions] == [
        ("1000", "undone"), ("7", "stands"),
    ]  # fmt: skip


def test_an_id_of_two_sources_asks_which(company: Company, run: Any) -> None:
    company.write("usage/more.csv", "id,time,subscription,meter,value\nu1,2026-10-09,a-1,calls,1\n")
    company.bill()
    status, _, err = run("usage", "retract", "u1", "--reason", "why")
    assert (status, "calls, more" in err) == (1, True)
    assert run("usage", "retract", "u1", "--source", "more", "--reason", "why")[0] == 0


def test_settled_events_leave_the_database_and_come_back(
    company: Company, run: Any, file_store: Path
) -> None:
    company.append("usage/calls.csv", TYPO)
    october = company.bill()
    story = run("usage", "event", "u1", "--json")[1]
    told = usage(run, "seal", "--release", "--keep-days", "0")
    assert told == {"released": 0, "rows": 5, "held_back_by": "waits"}
    company.edit("usage/calls.csv", TYPO, "")
    assert run("usage", "retract", "x1", "--reason", "a typing error")[0] == 0
    told = usage(run, "seal", "--release", "--keep-days", "0")
    assert told == {"released": 5, "rows": 0, "held_back_by": ""}
    assert usage(run, "seal", "--bring-back") == {"returned": 5, "released": 0}
    assert usage(run, "seal", "--release", "--keep-days", "0") == told
    assert net_of(company.bill()) == net_of(october)
    assert run("usage", "event", "u1", "--json")[1] == story
    assert run("verify", "--sample", "99")[0] == 0
    assert usage(run, "seal", "--bring-back", "--since", "2026-12-01")["returned"] == 0
    out = run("usage", "seal", "--bring-back")[1]
    assert out == "5 events came back to the database; 0 are outside it.\n"
