"""kvit approve, correct, amend, preview: what a person at the terminal says and sees."""

import json
from pathlib import Path
from typing import Any

import pytest

from kvit.invoicing import queries
from kvit.invoicing.models import Invoice
from kvit.parties.rows import Tenant
from kvit.platform import clock
from kvit.platform.models import AuditRow
from kvit.subscriptions.models import Amendment
from kvit.web import cli
from tests.invoicing import company
from tests.invoicing.company import LATER, NOVEMBER, bill, documents, invoice, sums

HEADER = "subscription,at,change,value,reason\n"


@pytest.fixture(autouse=True)
def _later(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.move_test_clock(tenant.id, to=LATER, actor="cli:test", reason="test")
    monkeypatch.setenv("KVIT_LANG", "en")


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command; returns (exit status, what stood on stdout, on stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.main(words)
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


@pytest.mark.usefixtures("billed")
def test_correct_issues_a_printed_credit_note(say: Any) -> None:
    status, out, _ = say("correct", "2026-00001", "--credit", "1=300.00", "--reason", "Outage",
                         "--json")  # fmt: skip
    told = json.loads(out)
    assert status == 0
    assert (told["document"]["number"], told["document"]["total"]) == ("2026-00003", "-366.00")
    assert Path(told["pdf"]).read_bytes().startswith(b"%PDF")
    note = queries.corrections_of(invoice().id)[0]
    assert (note.reason, note.author.startswith("cli:")) == ("Outage", True)


@pytest.mark.usefixtures("billed")
def test_correct_voids_and_says_that_the_services_are_charged_again(say: Any) -> None:
    status, out, _ = say("correct", "2026-00001", "--void", "--again", "--reason", "Wrong payer")
    assert (status, "void" in out, "charges the services again" in out) == (0, True, True)
    assert sums(documents("north")[1]) == ("void", -200_000, -44_000, -244_000)


@pytest.mark.usefixtures("billed")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["2026-09999", "--void"], "no document “2026-09999”"),
        (["2026-00001", "--credit", "1=9999999"], "At most ₽1,000.00 of line 1"),
        (["2026-00001", "--credit", "1=0.001"], "no sum of RUB"),
        (["2026-00001", "--credit", "x"], "no sum of RUB"),
        (["2026-00001", "--debit", "1"], "no sum of RUB"),
        (["2026-00001", "--void", "--tenant", "other"], "no company “other”"),
    ],
)
def test_what_is_refused_is_said_and_changes_nothing(say: Any, words: list[str], told: str) -> None:
    status, out, err = say("correct", *words, "--reason", "Why")
    assert (status, out) == (1, "")
    assert told in err
    assert Invoice.objects.count() == 2


def test_approve_lists_issues_and_refuses(say: Any) -> None:
    company.found(approval=True)
    bill()
    status, out, _ = say("approve", "--list", "--json")
    drafts = json.loads(out)["drafts"]
    assert (status, [one["total"] for one in drafts]) == (0, ["2440.00", "1220.00"])
    status, out, _ = say("approve")
    assert (status, "waits for approval" in out, drafts[0]["id"][-8:] in out) == (0, True, True)
    assert say("approve", drafts[0]["id"][-8:], "--date", "2026-10-31")[0] == 0
    assert (invoice().number, str(invoice().issued_on)) == ("2026-00001", "2026-10-31")
    status, _, err = say("approve", "--all", "--refuse")
    assert (status, "needs --reason" in err) == (2, True)
    status, out, _ = say("approve", "--all", "--refuse", "--reason", "Wrong price")
    assert (status, queries.drafts()) == (0, [])
    assert AuditRow.objects.get(action="invoicing.draft.refused").reason == "Wrong price"
    assert say("approve")[1] == "Nothing waits for approval.\n"
    assert say("approve", "deadbeef")[0] == 1


@pytest.mark.usefixtures("billed")
def test_preview_shows_the_next_bill_and_what_a_change_makes_of_it(say: Any) -> None:
    status, out, _ = say("preview", "--json")
    shown = json.loads(out)
    assert (status, shown["period"]) == (0, "2026-11")
    assert [one["total"] for one in shown["invoices"]] == ["1220.00", "1220.00"]
    words = ("n-1", "discount", "--at", "2026-10-16", "--value", "15 %")
    status, out, _ = say("preview", *words, "--json")
    rows = json.loads(out)["preview"]
    assert [(one["period"], one["before"]["totals"], one["after"]["totals"]) for one in rows] == [
        ("2026-11", {"RUB": "1220.00"}, {"RUB": "942.55"}),
        ("2026-12", {"RUB": "1220.00"}, {"RUB": "1037.00"}),
    ]
    assert "₽1,037.00" in say("preview", *words)[1]
    assert (Amendment.objects.count(), Invoice.objects.count()) == (0, 2)
    assert say("preview", "n-1")[0] == 2


