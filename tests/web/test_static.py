"""Files of the pages: ours, the packages', those of the login; all from this server."""

import re

import pytest
from django.test import Client

from kvit.web import assets

pytestmark = pytest.mark.django_db


def test_every_file_that_the_login_names_is_served() -> None:
    if not assets.are_built():
        pytest.skip("the pages are not built: ./kvit serve builds them (npm is needed)")
    client = Client()
    page = client.get("/account/login/").content.decode()
    named = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(named) >= 8
    missing = [address for address in named if client.get(address).status_code != 200]
    assert missing == []


def test_a_file_s_address_changes_with_its_content() -> None:
    page = Client().get("/account/login/").content.decode()
    assert re.search(r"/static/kvit/tokens\.css\?v=[0-9a-f]{10}", page)
