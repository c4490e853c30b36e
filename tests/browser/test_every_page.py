"""Every page of the office, as a person walks to it: it opens, says nothing on the console, asks
for nothing from elsewhere, holds nothing that axe finds serious, and fits a phone.

With KVIT_TEST_SCREENS=FOLDER (`./kvit screens FOLDER`) a picture of each is left there, whole, or
with KVIT_TEST_SCREENS_CUT as much of it as a screen shows.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlparse

import pytest
from django.urls import NoReverseMatch, Resolver404, resolve, reverse

from kvit.web import assets
from kvit.web.office.navigation import GROUPS
from kvit.web.routes import route_of
from tests.browser.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SERIOUS = {"serious", "critical"}
LOOKS = (
    {"lang": "ru", "dark": False, "width": 1360},
    {"lang": "en", "dark": True, "width": 390, "height": 844},
    {"lang": "ru", "dark": True, "width": 1360},
    {"lang": "ru", "dark": False, "width": 360, "height": 740},
)
_FILE = re.compile(r"\.(pdf|csv|xlsx|json|zip)$|/pdf/|export", re.IGNORECASE)


def places() -> set[str]:
    """Return the names of what the side bar leads to."""
    return {
        place.name for group in GROUPS for place in group.places if is_known(f"office:{place.name}")
    }


def is_known(name: str) -> bool:
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True


def links(page: Any) -> Iterator[str]:
    for address in page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
        yield urldefrag(address)[0]


def name_of(path: str) -> str | None:
    try:
        return resolve(path).url_name
    except Resolver404:
        return None


def walk(page: Any, start: str) -> Iterator[tuple[str, str]]:
    """Follow links from the overview; yield the first address of each page, once it is open."""
    seen: set[str] = set()
    queue = [start]
    while queue:
        address = queue.pop(0)
        name = name_of(urlparse(address).path)
        if name is None or name in seen:
            continue
        seen.add(name)
        answer = page.goto(address)
        assert answer.status == 200, f"{address}: {answer.status}"
        page.wait_for_load_state("networkidle") if "runs" not in address else None
        yield name, address
        for link in links(page):
            parts = urlparse(link)
            if parts.path.startswith("/office/") and not _FILE.search(parts.path):
                route = route_of(resolve(parts.path).func) if name_of(parts.path) else None
                if route is not None and "GET" in route.methods:
                    queue.append(urljoin(start, link))


def serious(page: Any) -> list[str]:
    """Return what axe finds serious or worse, with the place."""
    page.evaluate(assets.AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def is_wider_than_the_screen(page: Any) -> bool:
    """Whether the page itself scrolls sideways; a table may, inside its frame."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"))


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(map(str, look.values())))
def test_every_page_opens_clean_and_within_the_screen(
    open_browser: Callable[..., Any], installation: Served, look: dict[str, Any]
) -> None:
    page = open_browser("owner", **look)
    faults: list[str] = []
    opened = set()
    for name, address in walk(page, f"{installation.url}/office/"):
        opened.add(name)
        found = serious(page)
        if is_wider_than_the_screen(page):
            found.append("wider than the screen")
        faults += [f"{address.removeprefix(installation.url)} {one}" for one in found]
        keep_picture(page, name, look)
    assert not faults, "\n".join(faults)
    assert places() - opened == set()


def keep_picture(page: Any, name: str, look: dict[str, Any]) -> None:
    folder = os.environ.get("KVIT_TEST_SCREENS")
    if folder:
        kind = f"{look['lang']}-{'dark' if look['dark'] else 'light'}-{look['width']}"
        target = Path(folder) / kind
        target.mkdir(parents=True, exist_ok=True)
        is_whole = "KVIT_TEST_SCREENS_CUT" not in os.environ
        page.screenshot(path=str(target / f"{name}.png"), full_page=is_whole)
