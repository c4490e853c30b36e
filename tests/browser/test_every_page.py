"""Every page of the office, as a person walks to it: it opens, says nothing on the console, asks
for nothing from elsewhere, holds nothing that axe finds serious, and fits a phone.

With KVIT_TEST_SCREENS=FOLDER (`./kvit screens FOLDER`) a picture of each is left there, whole, or
with KVIT_TEST_SCREENS_CUT as much of it as a screen shows, as WebP.
"""

import base64
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlparse

import pytest
from django.urls import Resolver404, resolve

from kvit.web import assets, urls
from kvit.web.routes import route_of
from tests.browser.served import PATIENCE_MS, Served, session_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SERIOUS = {"serious", "critical"}
SIZES = {360: 740, 390: 844, 1360: 900}
# What a page is opened in, and what the open page is turned to: a wider screen, another scheme.
LOOKS = (
    ("ru", (360, 1360), ("light", "dark")),
    ("en", (390,), ("dark",)),
)
_FILE = re.compile(r"\.(pdf|csv|xlsx|json|zip|txt)$|/pdf/|export", re.IGNORECASE)
# Parts of pages and ways to them: no page of their own.
PARTS = {
    "logo", "overview-tile", "run-progress", "subscription-next", "usage-stand", "search", "go",
}  # fmt: skip


def pages() -> set[str]:
    """Return the names of all pages of the office."""
    routes = [route_of(one.callback) for one in patterns_of_the_office()]
    return {
        one.name
        for one in routes
        if one and "GET" in one.methods and one.name not in PARTS and not _FILE.search(one.path)
    }


def patterns_of_the_office() -> list[Any]:
    [office] = [one for one in urls.urlpatterns if getattr(one, "namespace", "") == "office"]
    return list(office.url_patterns)


def leave_one_of_everything(page: Any) -> None:
    page.goto("/office/catalogue/plans/pro/")
    page.get_by_text("Изменить цену").nth(1).click()
    page.locator("[name='price.price.tiers[1].unit']").fill("0,035")  # in force nowhere
    page.get_by_role("button", name="Сохранить в черновик").last.click()
    page.get_by_role("button", name="Проверить на прошлом месяце").click()
    page.locator(".sum-check").first.wait_for(timeout=60_000)
    page.goto("/office/runs/")
    page.get_by_role("button", name="Сделать пробный запуск").click()
    page.get_by_text("Готово").first.wait_for(timeout=90_000)
    page.goto("/office/usage/uploads/")
    rows = "id,time,subscription,meter,value\nw0,2026-10-12T10:00:00Z,romashka-pro,api_calls,many\n"
    file = {"name": "calls.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Загрузить").click()
    page.get_by_text("calls.csv").first.wait_for()
    page.goto("/office/webhooks/")
    page.locator("[name=url]").fill("https://example.com/kvit")
    page.get_by_role("button", name="Добавить").click()
    page.get_by_text("https://example.com/kvit").first.wait_for()
    page.goto("/office/settings/keys/")
    form = page.locator("main form").filter(has_text="Новый ключ")
    form.locator("[name=name]").fill("CRM")
    form.get_by_text("Видеть счета").click()
    form.get_by_role("button", name="Выпустить ключ").click()
    page.get_by_text("Ключ выпущен").first.wait_for()
    page.goto("/office/corrections/")
    page.get_by_text("Сохранить представление").click()
    page.locator("#new-view").fill("Мои")
    page.get_by_role("button", name="Сохранить", exact=True).click()
    page.get_by_role("link", name="Изменить представление").wait_for()
    page.goto("/office/settings/branches/new/")
    page.locator("[name=code]").fill("spb")
    page.locator("[name=name]").fill("Петербург")
    page.locator("main form [name=reason]").fill("новый филиал")
    confirm(page)
    page.locator("main").get_by_text("Петербург").first.wait_for()
    page.goto("/office/settings/triggers/new/")
    page.locator("[name=code]").fill("monthly")
    page.locator("[name=is_on]").uncheck()
    page.locator("main form [name=reason]").fill("счета первого числа")
    confirm(page)
    page.locator("main").get_by_text("monthly").first.wait_for()


def confirm(page: Any) -> None:
    page.get_by_role("button", name="Показать, что изменится").click()
    page.get_by_role("button", name="Сохранить эти изменения").click()


