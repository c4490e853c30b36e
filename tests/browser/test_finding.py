"""The palette, live tiles and the customer's card, as hands on a keyboard meet them."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenBrowser = Callable[..., Any]


def test_the_palette_opens_finds_in_the_other_layout_and_gives_the_focus_back(
    open_browser: OpenBrowser,
) -> None:
    page = open_browser("accountant")
    page.goto("/office/customers/")
    page.locator("tbody a").first.focus()
    page.keyboard.press("Control+KeyK")
    page.locator("#palette-list a").first.wait_for()
    page.keyboard.type("hjvfirt")  # «ромашке»
    page.locator("#palette-list a", has_text="Ромашка").first.wait_for()
    page.keyboard.press("Escape")
    assert page.locator("#palette-list").is_hidden()
    page.keyboard.press("/")
    page.locator("#palette").fill("cxtn 2026-00001")
    page.get_by_text("В другой раскладке это «счет 2026-00001»").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/office/invoices/[0-9a-f-]+/"))


def test_arrows_walk_what_was_found(open_browser: OpenBrowser) -> None:
    page = open_browser("accountant")
    page.goto("/office/")
    page.keyboard.press("/")
    page.locator("#palette").fill("вектор")
    page.locator("#palette-list a", has_text="Вектор").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/office/customers/[0-9a-f-]+/"))
    assert "Вектор" in page.locator("h1").inner_text()


def test_a_tile_follows_what_happens_without_a_reload(
    open_browser: OpenBrowser, installation: Served
) -> None:
    page = open_browser("accountant")
    page.goto("/office/")
    owed = page.locator("#owed .figure")
    before = owed.inner_text()
    page.locator("#months svg").wait_for()
    installation.kvit("correct", "2026-00002", "--credit", "1=100", "--reason", "проверка")
    page.wait_for_function(
        "was => document.querySelector('#owed .figure')?.innerText !== was", arg=before,
        timeout=60_000,
    )  # fmt: skip
    assert owed.inner_text() != before


def test_a_customer_is_noted_about_and_the_next_bill_is_counted(open_browser: OpenBrowser) -> None:
    page = open_browser("support")
    page.goto("/office/go/merkury")
    page.get_by_label("Заметка").fill("Просят счёт до 5-го числа")
    page.get_by_role("button", name="Записать").click()
    page.locator(".timeline", has_text="Просят счёт до 5-го числа").wait_for()
    page.get_by_role("link", name="Посчитать следующий счёт").click()
    page.locator("#next-bill .figure").first.wait_for()


def test_a_list_is_narrowed_as_one_types(open_browser: OpenBrowser) -> None:
    page = open_browser("support")
    page.goto("/office/customers/")
    page.get_by_label("Название, ИНН, код, телефон").fill("ромашк")
    page.wait_for_function("() => document.querySelectorAll('#list tbody tr').length === 1")
    page.wait_for_url("**q=**")
    page.reload()
    assert page.locator("#list tbody tr").count() == 1
