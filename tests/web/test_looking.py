"""An owner looks as a role: sees what it sees, changes nothing, and it is written down."""

from kvit.parties.rows import Tenant
from kvit.platform.models import AuditRow
from tests.web.conftest import Office

LOOK = "/office/settings/roles/support/look/"


def test_an_owner_sees_what_the_role_sees_and_returns(office: Office, tenant: Tenant) -> None:
    owner = office("owner")
    assert owner.post(LOOK).status_code == 302
    page = owner.get("/office/customers/")
    assert "Вы видите офис как" in page.content.decode()
    assert "Поддержка" in page.content.decode()
    assert (owner.get("/office/journal/").status_code, page.status_code) == (403, 200)
    assert owner.get("/api/v1/audit").status_code == 403
    back = owner.post("/office/look/stop/")
    assert (back.status_code, back["Location"]) == (302, "/office/settings/roles/support/")
    assert owner.get("/office/journal/").status_code == 200
    noted = AuditRow.objects.filter(action__startswith="role.look").order_by("recorded_at")
    assert [(one.action, one.object_id) for one in noted] == [
        ("role.look.begun", "support"), ("role.look.ended", "support"),
    ]  # fmt: skip


def test_nothing_can_be_changed_meanwhile_by_page_or_api(office: Office) -> None:
    owner = office("owner")
    owner.post(LOOK)
    rows = AuditRow.objects.filter(action="customer.created")
    sent = {"code": "x", "name": "ООО «Икс»", "kind": "company"}
    refused = owner.post("/office/customers/new/", sent)
    assert (refused.status_code, rows.count()) == (403, 0)
    assert "Вы смотрите офис как другая роль" in refused.content.decode()
    api = owner.post("/api/v1/customers", sent, content_type="application/json")
    assert (api.status_code, api.json()["code"], rows.count()) == (403, "only_looking", 0)
    assert owner.post("/office/settings/roles/owner/look/").status_code == 403


def test_nobody_else_looks_and_no_role_is_made_up(office: Office) -> None:
    officer = office("security_officer")
    assert officer.post(LOOK).status_code == 422
    assert "Вы видите офис как" not in officer.get("/office/settings/").content.decode()
    assert office("owner").post("/office/settings/roles/nobody/look/").status_code == 422


def test_who_is_owner_no_more_is_themselves_again(office: Office) -> None:
    from kvit.parties.models import Membership

    owner = office("owner")
    owner.post(LOOK)
    Membership.objects.filter(user__email="owner@example.com").update(role="auditor")
    assert "Вы видите офис как" not in owner.get("/office/journal/").content.decode()


def test_settings_are_found_by_a_word_of_theirs_in_either_layout(office: Office) -> None:
    owner = office("owner")

    def titles(text: str) -> list[str]:
        return [one["title"] for one in owner.get(f"/office/settings/?q={text}").context["places"]]

    assert titles("логотип") == ["Продавцы, филиалы, нумерация"]
    assert titles("kjujnbg") == ["Продавцы, филиалы, нумерация"]  # typed in the other layout
    assert titles("часы") == ["Тестовые часы"]
    assert titles("RUB") == ["Компания"]
    assert titles("такого нет") == []
    assert len(titles("")) >= 7
