"""Every template can be read: a filter or a tag that nobody defines would break one page alone."""

from pathlib import Path

import pytest
from django.template.loader import get_template

from kvit.web import settings

FOLDER = settings.WEB / "templates"
NAMES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.html"))


def test_there_are_templates() -> None:
    assert Path(FOLDER / "base.html").is_file()
    assert len(NAMES) > 50


@pytest.mark.parametrize("name", NAMES)
def test_a_template_can_be_read(name: str) -> None:
    get_template(name)