@pytest.mark.usefixtures("billed")
def test_amend_records_what_the_preview_showed(say: Any) -> None:
    words = ("n-1", "discount", "--at", "2026-11-01", "--value", "15 %", "--reason", "Promised")
    assert say("amend", *words, "--dry-run")[0] == 0
    assert Amendment.objects.count() == 0
    status, out, _ = say("amend", *words)
    assert (status, out) == (0, "1 change recorded.\n")
    row = Amendment.objects.get()
    assert (row.value, row.reason) == ({"percent": "15"}, "Promised")
    bill(NOVEMBER)
    assert invoice("north", NOVEMBER).total_minor == 103_700


@pytest.mark.usefixtures("billed")
def test_a_file_is_recorded_whole_or_not_at_all_with_a_verdict_for_each_row(
    say: Any, tmp_path: Path
) -> None:
    path = tmp_path / "many.csv"
    path.write_text(
        HEADER
        + "n-1,2026-11-16,discount,15 %,Акция\n"
        + "s-1,2026-11-16,plan,pore,\n"
        + "s-1,2026-11-16,transfer,nobody,\n"
        + "s-2,2026-11-16,pause,,\n"
        + "s-1,2026-99-16,pause,,\n"
        + "s-1,2026-11-16,reading,\"{\"\"meter\"\": \"\"calls\"\", \"\"value\"\": \"\"5\"\"}\",\n"
        + "s-1,2026-11-20,transfer,north,\n"
    )  # fmt: skip
    status, out, _ = say("amend", "--file", str(path), "--reason", "October talks", "--json")
    told = json.loads(out)
    assert (status, told["recorded"], Amendment.objects.count()) == (1, 0, 0)
    assert {one["row"]: one["code"] for one in told["faults"]} == {
        3: "unknown_plan", 4: "unknown_customer", 5: "unknown_subscription", 6: "bad_time",
        7: "reading_is_usage",
    }  # fmt: skip
    assert [one["row"] for one in told["rows"] if one["fits"]] == [2, 8]

    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1], lines[7]]))
    status, out, _ = say("amend", "--file", str(path), "--reason", "October talks", "--json")
    assert (status, json.loads(out)["recorded"]) == (0, 2)
    assert list(Amendment.objects.order_by("at").values_list("change", "reason")) == [
        ("discount", "Акция"), ("transfer", "October talks"),
    ]  # fmt: skip


@pytest.mark.usefixtures("billed")
def test_a_change_that_cannot_stand_is_a_verdict_too(say: Any) -> None:
    """After the end there is nothing to pause."""
    company.amend("n-1", NOVEMBER.start, "cancel")
    status, _, err = say("amend", "n-1", "pause", "--at", "2026-11-16", "--reason", "Holiday")
    assert (status, "does not fit subscription “n-1”" in err) == (1, True)
    assert Amendment.objects.count() == 1


@pytest.mark.usefixtures("billed")
def test_a_change_is_listed_and_taken_back_by_its_number(say: Any) -> None:
    """n-1 pays 1 000.00 a month; half of it from November on was a mistake."""
    say("amend", "n-1", "discount", "--at", "2026-11-01", "--value", "50 %", "--reason", "Talks")
    status, out, _ = say("amend", "n-1", "--json")
    (row,) = json.loads(out)["amendments"]
    assert (status, row["number"], row["change"], row["withdrawn_by"]) == (0, 1, "discount", None)
    words = ("amend", "n-1", "withdraw", "--value", "1", "--reason", "A mistake")
    status, out, _ = say(*words, "--dry-run")
    assert (status, "Dry run" in out) == (0, True)
    assert Amendment.objects.count() == 1
    assert say(*words)[0] == 0
    _, out, _ = say("amend", "n-1")
    assert "(withdrawn by no. 2)" in out.splitlines()[0]
    bill(NOVEMBER)
    november = Invoice.objects.filter(billed_in=NOVEMBER.start)
    assert november.get(customer_id=invoice().customer_id).net_minor == 100_000
    # Again, or what never was: refused in words, and nothing is recorded.
    assert say("amend", "n-1", "withdraw", "--value", "7", "--reason", "A mistake")[0] == 1
    assert say("amend", "n-1", "withdraw", "--reason", "A mistake")[0] == 2
    assert Amendment.objects.count() == 2
    assert say("amend", "nobody")[0] == 1
    assert say("amend", "n-1", "pause", "--at", "2026-11-16")[0] == 2
