"""The documentation against the code: nothing that exists is missing, nothing said is untrue."""

import contextlib
import io
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest

from kvit.core.pricing import MODELS, Quantity, evaluate
from kvit.core.quote import answer_line
from kvit.integrations import port
from kvit.platform import settings
from kvit.web import cli, reference, urls
from kvit.web.cli import screens
from kvit.web.prove import PROOFS

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
MOST_PICTURES = 1_500_000  # bytes of all of them: they are in every clone
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if ".pytest_cache" not in path.parts
)
ADRS = sorted((ROOT / "docs" / "adr").glob("0*.md"))
HEADINGS = ["## Context", "## Decision", "## Consequences", "## Alternatives", "## References"]

# Keys of the company folder whose row has another name in code.
KEYS = {"continues": "continue", "filters": "filter", "trial_days": "trial", "document": "price"}
ROWS = (
    port.CompanyRow, port.SellerRow, port.MeterRow, port.PlanRow, port.PriceRow, port.DiscountRow,
    port.CouponRow, port.CustomerRow, port.SubscriptionRow, port.ChangeRow,
)  # fmt: skip

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(?:[A-Z_]+=\S+ )?((?:\./)?kvit [a-z][^`]*)`")
_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- generated pages --------------------------------------------------------------------------


def test_generated_pages_are_in_step_with_the_code() -> None:
    """Made anew by `.venv/bin/python -m kvit.web.reference`."""
    behind = [
        name
        for name, text in reference.pages().items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text() != text
    ]
    assert behind == []
    schemas = {f"events/{path.name}" for path in (REFERENCE / "events").glob("*.json")}
    assert schemas - set(reference.pages()) == set()


def test_every_model_command_fault_and_failure_has_its_place_on_a_generated_page() -> None:
    models = reference.pricing_models()
    assert [name for name in MODELS if f"## `{name}`" not in models] == []
    commands = reference.command_line()
    assert [one.name for one in cli.COMMANDS if f"## `kvit {one.name}`" not in commands] == []
    errors = reference.errors()
    codes = [*port.WORDS, *reference.failures(), *reference.invariants()]
    assert len(codes) > 100
    assert [code for code in codes if f"`{code}`" not in errors] == []


def test_every_fault_has_a_remedy_and_both_languages() -> None:
    assert sorted(set(port.WORDS) - set(port.REMEDIES)) == []
    words = {**port.WORDS, **reference.failures(), **reference.invariants()}
    assert [code for code, said in words.items() if not (said[0] and said[1])] == []


# --- pages written by hand --------------------------------------------------------------------


def test_every_setting_is_described() -> None:
    page = (REFERENCE / "settings.md").read_text()
    assert [row.variable for row in settings.rows() if f"`{row.variable}`" not in page] == []


def test_every_key_of_the_company_folder_is_described() -> None:
    page = (REFERENCE / "company-folder.md").read_text()
    keys = {
        KEYS.get(field.name, field.name)
        for row in ROWS
        for field in fields(row)
        if field.name != "place"
    }
    assert (
        sorted(key for key in keys | set(port.CHANGES) if not re.search(rf"\b{key}\b", page)) == []
    )


def test_decisions_have_five_headings_and_stay_short() -> None:
    assert len(ADRS) >= 10
    for path in ADRS:
        text = path.read_text()
        assert re.findall(r"^## .+$", text, re.MULTILINE) == HEADINGS, path.name
        assert len(text.splitlines()) <= 80, path.name
        assert f"({path.name})" in (ROOT / "docs" / "adr" / "README.md").read_text()


def test_both_readmes_show_the_same_commands() -> None:
    english, russian = (
        [words for _, words in commands_in((ROOT / name).read_text())]
        for name in ("README.md", "README.ru.md")
    )
    assert english == russian
    assert ["./kvit", "demo"] in english


def test_pictures_are_those_that_are_shown_and_each_is_a_page_of_the_office() -> None:
    """Made anew by `./kvit screens --docs`."""
    shown = screens.shown_in_docs()
    kept = list((ROOT / "docs" / "pictures").iterdir())
    assert {f"{name}.webp" for name in shown} == {path.name for path in kept}
    assert sum(path.stat().st_size for path in kept) < MOST_PICTURES
    [office] = [one for one in urls.urlpatterns if getattr(one, "namespace", "") == "office"]
    assert shown - {one.name for one in office.url_patterns} == set()


def test_every_page_can_be_reached() -> None:
    reached, ahead = set(), [ROOT / "README.md", ROOT / "README.ru.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        ahead += [target for target, _ in links_of(page) if target.is_file()]
    assert [name_of(page) for page in PAGES if page not in reached] == []


# --- links ------------------------------------------------------------------------------------


def links_of(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield (target, anchor) of every link into the repository."""
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        if not re.match(r"[a-z]+:", link):
            file, _, anchor = link.partition("#")
            yield ((page.parent / file).resolve() if file else page), anchor


def anchors_of(page: Path) -> set[str]:
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [
        f"{target}#{anchor}"
        for target, anchor in links_of(page)
        if not target.exists() or (anchor and anchor not in anchors_of(target))
    ]
    assert broken == []


# --- command lines ----------------------------------------------------------------------------


def commands_in(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (source, words) of the `./kvit …` commands in shell blocks."""
    for _, language, block in _FENCE.findall(text):
        if language != "sh":
            continue
        bare = re.sub(r"(^|\s)#\s.*$", "", block, flags=re.MULTILINE)
        lexer = shlex.shlex(bare, posix=True, punctuation_chars="\n|&;<>")
        lexer.whitespace = " \t\r"
        lexer.commenters = ""
        lexer.wordchars += "".join(chr(c) for c in range(0x410, 0x450)) + "…,@:{}[]%+!"
        words: list[str] = []
        for token in [*lexer, "\n"]:
            if set(token) <= set("\n|&;<>"):
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words and words[0].endswith("kvit"):
                    yield block, words
                words = []
            else:
                words.append(token)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_shell_blocks_are_understood(page: Path) -> None:
    refused = []
    for _, words in commands_in(page.read_text()):
        name = words[1] if len(words) > 1 else "--help"
        if name in ("--help", "--version", "test"):
            continue
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                reference.parser_of(name).parse_args(words[2:])
        except (SystemExit, StopIteration):
            refused.append(f"{shlex.join(words)}: {said.getvalue()}")
    assert refused == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_running_text_exist(page: Path) -> None:
    if page.name == "cli.md":
        return
    text = _FENCE.sub("", page.read_text())
    known = {one.name for one in cli.COMMANDS} | {"--help", "--version"}
    strange = []
    for said in _INLINE.findall(text):
        _, name, *rest = said.split()
        options = {word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)} - {"--help"}
        if name not in known or (name != "test" and options - options_of(name)):
            strange.append(said)
    assert strange == []


def options_of(name: str) -> set[str]:
    """Return the options of a command and of what stands below it."""
    found: set[str] = set()
    ahead = [reference.parser_of(name)]
    while ahead:
        for action in ahead.pop()._actions:
            found |= set(action.option_strings)
            if isinstance(action.choices, dict) and not action.option_strings:
                ahead += [one for one in action.choices.values() if hasattr(one, "_actions")]
    return found


QUOTED = re.compile(r"^echo '(\{.*\})' \| \./kvit quote$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_quotes_in_shell_blocks_are_priced(page: Path) -> None:
    lines = [one for one in QUOTED.findall(page.read_text()) if '"surge"' not in one]
    answers = [answer_line(line.encode()) for line in lines]
    assert [one["error"] for one in answers if "error" in one] == []


def test_the_answer_shown_beside_a_quote_is_the_answer() -> None:
    text = (REFERENCE / "quote.md").read_text()
    [shown, *_] = [block for _, language, block in _FENCE.findall(text) if language == "json"]
    [line, *_] = QUOTED.findall(text)
    assert answer_line(line.encode()) == json.loads(shown)


# --- what must not be in the repository -------------------------------------------------------

_PRIVATE = re.compile(
    "|".join(
        (
            "/ho" + r"me/\w", "/Us" + r"ers/\w", "/wo" + "rk/", "/ro" + r"ot/\w",
            "pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.(org|com)", "--index" + "-url",
            "extra-index" + "-url",
        )
    )
)  # fmt: skip


def committed() -> list[Path]:
    told = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if told.returncode:
        pytest.skip("not a git checkout")
    return [path for name in told.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_path_of_a_machine_and_no_address_of_a_registry() -> None:
    found = []
    for path in committed():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name_of(path)}: {one.group()}" for one in _PRIVATE.finditer(text)]
    assert found == []


# --- "add a pricing model", word for word -----------------------------------------------------


def blocks_of_the_model() -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.split("## Add a pricing model")[1].split("\n## ")[0]
    return [block for _, language, block in _FENCE.findall(section) if language == "python"]


def test_the_model_of_the_manual_prices_as_it_says() -> None:
    model, _, _, oracle, *_, example = blocks_of_the_model()
    there: dict[str, object] = {"__name__": "kvit.core.pricing.surge"}
    exec(compile(model, "surge.py", "exec"), there)
    kind = there["Surge"]
    price = kind(unit=Fraction(2), above=Fraction(100), times=Fraction("1.5"))  # type: ignore[operator]
    assert evaluate(price, Quantity(units=Fraction(120))).exact == 260
    namespace: dict[str, object] = {}
    exec("from kvit.core.oracle.units import Document, Fraction, ZERO, number", namespace)
    exec(compile(oracle, "units.py", "exec"), namespace)
    document = {"unit": "2", "above": "100", "times": "1.5"}
    assert namespace["surge"](document, Fraction(120)) == 260  # type: ignore[operator]
    compile(example, "test_surge.py", "exec")


# --- failure modes ----------------------------------------------------------------------------


def test_every_way_to_lose_money_is_seen_to_by_tests_that_there_are() -> None:
    text = (ROOT / "docs" / "explanation" / "failure-modes.md").read_text()
    rows = re.findall(
        r"^\| (\d+)(?:–(\d+))? \| .+ \| (?:held|partly|not yet) \| .+ \|.*\|$", text, re.MULTILINE
    )
    told = [one for first, last in rows for one in range(int(first), int(last or first) + 1)]
    assert told == list(range(1, 85))
    table = text.split("## Money", 1)[1]
    named = re.findall(r"(\w[\w/]*\.py)::(\w+)", table)
    assert len(named) > 84
    sources = {path: (ROOT / "tests" / path).read_text() for path, _ in named}
    assert [one for one in named if f"def test_{one[1]}(" not in sources[one[0]]] == []
    unknown = set(re.findall(r"`(\w+)`", table)) - {proof.name for proof in PROOFS}
    assert unknown == set()
