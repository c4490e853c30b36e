"""Pages of the catalogue and of subscriptions: they open in both languages."""

import pytest

from kvit.parties.rows import Tenant
from tests.invoicing.company import bill, found
from tests.web.conftest import Office

PAGES = (
    "catalogue/", "catalogue/?q=pro&meter=calls", "catalogue/plans/pro/", "catalogue/meters/",
    "catalogue/discounts/", "catalogue/taxes/", "catalogue/drafts/", "catalogue/simulations/",
    "subscriptions/", "subscriptions/?q=север&state=active&scheduled=on", "subscriptions/n-1/",
    "subscriptions/n-1/next/", "subscriptions/n-1/change/", "subscriptions/new/",
    "subscriptions/bulk/", "subscriptions/export/",
    *(f"subscriptions/n-1/change/?change={kind}" for kind in (
        "quantity", "discount", "addon", "terms", "transfer", "pause", "resume", "cancel",
        "coupon", "trial", "scheme", "milestone")),
)  # fmt: skip


@pytest.fixture
def company(tenant: Tenant) -> Tenant:
    found()
    bill()
    return tenant


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("lang", ["ru", "en"])
def test_every_page_opens(office: Office, lang: str) -> None:
    client = office("owner", lang=lang)
    opened = {path: client.get(f"/office/{path}").status_code for path in PAGES}
    assert {path: status for path, status in opened.items() if status != 200} == {}
