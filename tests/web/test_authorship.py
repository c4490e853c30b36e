"""Who did a thing and why, as a reader is told it."""

import pytest

from kvit.integrations.services import _objects
from kvit.web.authorship import actor_text, reason_text

PEOPLE = {"user:1": "Ольга"}


@pytest.mark.parametrize(
    ("actor", "russian", "english"),
    [
        ("user:1", "Ольга", "Ольга"),
        ("user:2", "бывший сотрудник", "a former member"),
        ("key:9", "программа", "a program"),
        ("cli:root", "команда kvit (root)", "the kvit command (root)"),
        ("trigger:monthly", "по правилу запуска (monthly)", "by a trigger (monthly)"),
        ("system:webhooks", "Квит (webhooks)", "Kvit (webhooks)"),
        ("crm", "crm", "crm"),
        ("", "", ""),
    ],
)
def test_an_author_is_a_person_by_name_and_a_program_by_what_it_is(
    actor: str, russian: str, english: str
) -> None:
    assert [actor_text(actor, PEOPLE, lang) for lang in ("ru", "en")] == [russian, english]


def test_what_a_program_wrote_as_its_reason_is_told_in_the_readers_language() -> None:
    assert reason_text(_objects.REASON, "ru") == "загрузка папки компании"
    assert reason_text(_objects.REASON, "en") == "import of the company folder"
    assert reason_text("простой 20 октября", "en") == "простой 20 октября"
