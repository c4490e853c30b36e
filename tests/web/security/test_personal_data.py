"""Personal data: masked for who needs none of it, its reads written down, its papers closed."""

from datetime import datetime

import pytest

from kvit.parties import queries
from kvit.parties.masking import masking, shown
from kvit.parties.models import Customer
from kvit.parties.one_customer import CustomerNotTaken, create_customer
from kvit.parties.rows import BranchRow, CustomerRow, SellerRow, Tenant
from kvit.parties.services import apply_branches, apply_customers, apply_sellers
from kvit.platform.models import AuditRow
from tests.api.conftest import Callers, api
from tests.web.conftest import Office

__all__ = ["api"]
ANNA = CustomerRow(
    "anna", "Иванова Анна Петровна", kind="person", inn="500100732259", email="anna@example.com",
    phone="+79991234567", address="Москва, Арбат, 1",
)  # fmt: skip


@pytest.fixture
def anna(tenant: Tenant, now: datetime) -> Customer:
    apply_customers([ANNA], actor="t", now=now, reason="")
    return Customer.objects.get()


def test_a_person_is_masked_and_a_company_keeps_its_name() -> None:
    firm = CustomerRow("firm", "ООО «Север»", inn="7707083893", email="info@sever.example")
    with masking():
        assert shown(ANNA) == CustomerRow(
            "anna", "И••• А••• П•••", kind="person", inn="•••59", email="a•••", phone="•••67",
            address="•••",
        )  # fmt: skip
        assert (shown(firm).name, shown(firm).inn, shown(firm).email) == (
            "ООО «Север»", "7707083893", "i•••",
        )  # fmt: skip
    assert shown(ANNA) is ANNA


def test_a_role_that_does_not_need_it_sees_no_personal_data(office: Office, anna: Customer) -> None:
    manager, accountant = office("product_manager"), office("accountant")
    for path in ("/office/customers/", f"/office/customers/{anna.pk}/",
                 f"/office/customers/{anna.pk}/requisites/"):  # fmt: skip
        seen = accountant.get(path).content.decode()
        hidden = manager.get(path).content.decode()
        assert "Иванова Анна" in seen, path
        for word in ("Иванова", "Анна П", "anna@example.com", "9991234567", "Арбат"):
            assert word not in hidden, (path, word)
        assert "И••• А••• П•••" in hidden, path
    body = b"".join(manager.get("/office/customers/export/")).decode()
    assert "И•••" in body
    assert "Иванова" not in body


def test_a_form_is_never_filled_with_masks(office: Office, anna: Customer) -> None:
    helper = office("support", without={"personal.read"})
    answer = helper.get(f"/office/customers/{anna.pk}/edit/")
    assert answer.status_code == 403
    assert "Видеть персональные данные" in answer.content.decode()
    assert queries.customers_by_code(["anna"])["anna"].row == ANNA


def test_a_machine_without_the_right_reads_masks_and_writes_nothing(
    api: Callers, anna: Customer
) -> None:
    crm = api("customers.read", "customers.write")
    assert crm.get("/customers/anna").json["name"] == "И••• А••• П•••"
    refused = crm.put("/customers/anna", {"name": "И••• А••• П•••", "kind": "person"})
    assert (refused.status, refused.code) == (403, "right_missing")
    assert api().get("/customers/anna").json["name"] == "Иванова Анна Петровна"
    assert queries.customers_by_code(["anna"])["anna"].row == ANNA


def test_every_read_of_a_person_is_written_down_before_the_answer(
    office: Office, anna: Customer
) -> None:
    office("accountant").get(f"/office/customers/{anna.pk}/?q=Иванова")
    row = AuditRow.objects.get(action="personal.read")
    assert (row.object_type, row.object_id) == ("page", f"customer {anna.pk}")
    assert row.after == {"asked": ["q"]}
    assert row.origin.startswith("web: customer 127.0.0.1")


def test_a_member_of_a_branch_adds_customers_to_it_alone(tenant: Tenant, now: datetime) -> None:
    apply_sellers([SellerRow("main", "ООО «Акме»")], actor="t", now=now, reason="")
    rows = [BranchRow("n", "Север", "main"), BranchRow("s", "Юг", "main")]
    apply_branches(rows, actor="t", now=now, reason="")
    with queries.reaching({"n"}):
        for branch in ("", "s"):
            with pytest.raises(CustomerNotTaken) as caught:
                create_customer(CustomerRow("x", "Икс", branch=branch), actor="t", now=now)
            assert caught.value.code == "customer_branch_not_yours"
        create_customer(CustomerRow("x", "Икс", branch="n"), actor="t", now=now)
    assert list(Customer.objects.values_list("code", "branch")) == [("x", "n")]