@pytest.fixture(scope="module")
def filled(chromium: Any, installation: Served) -> Served:
    """The installation with one of everything that a page shows: a draft and its simulation, a dry
    run, a file with a fault, a webhook, a correction."""
    context = chromium.new_context(base_url=installation.url, locale="ru-RU")
    context.set_default_timeout(PATIENCE_MS)
    key = session_of(installation, "owner")
    context.add_cookies([{"name": "sessionid", "value": key, "url": installation.url}])
    page = context.new_page()
    leave_one_of_everything(page)
    context.close()
    installation.kvit("correct", "2026-00003", "--credit", "1=10", "--reason", "акт сверки")
    change = ("discount", "--at", "2026-12-01", "--value", "5 %", "--reason", "договорились")
    installation.kvit("amend", "romashka-pro", *change)
    return installation


def links(page: Any) -> Iterator[str]:
    for address in page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
        yield urldefrag(address)[0]


def name_of(path: str) -> str | None:
    try:
        return resolve(path).url_name
    except Resolver404:
        return None


def walk(page: Any, *starts: str) -> Iterator[tuple[str, str]]:
    """Follow links from `starts`; yield the first address of each page, once it is open."""
    seen: set[str] = set()
    queue = list(starts)
    while queue:
        address = queue.pop(0)
        name = name_of(urlparse(address).path)
        if name is None or name in seen:
            continue
        seen.add(name)
        answer = page.goto(address)
        assert answer.status == 200, f"{address}: {answer.status}"
        page.wait_for_function("() => !document.querySelector('.htmx-request')")
        yield name, address
        for link in links(page):
            parts = urlparse(link)
            if parts.path.startswith("/office/") and not _FILE.search(parts.path):
                route = route_of(resolve(parts.path).func) if name_of(parts.path) else None
                if route is not None and "GET" in route.methods:
                    queue.append(urljoin(address, link))


def serious(page: Any) -> list[str]:
    """Return what axe finds serious or worse, with the place."""
    if page.evaluate("!window.axe"):
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


@pytest.mark.parametrize(
    ("lang", "widths", "schemes"), LOOKS, ids=[f"{lang}-{widths[-1]}" for lang, widths, _ in LOOKS]
)
def test_every_page_opens_clean_and_within_the_screen(
    open_browser: Callable[..., Any],
    filled: Served,
    lang: str,
    widths: tuple[int, ...],
    schemes: tuple[str, ...],
) -> None:
    page = open_browser("owner", lang=lang, dark=schemes[0] == "dark", width=widths[0])
    page.emulate_media(reduced_motion="reduce")  # no colour is seen on its way to another
    faults: list[str] = []
    opened = set()
    turn(page, widths[0], schemes[0])
    page.goto(f"{filled.url}/office/go/2026-00001")  # an invoice with usage, not corrected yet
    starts = (f"{page.url}lines/4/why/", page.url, f"{filled.url}/office/")
    for name, address in walk(page, *starts):
        opened.add(name)
        shown = [(width, schemes[0]) for width in widths[:-1]]
        for width, scheme in [*shown, *((widths[-1], one) for one in schemes)]:
            turn(page, width, scheme)
            found = serious(page) if width == widths[-1] else []
            if is_wider_than_the_screen(page):
                found.append("wider than the screen")
            faults += [f"{address.removeprefix(filled.url)} {scheme} {one}" for one in found]
            keep_picture(page, name, f"{lang}-{scheme}-{width}")
        turn(page, widths[0], schemes[0])
    assert not faults, "\n".join(faults)
    assert sorted(pages() - opened) == []


def turn(page: Any, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    page.emulate_media(color_scheme=scheme)


def keep_picture(page: Any, name: str, look: str) -> None:
    folder = os.environ.get("KVIT_TEST_SCREENS")
    if folder:
        page.wait_for_timeout(700)  # for what is drawn
        target = Path(folder) / look
        target.mkdir(parents=True, exist_ok=True)
        if "KVIT_TEST_SCREENS_CUT" not in os.environ:
            page.screenshot(path=str(target / f"{name}.png"), full_page=True)
            return
        how = {"format": "webp", "quality": 70}
        taken = page.context.new_cdp_session(page).send("Page.captureScreenshot", how)
        (target / f"{name}.webp").write_bytes(base64.b64decode(taken["data"]))
