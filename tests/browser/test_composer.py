"""The composer and a change of a subscription in a browser (publishing is in test_first_steps)."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.browser.test_every_page import is_wider_than_the_screen, serious

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


def test_a_price_becomes_a_part_and_a_formula_is_built_over_it(open_browser: OpenBrowser) -> None:
    page = open_browser("product_manager", width=390, height=844)
    begin(page)
    page.locator("#quantity").fill("620000")
    # By the demo's price, or by that which test_first_steps publishes on the same installation.
    page.locator('[data-sum="9800.00"], [data-sum="13800.00"]').wait_for()
    before = Decimal(page.locator("[data-sum]").get_attribute("data-sum"))
    page.locator('button[value="wrap:price.price"]').click()
    page.locator('[name="price.price.parts[0].called"]').wait_for()
    page.locator('button[value="name:price.price.parts"]').click()
    page.locator('[name="price.price.parts[1].called"]').fill("fuel")
    page.locator('[name="price.price.parts[1].unit"]').fill("0,01")
    formula = page.locator('[name="price.price.expression"]')
    formula.fill("base + ")
    # A name that was typed a moment ago is offered, and goes to where the caret stands.
    page.locator('button[data-word="fuel"]').click()
    assert formula.input_value() == "base + fuel"
    page.locator("#quantity").fill("620000")
    page.locator(f'[data-sum="{before + 6200}"]').wait_for()
    assert serious(page) == []
    assert not is_wider_than_the_screen(page)


def test_a_chart_takes_the_colours_of_the_theme_that_the_system_turns_to(
    open_browser: OpenBrowser,
) -> None:
    page = open_browser("product_manager")
    begin(page)
    label = page.locator("[data-chart] svg text").first
    label.wait_for()
    light = label.get_attribute("fill")
    assert light is not None
    page.emulate_media(color_scheme="dark")
    page.locator(f'[data-chart] svg text[fill="{light}"]').first.wait_for(state="detached")
    assert page.locator("[data-chart] svg text").count() > 1
