"""The first success of an accountant and of a product manager, as they would do it."""

import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser
NBSP = "\N{NO-BREAK SPACE}"


def plain(text: str) -> str:
    """Write no-break spaces as a person reads them."""
    return text.replace(NBSP, " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


def text_of(page: Any, selector: str = "main") -> str:
    return plain(page.locator(selector).first.inner_text())


def test_an_accountant_finds_a_sum_opens_it_corrects_it_and_takes_the_trial_balance(
    open_browser: Callable[..., Any],
) -> None:
    page = open_browser("accountant")
    page.goto("/office/invoices/")
    page.get_by_label("Номер, клиент или ИНН").fill("ромашка")
    page.locator("#list tbody tr").nth(1).wait_for(state="detached")
    assert "22 150,09 ₽" in text_of(page, "#list")
    page.wait_for_url("**q=**")
    assert "least=" not in page.url  # an empty field stays out of the address
    page.get_by_role("link", name="№ 2026-00001").click()

    # Any line opens to why, and the drawer closes back to it.
    page.get_by_role("link", name="Почему?").nth(1).click()
    page.locator("#drawer").wait_for(state="visible")
    page.locator("#drawer").get_by_text("Пересчитано при открытии: совпадает").wait_for()
    assert "Доля периода: 16/31 (по дням)" in text_of(page, "#drawer")
    page.keyboard.press("Escape")
    page.locator("#drawer").wait_for(state="hidden")

    # A correction is shown whole before it is made, and is made as it was shown.
    page.get_by_role("link", name="Исправить").click()
    page.get_by_label("Сумма, Вызовы API").first.fill("100,00")
    page.get_by_role("button", name="Показать, что получится").click()
    page.get_by_role("button", name="Провести корректировку на −122,00 ₽").wait_for()
    assert "22 028,09 ₽" in text_of(page)
    page.locator("[name=reason]").fill("Акт сверки от 5 ноября")
    page.get_by_role("button", name="Провести корректировку на −122,00 ₽").click()
    page.wait_for_url(re.compile(r"/office/invoices/[0-9a-f-]+/$"))
    assert "−122,00 ₽" in text_of(page)

    page.goto("/office/ledger/osv/")
    assert "Дт = Кт" in text_of(page)


def test_a_product_manager_composes_tries_and_publishes_a_price(
    open_browser: Callable[..., Any],
) -> None:
    page = open_browser("product_manager")
    page.goto("/office/catalogue/plans/pro/")
    page.get_by_text("Изменить цену").nth(1).click()
    page.locator("[name='price.price.tiers[1].unit']").fill("0,03")
    page.get_by_label("Количество, вызов").fill("620000")
    page.get_by_text("13 800,00 ₽").first.wait_for()
    page.get_by_role("button", name="Сохранить в черновик").last.click()

    # An example that does not hold any more keeps the price from being published.
    page.get_by_text("Опубликовать: кого заденет").click()
    page.wait_for_load_state()
    assert "Пример 1 цены pro/api не выполняется" in text_of(page)
    page.go_back()
    page.get_by_role("link", name="Править").first.click()
    page.locator("[name='price.examples[0].amount']").fill("6000")
    page.locator("[name='price.examples[1].amount']").fill("13800")
    page.get_by_role("button", name="Сохранить в черновик").last.click()

    page.get_by_role("button", name="Проверить на прошлом месяце").click()
    page.get_by_text("21 855,81 ₽").first.wait_for(timeout=60_000)
    assert "+3 700,00 ₽" in text_of(page)

    page.go_back()
    page.get_by_text("Опубликовать: кого заденет").click()
    page.locator("[name=reason]").fill("Новые ставки с декабря")
    page.get_by_role("button", name=re.compile("^Опубликовать с ")).click()
    page.get_by_text("Опубликовано, редакция 2.").wait_for()


def test_a_month_is_run_tried_first_and_watched_to_its_end(
    open_browser: Callable[..., Any],
) -> None:
    page = open_browser("owner")
    page.goto("/office/runs/")
    page.get_by_role("button", name="Сделать пробный запуск").click()
    page.get_by_text("Готово").first.wait_for(timeout=90_000)
    assert page.get_by_text("Ничего не выставлено").count() + page.get_by_text("Пробный").count()
