"""Writes docs/reference/worked-cases.md."""

from tests.core.golden.table import PAGE, page

PAGE.write_text(page(), encoding="utf-8")
