"""The one door: nobody gets in by one factor, into another company, or past a right."""

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from kvit.parties.models import Customer
from kvit.parties.rows import Tenant
from kvit.parties.services import remove_member
from kvit.platform.models import AuditRow
from kvit.web.routes import route_of
from tests.web.conftest import Office


def test_both_factors_open_the_office(office: Office) -> None:
    answer = office("accountant").get("/office/")
    assert answer.status_code == 200
    assert "Обзор" in answer.content.decode()


def test_a_stranger_is_sent_to_the_login_and_comes_back(office: Office) -> None:
    answer = office("accountant", factors=0).get("/office/?x=1")
    assert (answer.status_code, answer["Location"]) == (
        302, "/account/login/?next=%2Foffice%2F%3Fx%3D1",
    )  # fmt: skip


def test_whose_work_is_elsewhere_begins_there_and_not_at_a_closed_door(office: Office) -> None:
    officer = office("security_officer")
    answer = officer.get("/office/")
    assert (answer.status_code, answer["Location"]) == (302, "/office/journal/")
    refused = officer.get("/office/invoices/")
    assert refused.status_code == 403
    assert "На вашу первую страницу" in refused.content.decode()


def test_a_form_older_than_the_session_is_opened_anew_with_a_word(office: Office) -> None:
    """Its mark went with the session: what was typed waits in the browser, nothing is changed."""
    place = "/office/customers/new/"
    sent = {"referer": f"http://testserver{place}", "host": "testserver"}
    strict = Client(enforce_csrf_checks=True, headers=sent)
    answer = strict.post(place, {"name": "ООО «Дельта»"})
    assert (answer.status_code, answer["Location"]) == (
        302, "/account/login/?next=%2Foffice%2Fcustomers%2Fnew%2F",
    )  # fmt: skip
    strict.cookies = office("accountant").cookies
    answer = strict.post(place, {"name": "ООО «Дельта»"})
    assert (answer.status_code, answer["Location"]) == (302, place)
    page = strict.get(place).content.decode()
    assert "data-gives-back" in page
    assert "Форма открыта до нового входа. Ничего не изменилось" in page
    assert not Customer.objects.exists()
    fragment = strict.post(place, {"name": "x"}, headers={"hx-request": "true"})
    elsewhere = strict.post(place, {"name": "x"}, headers={"referer": "https://evil.example/"})
    assert (fragment.status_code, elsewhere.status_code) == (403, 403)


def test_a_password_alone_leads_to_the_second_factor(office: Office) -> None:
    answer = office("owner", factors=1).get("/office/")
    assert (answer.status_code, answer["Location"].split("?")[0]) == (
        302, "/account/factors/",
    )  # fmt: skip


def test_a_factor_that_was_taken_away_opens_nothing(office: Office) -> None:
    from allauth.mfa.models import Authenticator

    client = office("owner")
    Authenticator.objects.all().delete()
    assert client.get("/office/").status_code == 302


def test_a_withdrawn_membership_counts_at_the_next_request(
    office: Office, tenant: Tenant, now: object
) -> None:
    from kvit.parties.models import User

    client = office("accountant")
    assert client.get("/office/").status_code == 200
    user = User.objects.get(email="accountant@example.com")
    remove_member(user_id=user.pk, role="accountant", actor="cli:test", now=now, reason="left")  # type: ignore[arg-type]
    assert client.get("/office/").status_code == 403


def test_htmx_is_told_where_to_log_in(office: Office) -> None:
    answer = office("owner", factors=0).get("/office/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (
        401, "/account/login/?next=%2Foffice%2F",
    )  # fmt: skip


def test_a_role_without_the_right_is_told_which_one(office: Office) -> None:
    answer = office("security_officer").get("/office/invoices/")
    assert answer.status_code == 403
    assert "нужно право «Видеть счета»" in answer.content.decode()
    row = AuditRow.objects.get(action="attempt.refused")
    assert (row.object_id, row.after) == ("invoices", {"right": "invoices.read", "method": "GET"})


def test_every_answer_bears_the_policy(office: Office) -> None:
    answer = office("owner").get("/office/")
    assert "script-src 'self';" in answer["Content-Security-Policy"]
    assert (answer["X-Frame-Options"], answer["Cache-Control"]) == ("DENY", "no-store")


def all_patterns(entries: list[object], prefix: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for entry in entries:
        if isinstance(entry, URLResolver):
            found += all_patterns(entry.url_patterns, prefix + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            found.append((prefix + str(entry.pattern), entry.callback))
    return found


@pytest.mark.django_db
def test_every_address_declares_its_right() -> None:
    addresses = all_patterns(get_resolver().url_patterns)
    assert len(addresses) > 30
    assert [place for place, view in addresses if route_of(view) is None] == []


def test_the_gate_asks_three_questions_a_request(office: Office) -> None:
    """Session, user, memberships with rights, second factor and clock; whatever the page."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = office("owner")
    client.get("/office/settings/sellers/new/")  # notes when the session was used last
    with CaptureQueriesContext(connection) as asked:
        client.get("/office/settings/sellers/new/")
    told = [one["sql"] for one in asked if one["sql"].startswith(("SELECT", "INSERT", "UPDATE"))]
    assert len(told) == 3, told
