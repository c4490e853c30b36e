"""The composer and a change of a subscription in a browser (publishing is in test_first_steps)."""

import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenBrowser = Callable[..., Any]


def begin(page: Any) -> None:
    page.goto("/office/catalogue/plans/pro/")
    page.locator("form", has=page.locator("input[value='pro/api']")).locator("button").click()
    page.wait_for_url(re.compile("/put/price/"))


def test_tiers_are_moved_by_buttons_and_the_form_keeps_what_was_typed(
    open_browser: OpenBrowser,
) -> None:
    page = open_browser("product_manager", width=390, height=844)
    begin(page)
    page.locator('input[name="price.name"]').fill("Вызовы вечером")
    page.locator('button[value="add:price.price.tiers"]').click()
    page.locator('input[name="price.price.tiers[3].unit"]').wait_for()
    page.locator('button[value="remove:price.price.tiers[2]"]').click()
    page.locator('input[name="price.price.tiers[3].unit"]').wait_for(state="detached")
    assert page.locator('input[name="price.name"]').input_value() == "Вызовы вечером"
    page.locator("#f-price-price-model").select_option("flat")
    page.locator('input[name="price.price.amount"]').wait_for()


def test_a_change_of_a_plan_shows_both_bills_before_it_is_made(open_browser: OpenBrowser) -> None:
    page = open_browser("support")
    page.goto("/office/subscriptions/romashka-pro/change/")
    page.locator("#value").select_option("pallets")
    page.get_by_role("button", name="Рассчитать счета").last.click()
    page.locator(".was-becomes").first.wait_for()
    assert page.locator(".was-becomes").count() == 2
    page.locator("#reason").fill("просьба клиента")
    page.get_by_role("button", name="Записать, как показано").click()
    page.get_by_text("Записано. Счета будут такими, как показано.").wait_for()
    page.locator('a[href*="/withdraw/"]').click()
    page.locator("#reason").fill("передумал")
    page.get_by_role("button", name="Отменить, как показано").click()
    page.get_by_text("Записано. Счета будут такими, как показано.").wait_for()
