"""Each invariant, broken in one row by a superuser: `kvit verify` names it and that row.

One company is billed once, in a database of its own; every break is made in a transaction that is
taken back, with triggers and foreign keys asleep and, where they would forbid it, constraints
dropped.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from kvit.ledger.services import log_postings
from kvit.parties import queries as parties
from kvit.platform import files
from kvit.platform.audit_signed import JOURNAL
from kvit.platform.db.roles import APP_ROLE, Access
from kvit.platform.tenancy import tenant_scope
from kvit.web.cli import main
from tests import database
from tests.scenarios.company import Company

FIRST_INVOICE = "(SELECT id FROM invoicing_invoice ORDER BY number LIMIT 1)"
FIRST_LINE = "(SELECT id FROM invoicing_invoiceline ORDER BY id LIMIT 1)"
FIRST_CHARGE = "(SELECT id FROM rating_charge ORDER BY id LIMIT 1)"
USAGE_CHARGE = (
    "(SELECT id FROM rating_charge WHERE price_key = 'calls' AND amount_minor > 0"
    " ORDER BY id LIMIT 1)"
)
FIRST_ACT = "(SELECT min(number) FROM platform_auditrow)"
FIRST_POSTING = "(SELECT min(id) FROM ledger_posting)"
LAST_CHARGE = "(SELECT id FROM rating_charge ORDER BY id DESC LIMIT 1)"
FIRST_PERIOD = "(SELECT id FROM rating_ratedperiod ORDER BY starts_at, id LIMIT 1)"
FIRST_RUN = "(SELECT id FROM invoicing_billrun ORDER BY id LIMIT 1)"
ODD = "00000000-0000-0000-0000-00000000000"  # of rows that are slipped in
PART = (
    f"INSERT INTO invoicing_runpart (id, tenant_id, run_id, stage, place, size, ids, is_done,"
    f" brought, issued, drafts) SELECT '{ODD}{{0}}', tenant_id, id, 'rating', {{0}}, 1, '{{1}}',"
    f" {{2}}, '{{3}}', '{{{{}}}}', '{{{{}}}}' FROM invoicing_billrun WHERE id = {FIRST_RUN}"
)
DRAFT = (
    "INSERT INTO catalog_draft (id, tenant_id, title, effective_from, content, base, version,"
    " author, changed_by, created_at, changed_at, status, published_revision)"
    f" SELECT '{ODD}7', id, '', '2026-12-01', '{{0}}', '{{{{}}}}', 1, '', '', now(), now(),"
    " '{1}', {2} FROM parties_tenant"
)
VIEW = (
    "INSERT INTO parties_listview (id, tenant_id, list, owner, name, query, is_shared, opens_id,"
    f" made_at) SELECT '{ODD}{{0}}', id, 'invoices', 'user:7', '{{1}}', '{{2}}', false, {{3}},"
    " now() FROM parties_tenant"
)
DROP = "ALTER TABLE {} DROP CONSTRAINT {}"
PAYLOAD = (
    "tenant_id, source, batch_id, subject_kind, subject, meter, time, value, text, dimensions,"
    " payload_hash"
)
EVENT = (
    f"INSERT INTO metering_usageevent (event_id, revision, position, {PAYLOAD})"
    f" SELECT '{{0}}', {{1}}, 9, {PAYLOAD} FROM metering_usageevent WHERE event_id = '{{0}}'"
)

# (invariant, the statements that break it, which row must be named)
BREAKS: list[tuple[str, list[str], str]] = [
    (
        "invoicing_tally_not_the_documents",
        [
            "UPDATE invoicing_tally SET total_minor = total_minor + 1"
            " WHERE id = (SELECT min(id) FROM invoicing_tally)"
        ],
        "SELECT format('tally:%s %s', tab, day) FROM invoicing_tally ORDER BY id LIMIT 1",
    ),
    (
        "invoicing_corrected_not_the_documents",
        [
            "INSERT INTO invoicing_corrected (tenant_id, invoice_id, tab, taken_minor, day,"
            " billed_in, customer_id, total_minor) SELECT tenant_id, id, 'void', -total_minor,"
            f" issued_on, billed_in, customer_id, total_minor FROM invoicing_invoice"
            f" WHERE id = {FIRST_INVOICE}"
        ],
        f"SELECT 'invoice:' || {FIRST_INVOICE}",
    ),
    (
        "invoicing_plans_not_the_lines",
        [
            "INSERT INTO invoicing_planmonth (tenant_id, month, documents, until, changes, sums)"
            " SELECT tenant_id, date_trunc('month', day), sum(documents), '1900-01-01', 0,"
            " '{\"RUB\": {\"pro\": 7}}' FROM invoicing_tally WHERE tab <> 'drafts' GROUP BY 1, 2"
        ],
        "SELECT 'month:' || date_trunc('month', min(issued_on))::date FROM invoicing_invoice",
    ),
    (
        "invoicing_does_not_add_up",
        [
            DROP.format("invoicing_invoiceline", "line_adds_up"),
            f"UPDATE invoicing_invoiceline SET vat_minor = vat_minor + 1 WHERE id = {FIRST_LINE}",
        ],
        f"SELECT 'line:' || {FIRST_LINE}",
    ),
    (
        "invoicing_lines_do_not_sum",
        [
            "UPDATE invoicing_invoice SET net_minor = net_minor + 1, total_minor = total_minor + 1"
            f" WHERE id = {FIRST_INVOICE}"
        ],
        f"SELECT 'invoice:' || {FIRST_INVOICE}",
    ),
    (
        "invoicing_positions_broken",
        [f"UPDATE invoicing_invoiceline SET position = 77 WHERE id = {FIRST_LINE}"],
        f"SELECT 'invoice:' || invoice_id FROM invoicing_invoiceline WHERE id = {FIRST_LINE}",
    ),
    (
        "invoicing_numbers_broken",
        [
            "UPDATE invoicing_invoice SET number = 99, number_text = '2026-00099'"
            f" WHERE id = {FIRST_INVOICE}"
        ],
        "SELECT 'series:' || key FROM invoicing_numberseries",
    ),
    (
        "invoicing_numbers_broken",
        ["UPDATE invoicing_numberseries SET last = last + 1"],
        "SELECT 'series:' || key FROM invoicing_numberseries",
    ),
    (
        "invoicing_number_misspelt",
        [f"UPDATE invoicing_invoice SET number_text = '2026-1' WHERE id = {FIRST_INVOICE}"],
        f"SELECT 'invoice:' || {FIRST_INVOICE}",
    ),
    (
        "invoicing_state_broken",
        [
            DROP.format("invoicing_invoice", "invoice_numbered_iff_issued"),
            f"UPDATE invoicing_invoice SET issued_on = NULL WHERE id = {FIRST_INVOICE}",
        ],
        f"SELECT 'invoice:' || {FIRST_INVOICE}",
    ),
    (
        "invoicing_vat_differs",
        [
            "UPDATE invoicing_invoiceline SET vat_minor = vat_minor + 5, total_minor = total_minor"
            f" + 5 WHERE id = {FIRST_LINE}"
        ],
        f"SELECT 'invoice:' || invoice_id FROM invoicing_invoiceline WHERE id = {FIRST_LINE}",
    ),
    (
        "invoicing_charge_billed_twice",
        [
            "DROP INDEX IF EXISTS line_charge_billed_once",
            f"UPDATE invoicing_invoiceline SET charge_id = {FIRST_CHARGE} WHERE id <> {FIRST_LINE}",
        ],
        f"SELECT 'charge:' || {FIRST_CHARGE}",
    ),
    (
        "invoicing_corrected_too_far",
        [
            "UPDATE invoicing_invoice SET kind = 'credit_note', net_minor = -9000000,"
            f" vat_minor = 0, total_minor = -9000000, corrects_id = {FIRST_INVOICE}"
            " WHERE id = (SELECT id FROM invoicing_invoice ORDER BY number DESC LIMIT 1)"
        ],
        f"SELECT 'invoice:' || {FIRST_INVOICE}",
    ),
    (
        "line_not_its_charge",
        [f"UPDATE rating_charge SET amount_minor = amount_minor + 1 WHERE id = {FIRST_CHARGE}"],
        f"SELECT 'line:' || id FROM invoicing_invoiceline WHERE charge_id = {FIRST_CHARGE}",
    ),
    (
        "line_not_its_charge",
        [f"DELETE FROM rating_charge WHERE id = {FIRST_CHARGE}"],
        f"SELECT 'line:' || {FIRST_LINE}",
    ),
    (
        "charge_billed_nowhere",
        [f"DELETE FROM invoicing_invoiceline WHERE charge_id = {FIRST_CHARGE}"],
        f"SELECT 'charge:' || {FIRST_CHARGE}",
    ),
    (
        "document_of_unknown_customer",
        [
            "UPDATE invoicing_invoice SET customer_id = gen_random_uuid()"
            f" WHERE id = {FIRST_INVOICE}"
        ],
        f"SELECT 'invoice:' || {FIRST_INVOICE}",
    ),
    (
        "postings_not_the_document",
        [
            "UPDATE ledger_posting SET amount_minor = amount_minor + 1"
            f" WHERE line = 1 AND source = 'invoice:' || {FIRST_INVOICE}"
        ],
        f"SELECT 'invoice:' || {FIRST_INVOICE}",
    ),
    (
        "postings_not_the_document",
        [f"DELETE FROM ledger_posting WHERE source = 'invoice:' || {FIRST_INVOICE}"],
        f"SELECT 'invoice:' || {FIRST_INVOICE}",
    ),
    (
        "postings_of_nothing",
        [
            "UPDATE ledger_posting SET source = 'invoice:' || gen_random_uuid()"
            " WHERE id = (SELECT min(id) FROM ledger_posting)"
        ],
        "SELECT 'posting:' || min(id) FROM ledger_posting",
    ),
    (
        "ledger_source_lines_broken",
        ["DELETE FROM ledger_posting WHERE line = 1 AND id = (SELECT min(id) FROM ledger_posting)"],
        "SELECT source FROM ledger_posting ORDER BY id LIMIT 1",
    ),
    (
        "ledger_posting_not_as_signed",
        [f"UPDATE ledger_posting SET effective_on = effective_on + 1 WHERE id = {FIRST_POSTING}"],
        f"SELECT 'posting:' || {FIRST_POSTING}",
    ),
    (
        "ledger_posting_gone",
        [f"DELETE FROM ledger_posting WHERE id = {FIRST_POSTING}"],
        f"SELECT 'posting:' || {FIRST_POSTING}",
    ),
    (
        "ledger_posting_slipped_in",
        [
            "INSERT INTO ledger_posting (id, tenant_id, seller_id, debit, credit, amount_minor,"
            " currency, source, line, effective_on, recorded_at)"
            " SELECT -7, tenant_id, seller_id, debit, credit, 5, currency, 'by:hand', 1,"
            f" effective_on, recorded_at FROM ledger_posting WHERE id = {FIRST_POSTING}"
        ],
        "SELECT 'posting:-7'",
    ),
    (
        "audit_row_not_as_signed",
        [f"UPDATE platform_auditrow SET reason = 'another' WHERE number = {FIRST_ACT}"],
        f"SELECT 'audit row:' || {FIRST_ACT}",
    ),
    (
        "audit_row_gone",
        [f"DELETE FROM platform_auditrow WHERE number = {FIRST_ACT}"],
        f"SELECT 'audit row:' || {FIRST_ACT}",
    ),
    (
        "audit_row_slipped_in",
        [
            "INSERT INTO platform_auditrow (id, tenant_id, actor, origin, at, action, object_type,"
            " object_id, reason, number) SELECT gen_random_uuid(), tenant_id, actor, '', at,"
            f" action, object_type, 'x', '', -7 FROM platform_auditrow WHERE number = {FIRST_ACT}"
        ],
        "SELECT 'audit row:-7'",
    ),
    (
        "price_version_lost",
        [
            "UPDATE rating_charge SET price_version_id = gen_random_uuid()"
            f" WHERE id = {FIRST_CHARGE}"
        ],
        f"SELECT 'charge:' || {FIRST_CHARGE}",
    ),
    (
        "rating_revisions_broken",
        [f"UPDATE rating_charge SET revision = 3 WHERE id = {FIRST_CHARGE}"],
        f"SELECT 'charge:' || {FIRST_CHARGE}",
    ),
    (
        "rating_sum_not_exact",
        [f"UPDATE rating_charge SET exact_num = exact_num + 1 WHERE id = {FIRST_CHARGE}"],
        f"SELECT 'charge:' || {FIRST_CHARGE}",
    ),
    (
        "rating_discounts_do_not_sum",
        [f"UPDATE rating_charge SET gross_minor = gross_minor + 1 WHERE id = {FIRST_CHARGE}"],
        f"SELECT 'charge:' || {FIRST_CHARGE}",
    ),
    (
        "rating_stretches_overlap",
        [
            "UPDATE rating_charge SET ends_at = ends_at + interval '5 days' WHERE price_key = 'fee'"
            " AND period_start = '2026-10-01'"
        ],
        "",
    ),
    (
        "rating_periods_overlap",
        [
            "UPDATE rating_ratedperiod SET ends_at = ends_at + interval '1 second'"
            f" WHERE id = {FIRST_PERIOD}"
        ],
        "",
    ),
    (
        "rating_charge_without_period",
        [f"DELETE FROM rating_ratedperiod WHERE id = {FIRST_PERIOD}"],
        "",
    ),
    (
        "rating_usage_miscounted",
        [f"UPDATE rating_ratedperiod SET events = events + 1 WHERE id = {FIRST_PERIOD}"],
        f"SELECT 'rated period:' || {FIRST_PERIOD}",
    ),
    ("usage_without_fate", ["UPDATE rating_ratedperiod SET events = 1000"], "SELECT 'usage'"),
    (
        "metering_event_altered",
        ["UPDATE metering_usageevent SET value = value + 1 WHERE event_id = 'u1'"],
        "SELECT 'calls/u1'",
    ),
    (
        "metering_event_without_batch",
        ["UPDATE metering_usageevent SET batch_id = gen_random_uuid() WHERE event_id = 'u1'"],
        "SELECT 'calls/u1'",
    ),
    (
        "metering_event_twice",
        [
            DROP.format("metering_usageevent", "usage_event_once"),
            EVENT.format("u1", 0),
        ],
        "SELECT 'calls/u1'",
    ),
    (
        "metering_event_replaced_and_standing",
        [EVENT.format("u1", 1)],
        "SELECT 'calls/u1'",
    ),
    (
        "metering_conflict_of_nothing",
        [
            f"INSERT INTO metering_conflictevent (id, event_id, row, {PAYLOAD})"
            f" SELECT '{ODD}7', 'unknown', 0, {PAYLOAD} FROM metering_usageevent"
            " WHERE event_id = 'u1'"
        ],
        f"SELECT 'conflict:{ODD}7'",
    ),
    (
        "sample_differs",
        ["UPDATE metering_usageevent SET value = value + 1000 WHERE event_id = 'u1'"],
        f"SELECT 'charge:' || {USAGE_CHARGE}",
    ),
    (
        "catalog_version_beyond_revision",
        ["UPDATE catalog_revision SET last = 0"],
        "",
    ),
    (
        "catalog_two_versions_of_one_day",
        [
            "DROP INDEX IF EXISTS priceversion_one_a_day",
            "UPDATE catalog_priceversion SET code = 'calls' WHERE code = 'users'",
        ],
        "",
    ),
    (
        "catalog_meter_unknown",
        ["UPDATE catalog_priceversion SET meter = 'gone' WHERE code = 'users'"],
        "SELECT 'price version:' || id FROM catalog_priceversion WHERE code = 'users'",
    ),
    (
        "catalog_price_unreadable",
        [
            'UPDATE catalog_priceversion SET definition = \'{"model": "magic"}\''
            " WHERE code = 'users'"
        ],
        "SELECT 'price version:' || id FROM catalog_priceversion WHERE code = 'users'",
    ),
    (
        "catalog_example_fails",
        [
            'UPDATE catalog_priceversion SET examples = \'[{"units": "2", "amount": "1"}]\''
            " WHERE code = 'users'"
        ],
        "SELECT 'price version:' || id FROM catalog_priceversion WHERE code = 'users'",
    ),
    (
        "subscriptions_amendments_miscounted",
        ["UPDATE subscriptions_subscription SET amendments = 5 WHERE code = 'a-1'"],
        "SELECT 'subscription:a-1'",
    ),
    (
        "subscriptions_history_broken",
        ["UPDATE subscriptions_amendment SET change = 'magic'"],
        "SELECT 'subscription:b-1'",
    ),
    (
        "subscriptions_do_not_follow",
        ["UPDATE subscriptions_subscription SET ends_on = '2030-01-01' WHERE code = 'a-1'"],
        "SELECT 'subscription:a-1'",
    ),
    (
        "subscriptions_spells_do_not_follow",
        ["UPDATE subscriptions_spell SET plan = 'another' WHERE place = 0"],
        "SELECT 'subscription:' || min(code) FROM subscriptions_subscription",
    ),
    (
        "documents_size_differs",
        [
            "UPDATE documents_rendereddocument SET size_bytes = 1"
            " WHERE id = (SELECT id FROM documents_rendereddocument ORDER BY id LIMIT 1)"
        ],
        "SELECT 'document:' || id FROM documents_rendereddocument ORDER BY id LIMIT 1",
    ),
    (
        "documents_bytes_lost",
        [
            "UPDATE documents_rendereddocument SET sha256 = repeat('0', 64)"
            " WHERE id = (SELECT id FROM documents_rendereddocument ORDER BY id LIMIT 1)"
        ],
        "SELECT 'document:' || id FROM documents_rendereddocument ORDER BY id LIMIT 1",
    ),
    (
        "ledger_posting_moves_nothing",
        [
            DROP.format("ledger_posting", "posting_two_accounts"),
            f"UPDATE ledger_posting SET debit = credit WHERE id = {FIRST_POSTING}",
        ],
        f"SELECT 'posting:' || {FIRST_POSTING}",
    ),
    (
        "ledger_account_unknown",
        [f"UPDATE ledger_posting SET debit = '99' WHERE id = {FIRST_POSTING}"],
        f"SELECT 'posting:' || {FIRST_POSTING}",
    ),
    (
        "ledger_source_of_two_sellers",
        [f"UPDATE ledger_posting SET seller_id = gen_random_uuid() WHERE id = {FIRST_POSTING}"],
        "SELECT source FROM ledger_posting ORDER BY id LIMIT 1",
    ),
    (
        "ledger_claim_not_its_postings",
        ["UPDATE ledger_claim SET balance_minor = balance_minor + 1"],
        "SELECT 'claim:' || min(customer_id::text) FROM ledger_claim",
    ),
    ("invoicing_part_undone", [PART.format(0, "{}", "false", "{}")], f"SELECT 'run part:{ODD}0'"),
    (
        "invoicing_parts_do_not_sum",
        [PART.format(0, "{}", "true", '{"charges": 900}')],
        f"SELECT 'run:' || {FIRST_RUN}",
    ),
    (
        "invoicing_part_twice",
        [PART.format(n, f"{{{ODD}7}}", "true", "{}") for n in (0, 1)],
        f"SELECT 'run:' || {FIRST_RUN}",
    ),
    (
        "catalog_draft_unreadable",
        [DRAFT.format('{"price": {"pro/fee": {"model": "magic"}}}', "open", "NULL")],
        f"SELECT 'draft:{ODD}7'",
    ),
    (
        "catalog_draft_unreadable",  # what stood of it is not known
        [
            DRAFT.format(
                '{"meter": {"calls": {"code": "calls", "name": "", "unit": "",'
                ' "aggregation": "sum"}}}',
                "open",
                "NULL",
            )
        ],
        f"SELECT 'draft:{ODD}7'",
    ),
    (
        "catalog_draft_published_nowhere",
        [DRAFT.format("{}", "published", "99")],
        f"SELECT 'draft:{ODD}7'",
    ),
    (
        "parties_view_not_normal",
        [VIEW.format(7, "Мои", "tab=void&sort=number", "NULL")],
        f"SELECT 'view:{ODD}7'",
    ),
    (
        "parties_view_opens_another",
        [
            VIEW.format(6, "Мои", "", "NULL"),
            VIEW.format(7, "", "", f"'{ODD}6'"),
            f"UPDATE parties_listview SET list = 'customers' WHERE id = '{ODD}7'",
        ],
        f"SELECT 'view:{ODD}7'",
    ),
    (
        "database_not_guarded",
        ["ALTER TABLE parties_customer NO FORCE ROW LEVEL SECURITY"],
        "",
    ),
]


@contextmanager
def broken(statements: Sequence[str] = (), named: str = "") -> Iterator[str]:
    """Break it in a transaction that is taken back; gives what `named` selects."""
    from django.db import connection, transaction

    with transaction.atomic():
        with connection.cursor() as mighty:
            mighty.execute("SET LOCAL ROLE NONE; SET LOCAL session_replication_role = replica")
            row = _named(mighty, named)
            for statement in statements:
                mighty.execute(statement)
            mighty.execute(
                f"SET LOCAL session_replication_role = origin; SET LOCAL ROLE {APP_ROLE}"
            )
        yield row
        transaction.set_rollback(True)


def _named(mighty: Any, query: str) -> str:
    if not query:
        return ""
    mighty.execute(query)
    found = mighty.fetchone()
    return str(found[0]) if found else ""


def _let_connect_as_superuser(where: database.Server) -> None:
    """Django's connection stays the application's, and may lay that down to break a row."""
    from django.db import connection

    login = conninfo_to_dict(where.admin)
    connection.close()
    settings = connection.settings_dict
    settings.update(USER=login["user"], PASSWORD=login.get("password", ""))
    settings["OPTIONS"] = settings["OPTIONS"] | {"options": f"-c role={APP_ROLE}"}


@pytest.fixture(scope="module")
def billed(
    worker_access: Access,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """October and November of a company, with late usage and an amendment."""
    where, before = database.server(), files.folder()
    folder = tmp_path_factory.mktemp("billed")
    with django_db_blocker.unblock(), database.worker_database(where):
        files.use(folder / "files")
        company = Company(folder / "company")
        company.write("changes.csv", "subscription,at,change,value\nb-1,2026-10-16,quantity,2\n")
        company.bill()
        company.append("usage/calls.csv", "l1,2026-10-20T12:00:00,a-1,calls,400\n")
        company.bill("2026-11")
        with tenant_scope(parties.tenants()[0].id):
            log_postings(beside=None)
            JOURNAL.append(beside=None)
        _let_connect_as_superuser(where)
        yield
    database._point_django_at(worker_access)
    files.use(before)


def verify(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    status = main(["verify", "--json", "--seed", "s", *more])
    return status, json.loads(capsys.readouterr().out)


def found(said: dict[str, Any]) -> dict[str, str]:
    """Return the first broken row of each invariant that does not hold."""
    broken = [*said["database"], *(one for t in said["tenants"] for one in t["broken"])]
    return {one["code"]: one["row"] for one in broken}


def test_a_sound_company_holds(billed: None, capsys: pytest.CaptureFixture[str]) -> None:
    with broken():
        status, said = verify(capsys)
    assert (status, said["holds"], found(said)) == (0, True, {})
    (tenant,) = said["tenants"]
    assert tenant["noted"] == []
    assert tenant["counts"]["invoices"] == 4
    assert tenant["usage"] == {
        "accepted": 5, "retracted": 0, "billed": 5, "waiting": 0, "open": 0, "rejected": 0,
        "conflicting": 0, "unread": 0, "undone": 0,
    }  # fmt: skip
    assert tenant["sampled"] == tenant["counts"]["charges"]
    assert tenant["asked_oracle"] > 5


def test_a_number_that_goes_against_the_days_is_noted_and_breaks_nothing(
    billed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--credit", "1=10", "--reason", "акт сверки", "--date", "2026-11-05")
    with broken():
        assert main(["correct", "2026-00001", *given]) == 0
        capsys.readouterr()
        status, said = verify(capsys)
        assert main(["verify", "--sample", "0"]) == 0
    (tenant,) = said["tenants"]
    (noted,) = tenant["noted"]
    assert (status, said["holds"], tenant["broken"]) == (0, True, [])
    assert noted["code"] == "invoicing_number_against_days"
    assert (noted["detail"], noted["rows"]) == ("2026-00004: 2026-11-30; 2026-00005: 2026-11-05", 1)
    assert f"{noted['row']}: {noted['detail']}" in capsys.readouterr().out


@pytest.mark.once
@pytest.mark.parametrize(
    ("code", "statements", "named"), BREAKS, ids=[f"{n}-{one[0]}" for n, one in enumerate(BREAKS)]
)
def test_a_broken_row_is_named(
    billed: None,
    capsys: pytest.CaptureFixture[str],
    code: str,
    statements: list[str],
    named: str,
) -> None:
    # What the sample finds is asked of all charges; beside the others one is computed again.
    some = () if code == "sample_differs" else ("--sample", "1")
    with broken(statements, named) as row:
        status, said = verify(capsys, *some)
    assert status == 1
    assert code in found(said)
    if row:
        assert found(said)[code] == row


def test_the_oracle_is_heard(
    billed: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kvit.web import invariants

    monkeypatch.setattr(invariants, "gross_slowly", lambda found: Fraction(1, 3))
    with broken():
        status, said = verify(capsys)
    assert (status, set(found(said))) == (1, {"oracle_differs"})


def test_books_that_answer_wrongly_are_named(
    billed: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kvit.ledger import queries as ledger

    honest = ledger.trial_balance

    def forgetful(*args: Any, **options: Any) -> Any:
        first, *rest = honest(*args, **options)
        return [replace(first, debit_minor=first.debit_minor + 1, closing_minor=7), *rest]

    monkeypatch.setattr(ledger, "trial_balance", forgetful)
    with broken():
        status, said = verify(capsys)
    assert (status, set(found(said))) == (1, {"books_out_of_balance", "balance_not_the_fold"})


def test_every_invariant_is_broken_here_or_in_a_test_of_its_context() -> None:
    from kvit.web import invariants

    elsewhere = {
        "not_recomputed", "oracle_differs", "balance_not_the_fold", "books_out_of_balance",
        # tests/ledger
        "ledger_source_recorded_twice", "ledger_day_not_its_postings", "ledger_not_in_log",
        "ledger_past_not_its_postings", "ledger_log_not_as_signed",
        "audit_log_not_as_signed", "ledger_log_key_changed", "audit_log_key_changed",
        # tests/metering
        "metering_batch_miscounted", "metering_version_ahead", "metering_retraction_of_nothing",
        "metering_log_damaged", "metering_segment_damaged", "metering_segment_miscounted",
        "metering_released_gap", "metering_released_miscounted", "metering_released_twice",
        "metering_released_batch_miscounted", "metering_released_altered",
    }  # fmt: skip
    ours = set(invariants.PROBLEM_WORDS)
    assert ours - elsewhere == {code for code, _, _ in BREAKS} & ours


def test_a_person_is_told_in_words(billed: None, capsys: pytest.CaptureFixture[str]) -> None:
    with broken(["UPDATE invoicing_numberseries SET last = last + 1"]):
        status = main(["verify", "--seed", "s"])
    told = capsys.readouterr().out
    assert status == 1
    assert "invoicing_numbers_broken" in told
    assert "series:2026-{number:05}" in told
    assert "--seed s" in told


def test_an_unknown_company_is_said_to_be_unknown(
    billed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with broken():
        status = main(["verify", "--tenant", "nobody"])
    assert status == 2
    assert "acme" in capsys.readouterr().err
