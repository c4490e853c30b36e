"""A browser for each test: what it logs or asks for from elsewhere fails the test."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import served
from tests.browser.served import Served


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The demo company, billed and served."""
    served.chromium()
    with served.serve(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser of this module's tests: its event loop is this thread's while it lives, and Django
    would refuse its database to the tests of other modules beside it."""
    path = served.chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=served.FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_browser(
    chromium: Any, installation: Served, tmp_path: Path
) -> Iterator[Callable[..., Any]]:
    """Return a function: `open_browser("owner", lang="en", dark=True)` is a page of a browser, with
    a role that of a person who is logged in."""
    contexts: list[Any] = []
    faults: list[str] = []
    own = re.compile(rf"^({re.escape(installation.url)}|data:|blob:|about:)")

    def note(said: Any) -> None:
        # A person who goes on while a list is asked for lets the browser break that request off;
        # htmx writes that down as an error twice, the first time as for any request that failed.
        is_left = said.text.startswith(("htmx:sendAbort,", "htmx:afterRequest,"))
        if said.type == "error" and not is_left:
            faults.append(said.text)

    def open_(
        role: str = "",
        *,
        lang: str = "ru",
        dark: bool = False,
        width: int = 1360,
        height: int = 900,
        **more: Any,
    ) -> Any:
        context = chromium.new_context(
            base_url=installation.url, locale=f"{lang}-{lang.upper()}",
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": height}, has_touch=width < 600, **more,
        )  # fmt: skip
        context.set_default_timeout(served.PATIENCE_MS)
        if role:
            key = served.session_of(installation, role)
            context.add_cookies([{"name": "sessionid", "value": key, "url": installation.url}])
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: own.match(asked.url) or faults.append(asked.url))
        page.expected_errors = faults  # a test that provokes a refusal clears what it expected
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []
