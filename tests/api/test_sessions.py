"""The office's own sessions call the API too, with both factors and with the mark of the form."""

import time

from django.test import Client

from tests.web.conftest import Office, office, session_of

__all__ = ["office"]


def strict(client: Client) -> Client:
    """The same session, in a browser that must send the mark."""
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    return strict


def test_a_person_of_the_office_asks_by_the_session(office: Office) -> None:
    told = office("accountant").get("/api/v1/tenants/me").json()
    assert (told["code"], told["actor"].split(":")[0]) == ("acme", "user")
    assert "invoices.read" in told["rights"]


def test_one_factor_opens_nothing(office: Office) -> None:
    answer = office("owner", factors=1).get("/api/v1/tenants/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_missing")


def test_a_write_needs_the_mark_of_our_page(office: Office) -> None:
    client = strict(office("owner"))
    body = {"to": "2027-01-01T00:00:00Z", "reason": "x"}
    refused = client.put("/api/v1/clock", body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    client.get("/office/")
    mark = client.cookies["csrftoken"].value
    done = client.put(
        "/api/v1/clock", body, content_type="application/json", headers={"X-CSRFToken": mark}
    )
    assert (done.status_code, done.json()["is_test"]) == (200, True)


def test_a_sensitive_act_asks_for_a_fresh_proof(office: Office) -> None:
    client = office("owner", ago_s=3600)
    body = {"name": "x", "rights": ["invoices.read"]}
    refused = client.post("/api/v1/keys", body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "proof_too_old")
    session = session_of(client)
    for record in session["account_authentication_methods"]:
        record["at"] = time.time()
    session.save()
    made = client.post("/api/v1/keys", body, content_type="application/json")
    assert (made.status_code, made.json()["name"]) == (201, "x")


def test_a_key_in_the_header_counts_before_the_session(office: Office) -> None:
    answer = office("owner").get("/api/v1/tenants/me", headers={"Authorization": "Bearer kvit_x_y"})
    assert (answer.status_code, answer.json()["code"]) == (401, "credentials_wrong")
