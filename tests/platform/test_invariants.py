"""Of what breaks an invariant the first rows are named, and all are counted."""

from kvit.parties.rows import Tenant
from kvit.platform.invariants import FIRST, Problem, found_by

MANY = "SELECT 'row:' || n, n::text AS figures FROM generate_series(1, %(most)s) n ORDER BY n DESC"


def test_rows_beyond_the_first_are_counted_and_not_fetched(tenant: Tenant) -> None:
    found = list(found_by({"many": MANY}, most=FIRST + 150))
    assert [one.row for one in found] == [f"row:{FIRST + 150 - n}" for n in range(FIRST)]
    assert [one.rows for one in found] == [1] * (FIRST - 1) + [151]


def test_few_are_all_named_and_none_is_none(tenant: Tenant) -> None:
    few = {"none": MANY.replace("1, ", "2 * %(most)s, "), "few": MANY}
    assert list(found_by(few, most=2)) == [
        Problem("few", "row:2", "2"),
        Problem("few", "row:1", "1"),
    ]
    assert [one.rows for one in found_by({"many": MANY}, most=FIRST)] == [1] * FIRST


def test_a_query_is_asked_of_the_tenant_in_scope(tenant: Tenant) -> None:
    sql = "SELECT 'tenant:' || code, '' FROM parties_tenant WHERE id = %(tenant)s"
    assert [one.row for one in found_by({"own": sql})] == ["tenant:acme"]
