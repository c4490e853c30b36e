"""The journal says what was done in words, and its groups find what the code writes."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from kvit.web.journal_words import ACTIONS, GROUPS, action_text, field_text, value_text

SOURCE = Path(__file__).resolve().parents[2] / "src" / "kvit"
WRITERS = {"record", "Change", "_record", "_record_member", "note_login", "_note"}


def written(call: ast.Call) -> Iterator[str]:
    """Yield the names of actions that a call writes; "…" stands for what only a run knows."""
    named = [one.value for one in call.keywords if one.arg == "action"]
    for one in [*call.args, *named]:
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
        elif isinstance(one, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in one.values
            )


@cache
def actions() -> set[str]:
    found = set()
    for path in SOURCE.rglob("*.py"):
        if "prove" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                found |= set(written(node)) if name in WRITERS else set()
    return {one for one in found if "." in one and " " not in one and not one.startswith("…")}


def test_every_action_that_the_code_writes_has_words() -> None:
    assert len(actions()) > 40
    assert [one for one in sorted(actions()) if action_text(one, "ru") == one] == []


def test_a_group_begins_something_that_is_written() -> None:
    names = {*ACTIONS, *actions()}
    assert [start for start in GROUPS if not any(one.startswith(start) for one in names)] == []


@pytest.mark.parametrize(
    ("action", "russian", "english"),
    [
        ("login.done", "Вход", "Login"),
        ("subscriptions.subscription.discount", "Подписка изменена", "Subscription changed"),
        ("strange.thing", "strange.thing", "strange.thing"),
    ],
)
def test_what_was_done(action: str, russian: str, english: str) -> None:
    assert [action_text(action, lang) for lang in ("ru", "en")] == [russian, english]


@pytest.mark.parametrize(
    ("value", "russian", "english"),
    [
        (True, "да", "yes"),
        (None, "—", "—"),
        ([], "—", "—"),
        (["a", False], "a, нет", "a, no"),
        ({"percent": "5", "code": "vip"}, "percent: 5; код: vip", "percent: 5; code: vip"),
        ("net", "net", "net"),
        ({"RUB": 5_000_000}, "50\xa0000,00\xa0₽", "₽50,000.00"),
        ({"RUB": "x", "n": 1}, "RUB: x; n: 1", "RUB: x; n: 1"),
    ],
)
def test_a_value_of_the_journal_is_no_word_of_a_language(
    value: object, russian: str, english: str
) -> None:
    assert [value_text(value, lang) for lang in ("ru", "en")] == [russian, english]


def test_a_field_of_the_journal_is_called_something() -> None:
    assert field_text("four_eyes", "ru") == "утверждает не автор"
    assert field_text("strange", "ru") == "strange"
