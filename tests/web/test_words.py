"""The words of the pages: nothing untranslated, no plural missing, no error that says nothing."""

import ast
import re
from pathlib import Path

import polib
import pytest
from django.utils.translation import templatize

from kvit.web.translation import CATALOGUE

WEB = CATALOGUE.parents[3]
FORMS = 3  # of a Russian noun after a number
CALLS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}
# Words that say neither what happened nor what to do.
EMPTY_WORDS = re.compile(
    r"something went wrong|unknown error|an error occurred|please try|oops|success(ful|fully)\b"
    r"|refresh the page|что-то пошло не так|неизвестная ошибка|произошла ошибка|успешно|упс"
    r"|пожалуйста",
    re.IGNORECASE,
)


def entries() -> list[polib.POEntry]:
    return [one for one in polib.pofile(str(CATALOGUE)) if not one.obsolete]


def said_in(source: str) -> set[tuple[str, str]]:
    """Return (context, English text) of every call of gettext in a Python source."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id not in CALLS:
            continue
        texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
        texts = [one for one in texts if isinstance(one, str)]
        if not texts:
            continue
        if node.func.id.startswith("p"):
            found.add((texts[0], texts[1]))
        else:
            found.add(("", texts[0]))
    return found


def said() -> dict[tuple[str, str], str]:
    """Return every English text of pages with the file that says it."""
    found = {}
    for path in sorted(WEB.rglob("*.py")):
        found |= dict.fromkeys(said_in(path.read_text()), path.name)
    texts = [*WEB.rglob("templates/**/*.html"), *WEB.rglob("templates/**/*.txt")]
    for path in sorted(texts):
        # Django's own reader of templates writes them as Python calls of gettext.
        source = templatize(path.read_text(), origin=path.name)
        for match in re.finditer(r"\b(gettext|ngettext|pgettext|npgettext)\(", source):
            call = _call_at(source, match.start())
            found |= dict.fromkeys(said_in(call), path.name)
    return found


def _call_at(source: str, start: int) -> str:
    depth = 0
    for place in range(start, len(source)):
        depth += {"(": 1, ")": -1}.get(source[place], 0)
        if depth == 0 and source[place] == ")":
            try:
                ast.parse(source[start : place + 1])
            except SyntaxError:
                depth = 1
                continue
            return source[start : place + 1]
    raise AssertionError(source[start : start + 80])


def test_every_text_of_the_pages_has_its_russian() -> None:
    known = {(one.msgctxt or "", one.msgid) for one in entries() if one.translated()}
    missing = {f"{where}: {text!r}" for (context, text), where in said().items()
               if (context, text) not in known}  # fmt: skip
    assert missing == set()


def test_the_catalogue_holds_nothing_that_nobody_says() -> None:
    asked = set(said())
    assert [one.msgid for one in entries() if (one.msgctxt or "", one.msgid) not in asked] == []


def test_a_text_stands_in_the_catalogue_once() -> None:
    keys = [(one.msgctxt, one.msgid) for one in entries()]
    assert sorted({key for key in keys if keys.count(key) > 1}, key=str) == []


def test_every_noun_after_a_number_has_three_forms() -> None:
    for one in entries():
        if one.msgid_plural:
            assert len(one.msgstr_plural) == FORMS, one.msgid
            assert all(one.msgstr_plural.values()), one.msgid


def test_a_number_in_words_is_never_glued_to_a_noun() -> None:
    """«5 счетов» needs ngettext: a count beside a noun in a plain text is wrong."""
    glued = [
        one.msgid
        for one in entries()
        if not one.msgid_plural and re.search(r"%\((count|n|number_of\w*)\)s \w", one.msgid)
    ]
    assert glued == []


def test_a_translation_keeps_the_places_of_its_values() -> None:
    def places(text: str) -> set[str]:
        return set(re.findall(r"%\((\w+)\)[sd]", text))

    for one in entries():
        texts = list(one.msgstr_plural.values()) if one.msgid_plural else [one.msgstr]
        for text in texts:
            assert places(text) <= places(one.msgid) | places(one.msgid_plural), one.msgid
            if not one.msgid_plural:
                assert places(text) == places(one.msgid), one.msgid


@pytest.mark.parametrize("text", ["Произошла ошибка", "Something went wrong", "Успешно сохранено"])
def test_the_rule_against_empty_words_finds_them(text: str) -> None:
    assert EMPTY_WORDS.search(text)


def test_no_text_says_nothing() -> None:
    texts = [
        text
        for one in entries()
        for text in (one.msgid, one.msgstr, *one.msgstr_plural.values())
        if EMPTY_WORDS.search(text) or text.endswith("!")
    ]
    assert texts == []


def _templates() -> list[Path]:
    found = sorted(WEB.rglob("templates/**/*.html"))
    assert len(found) > 10
    return found


def test_no_word_stands_in_a_template_past_the_catalogue() -> None:
    """English readers would meet Cyrillic that stands in a template itself."""
    stray = [
        f"{path.name}: {line.strip()[:80]}"
        for path in _templates()
        for line in path.read_text().splitlines()
        if re.search(r"[а-яё]", line, re.IGNORECASE) and 'lang="ru"' not in line
    ]
    assert stray == []


def test_no_template_computes() -> None:
    """Templates format: a sum that one of them adds up or multiplies would be a second truth."""
    computing = re.compile(r"\|\s*(add|divisibleby|multiply|sub|sum|floatformat)\b|\bwidthratio\b")
    found = [path.name for path in _templates() if computing.search(path.read_text())]
    assert found == []


def test_no_template_holds_a_script_or_a_style_of_its_own() -> None:
    """The content policy would refuse them; data for charts is JSON that nobody runs."""
    inline = re.compile(
        r"<script(?![^>]*(src=|application/json))|<style|\sstyle=|\son[a-z]+=\"|javascript:|hx-on"
    )
    found = [path.name for path in _templates() if inline.search(path.read_text())]
    assert found == []


def test_no_page_asks_for_anything_from_elsewhere() -> None:
    found = [path.name for path in _templates()
             if re.search(r"(src|href|action)=\"(https?:)?//", path.read_text())]  # fmt: skip
    assert found == []
