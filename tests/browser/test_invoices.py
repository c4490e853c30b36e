"""The accountant's first success, a run watched to its end, a row of usage mended."""

import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenBrowser = Callable[..., Any]


def test_a_sum_is_found_opened_to_its_record_and_corrected(open_browser: OpenBrowser) -> None:
    page = open_browser("accountant")
    page.goto("/office/invoices/")
    page.get_by_label("Номер, клиент или ИНН").fill("2026-00001")
    page.wait_for_url("**q=2026-00001**")
    page.get_by_role("link", name="№ 2026-00001", exact=True).click()
    page.get_by_role("link", name="Почему?").nth(2).click()
    drawer = page.locator("#drawer")
    drawer.get_by_text("Пересчитано при открытии: совпадает").wait_for()
    drawer.get_by_role("link", name="Расход по дням").click()
    drawer.get_by_text("Сумма 300 000 вызовов").wait_for()
    drawer.get_by_role("link", name="01.10.2026").click()
    drawer.get_by_text("Сумма 24 859 вызовов").wait_for()
    drawer.locator("a.mono").first.click()
    drawer.get_by_text("Партия и место в ней").wait_for()
    page.keyboard.press("Escape")
    drawer.wait_for(state="hidden")
    page.goto("/office/go/2026-00003")  # the first one is for test_first_steps to correct
    page.get_by_role("link", name="Исправить").click()
    page.locator("input[name='sum-1']").fill("300,00")
    page.get_by_role("button", name="Показать, что получится").click()
    page.get_by_label("Основание: почему и по какому документу").fill("Простой, акт № 7")
    page.get_by_role("button", name="Провести корректировку на −366,00 ₽").click()
    # The series goes on from what other tests of this installation have issued.
    page.get_by_text(re.compile(r"Документ № 2026-\d{5} выставлен\.")).wait_for()
    assert page.get_by_text("Простой, акт № 7").is_visible()


def test_a_dry_run_is_watched_to_its_end(open_browser: OpenBrowser) -> None:
    page = open_browser("accountant", width=390, height=844)
    page.goto("/office/runs/")
    page.get_by_label("Расчётный период").select_option(index=0)
    page.get_by_role("button", name="Сделать пробный запуск").click()
    page.get_by_text("Ничего из этого не выставлено").wait_for(timeout=60_000)
    assert page.get_by_text("Вся разница").count() >= 1


def test_a_faulty_row_is_mended_in_its_place(open_browser: OpenBrowser) -> None:
    page = open_browser("accountant", lang="en", dark=True)
    page.goto("/office/usage/uploads/")
    content = (
        "id,time,subscription,meter,value\nw1,2026-10-12T10:00:00Z,romashka-pro,api_calls,many\n"
    )
    file = {"name": "calls.csv", "mimeType": "text/csv", "buffer": content.encode()}
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Upload the file").click()
    page.get_by_label("value").fill("0")  # other tests know what the month comes to
    page.get_by_role("button", name="Read the row again").click()
    page.locator("article .badge-state", has_text="Accepted").wait_for()
    page.goto("/office/usage/?event=w1")
    page.get_by_text("usage version").wait_for()


def test_it_works_without_scripts(open_browser: OpenBrowser) -> None:
    page = open_browser("accountant", java_script_enabled=False)
    page.goto("/office/invoices/")
    page.get_by_label("Номер, клиент или ИНН").fill("2026-00002")
    page.get_by_role("button", name="Найти").click()
    page.get_by_role("link", name="№ 2026-00002", exact=True).click()
    page.get_by_role("link", name="Почему?").first.click()
    assert page.get_by_text("Пересчитано при открытии: совпадает").is_visible()
    page.get_by_role("link", name="Пересчитать и сверить").click()
    assert page.get_by_text("совпало до копейки").is_visible()
