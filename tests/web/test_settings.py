"""Settings: shown before they are done, taken back, refused above one's rights, written down."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.core import mail

from kvit.parties import queries
from kvit.parties.limits import role_limits
from kvit.parties.models import ApiKey, Membership, TenantRole, User
from kvit.parties.rows import SellerRow, Tenant
from kvit.parties.services import apply_sellers
from kvit.platform.models import AuditRow
from tests.web.conftest import Office

SELLER = SellerRow("main", "ООО «Акме»", inn="7707083893")


@pytest.fixture
def seller(tenant: Tenant, now: datetime) -> None:
    apply_sellers([SELLER], actor="cli:test", now=now, reason="")


def fields(office: object, page: str, **changed: str) -> dict[str, str]:
    """The form of a page as a browser would send it back."""
    form = office.get(page).context["form"]  # type: ignore[attr-defined]
    sent = {
        name: "" if form[name].value() in (None, False) else str(form[name].value())
        for name in form.fields
    }
    return {name: value for name, value in sent.items() if value} | changed


def test_a_setting_is_shown_before_it_is_changed_and_can_be_taken_back(
    office: Office, tenant: Tenant
) -> None:
    owner, page = office("owner"), "/office/settings/company/"
    sent = fields(owner, page, vat_rounding="line", reason="по учётной политике")
    first = owner.post(page, sent | {"seen": owner.get(page).context["seen"]})
    assert first.status_code == 200
    assert "Каждая строка отдельно" in first.content.decode()
    assert queries.tenant().row.vat_rounding == "document"
    done = owner.post(page, sent | {"seen": first.context["seen"], "confirm": "1"})
    assert (done.status_code, queries.tenant().row.vat_rounding) == (302, "line")
    row = AuditRow.objects.get(action="tenant.changed")
    assert (row.before["vat_rounding"], row.after["vat_rounding"], row.reason) == (
        "document", "line", "по учётной политике",
    )  # fmt: skip
    back = owner.get(f"{page}?restore={row.pk}").context["form"]
    assert back["vat_rounding"].value() == "document"


def test_a_setting_that_was_changed_meanwhile_is_not_overwritten(office: Office) -> None:
    owner, page = office("owner"), "/office/settings/company/"
    seen = owner.get(page).context["seen"]
    mine = fields(owner, page, name="Моё имя") | {"seen": seen, "confirm": "1"}
    theirs = fields(owner, page, name="Их имя") | {"seen": seen, "confirm": "1"}
    assert owner.post(page, theirs).status_code == 302
    answer = owner.post(page, mine)
    assert answer.status_code == 409
    assert queries.tenant().row.name == "Их имя"
    assert "Пока вы правили, это изменили (Owner)" in answer.content.decode()
    [row] = answer.context["meanwhile"].rows
    assert (row["before"], row["after"]) == ("Их имя", "Моё имя")
    assert answer.context["form"]["name"].value() == "Моё имя"
    again = owner.post(page, mine | {"seen": answer.context["seen"]})
    assert (again.status_code, queries.tenant().row.name) == (302, "Моё имя")


def test_a_slip_in_a_requisite_is_told_at_its_field(office: Office, seller: None) -> None:
    owner, page = office("owner"), "/office/settings/sellers/main/"
    sent = fields(owner, page, inn="7707083894")
    answer = owner.post(page, sent | {"seen": owner.get(page).context["seen"], "confirm": "1"})
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["inn"]
    assert queries.sellers()["main"].row == SELLER


def test_a_seller_gets_another_pattern_of_numbers(office: Office, seller: None) -> None:
    owner, page = office("owner"), "/office/settings/sellers/main/"
    sent = fields(owner, page, series="A-{number:03}", approval="on", four_eyes="on")
    seen = owner.get(page).context["seen"]
    assert owner.post(page, sent | {"seen": seen, "confirm": "1"}).status_code == 302
    row = queries.sellers()["main"].row
    assert (row.series, row.inn) == ("A-{number:03}", "7707083893")
    assert (row.approval, row.four_eyes) == (True, True)
    assert "A-001" in owner.get("/office/settings/sellers/").content.decode()


def test_who_is_invited_gets_a_link_and_no_more_than_the_inviter_has(office: Office) -> None:
    officer = office("security_officer")
    sent = {"email": "Boris@Acme.Example", "name": "Борис", "role": "owner", "branch": ""}
    assert officer.post("/office/settings/staff/invite/", sent).status_code == 422
    assert not User.objects.filter(email="boris@acme.example").exists()
    owner = office("owner")
    sent["role"] = "accountant"
    assert owner.post("/office/settings/staff/invite/", sent).status_code == 302
    assert mail.outbox[0].to == ["boris@acme.example"]
    assert "http://localhost:8000/account/password/reset/key/" in mail.outbox[0].body
    assert "Бухгалтер" in mail.outbox[0].body
    assert Membership.objects.get(user__email="boris@acme.example").role_id == "accountant"


def test_the_last_owner_stays(office: Office, tenant: Tenant) -> None:
    owner = office("owner")
    user = User.objects.get()
    page = f"/office/settings/staff/{user.pk}/revoke/"
    answer = owner.post(page, {"role": "owner", "branch": "", "reason": "x"})
    assert answer.status_code == 422
    assert "Это последний владелец компании" in answer.content.decode()
    assert Membership.objects.count() == 1


def test_rights_of_a_role_change_in_this_company_at_once(office: Office, tenant: Tenant) -> None:
    owner, support = office("owner"), office("support")
    assert support.get("/office/invoices/").status_code == 200
    left = queries.role_rights([tenant.id])[tenant.id]["support"] - {"invoices.read"}
    page = "/office/settings/roles/support/"
    assert owner.post(page, {"right": sorted(left), "reason": "не нужны"}).status_code == 302
    assert support.get("/office/invoices/").status_code == 403
    assert TenantRole.objects.get().rights == sorted(left)
    row = AuditRow.objects.get(action="role.changed")
    assert set(row.before["rights"]) - set(row.after["rights"]) == {"invoices.read"}


def test_nobody_gives_a_right_that_they_do_not_have(office: Office, tenant: Tenant) -> None:
    officer = office("security_officer")
    answer = officer.post(
        "/office/settings/roles/security_officer/", {"right": ["audit.read", "invoices.correct"]}
    )
    assert answer.status_code == 422
    assert TenantRole.objects.count() == 0


def test_a_key_is_shown_once_rotated_and_revoked(office: Office) -> None:
    owner = office("owner")
    made = owner.post("/office/settings/keys/new/", {"name": "CRM", "rights": ["invoices.read"]})
    key = made.context["made"].key
    assert key in made.content.decode()
    assert key not in owner.get("/office/settings/keys/").content.decode()
    first = ApiKey.objects.get()
    owner.post(f"/office/settings/keys/{first.pk}/rotate/", {"overlap": "0"})
    assert ApiKey.objects.count() == 2
    second = ApiKey.objects.exclude(pk=first.pk).get()
    owner.post(f"/office/settings/keys/{second.pk}/revoke/", {"reason": "утёк"})
    page = owner.get("/office/settings/keys/").content.decode()
    assert "Отозван" in page


def test_a_key_gets_another_name_and_other_rights_and_keeps_its_secrets(office: Office) -> None:
    owner = office("owner")
    owner.post("/office/settings/keys/new/", {"name": "CRM", "rights": ["invoices.read"]})
    key = ApiKey.objects.get()
    place = f"/office/settings/keys/{key.pk}/change/"
    assert owner.post(place, {"name": "CRM", "rights": ["nobody.has"]}).status_code == 422
    assert owner.post(place, {"name": "CRM", "rights": []}).status_code == 422
    assert ApiKey.objects.get() == key
    wanted = {"name": "CRM Север", "rights": ["runs.read", "invoices.read"]}
    assert owner.post(place, wanted).status_code == 302
    changed = ApiKey.objects.get()
    assert (changed.name, changed.rights) == ("CRM Север", ["invoices.read", "runs.read"])
    assert (changed.digest, changed.prefix) == (key.digest, key.prefix)
    row = AuditRow.objects.get(action="api_key.changed")
    assert (row.before["name"], row.after["rights"]) == ("CRM", ["invoices.read", "runs.read"])
    page = owner.get(f"/office/settings/keys/{key.pk}/").content.decode()
    assert page.count(" checked") == 2
    assert "CRM Север" in page
    unknown = "01a22345-d5b0-777c-9fa2-f15e9f4bf33a"
    assert owner.get(f"/office/settings/keys/{unknown}/").status_code == 404


def test_who_changes_a_key_adds_no_right_beyond_their_own(office: Office) -> None:
    office("owner").post(
        "/office/settings/keys/new/", {"name": "CRM", "rights": ["invoices.approve"]}
    )
    key = ApiKey.objects.get()
    officer = office("security_officer", extra={"keys.write"}, without={"invoices.approve"})
    place = f"/office/settings/keys/{key.pk}/change/"
    kept = {"name": "CRM", "rights": ["invoices.approve"]}
    assert officer.post(place, kept | {"rights": ["invoices.correct"]}).status_code == 422
    assert ApiKey.objects.get().rights == ["invoices.approve"]
    assert officer.post(place, kept | {"name": "CRM 2"}).status_code == 302
    assert (ApiKey.objects.get().name, ApiKey.objects.get().rights) == ("CRM 2", kept["rights"])


def test_a_sensitive_act_asks_who_it_is_and_changes_nothing(office: Office) -> None:
    owner = office("owner", ago_s=3600)
    answer = owner.post(
        "/office/settings/keys/new/", {"name": "x", "rights": ["invoices.read"]},
        headers={"referer": "http://testserver/office/settings/keys/"},
    )  # fmt: skip
    assert answer["Location"] == ("/account/factors/again/?next=%2Foffice%2Fsettings%2Fkeys%2F")
    assert ApiKey.objects.count() == 0


def test_whose_account_money_comes_to_changes_by_a_fresh_proof_alone(
    office: Office, seller: None
) -> None:
    owner, page = office("owner", ago_s=3600), "/office/settings/sellers/main/"
    to = "/account/factors/again/?next=%2Foffice%2Fsettings%2Fsellers%2Fmain%2F"
    assert owner.get(page)["Location"] == to
    answer = owner.post(page, {"account": "40702810900000000001"})
    assert answer["Location"].startswith("/account/factors/again/")
    assert queries.sellers()["main"].row == SELLER


def test_the_test_clock_moves_forward_and_every_page_says_so(office: Office) -> None:
    owner, page = office("owner"), "/office/settings/clock/"
    assert owner.post(page, {"to": "2030-01-02T03:04", "reason": "проба"}).status_code == 302
    assert "Тестовые часы:" in owner.get("/office/invoices/").content.decode()
    answer = owner.post(page, {"to": "2029-01-02T03:04", "reason": "назад"})
    assert answer.status_code == 422
    assert "идут только вперёд" in answer.content.decode()


def test_the_journal_shows_who_what_and_exports_without_formulas(
    office: Office, tenant: Tenant
) -> None:
    owner = office("owner")
    user = UUID(str(User.objects.get().pk))
    AuditRow.objects.create(
        actor=f"user:{user}", origin="web: x", at=datetime.now(UTC), action="customer.changed",
        object_type="parties.customer", object_id="=cmd", before={"zone": "a"},
        after={"zone": "b"}, reason="=HYPERLINK(1)",
    )  # fmt: skip
    page = owner.get("/office/journal/?action=customer.").content.decode()
    assert "customer.changed" in page
    assert ">a</span> → " in page
    answer = owner.get("/office/journal/export/?action=customer.")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 2
    assert ";Owner;customer.changed;parties.customer;'=cmd;" in lines[1]
    assert "'=HYPERLINK(1)" in lines[1]


def test_who_reads_the_staff_is_written_down(office: Office) -> None:
    auditor = office("auditor")
    assert auditor.get("/office/settings/staff/").status_code == 200
    row = AuditRow.objects.get(action="personal.read")
    assert row.object_id == "settings-staff"


def test_a_limit_of_a_role_is_set_shown_and_refused_above_ones_own(office: Office) -> None:
    owner, page = office("owner"), "/office/settings/roles/accountant/"
    done = owner.post(f"{page}limits/", {"RUB": "50 000,00", "reason": "приказ № 4"})
    assert (done.status_code, role_limits()) == (302, {"accountant": {"RUB": 5_000_000}})
    shown = owner.get("/office/settings/roles/").content.decode()
    assert "50\xa0000,00\xa0₽" in shown
    limited = office("accountant", extra={"members.write", "members.read"})
    above = limited.post("/office/settings/roles/support/limits/", {"RUB": "50000,01"})
    [of_corrections, _] = above.context["sections"]
    assert (above.status_code, list(of_corrections["form"].errors)) == (422, ["RUB"])
    wrong = owner.post(f"{page}limits/", {"RUB": "1,001"})
    assert wrong.status_code == 422
    assert role_limits() == {"accountant": {"RUB": 5_000_000}}
    assert office("support").post(f"{page}limits/", {"RUB": "1"}).status_code == 403
    done = owner.post(f"{page}invoice-limits/", {"RUB": "70 000,00"})
    assert (done.status_code, role_limits(act="approve")) == (
        302,
        {"accountant": {"RUB": 7_000_000}},
    )
    assert "70\xa0000,00\xa0₽" in owner.get("/office/settings/roles/").content.decode()


def test_limits_and_rights_changed_meanwhile_are_shown_beside_what_was_typed(
    office: Office,
) -> None:
    owner, page = office("owner"), "/office/settings/roles/accountant/"
    context = owner.get(page).context
    limits_seen, rights_seen = context["sections"][0]["seen"], context["seen"]
    owner.post(f"{page}limits/", {"RUB": "5", "seen": limits_seen})
    answer = owner.post(f"{page}limits/", {"RUB": "7", "seen": limits_seen})
    assert (answer.status_code, role_limits()) == (409, {"accountant": {"RUB": 500}})
    [section, _] = answer.context["sections"]
    [row] = section["meanwhile"].rows
    assert (row["before"], row["after"]) == ("5,00\xa0₽", "7,00\xa0₽")
    owner.post(page, {"right": ["invoices.read"], "seen": rights_seen})
    answer = owner.post(page, {"right": ["usage.read"], "seen": rights_seen})
    assert (answer.status_code, TenantRole.objects.get().rights) == (409, ["invoices.read"])
    told = {one["label"]: one["after"] for one in answer.context["meanwhile"].rows}
    assert told == {"Видеть потребление": "да", "Видеть счета": "нет"}
    done = owner.post(page, {"right": ["usage.read"], "seen": answer.context["seen"]})
    assert (done.status_code, TenantRole.objects.get().rights) == (302, ["usage.read"])
