"""Which tests send which statements to the database, so that a second server is asked each of them
once and not a hundred times.

    KVIT_TEST_STATEMENTS=FOLDER ./kvit test …                            writes down what each sends
    KVIT_TEST_STATEMENTS=FOLDER KVIT_TEST_DATABASE_URL=… ./kvit test …   runs those that are needed

What another PostgreSQL may read otherwise is a statement: two tests that send the same ones differ
in Kvit's own code alone. So of the tests that the first pass wrote down, the second leaves out, the
longest first, each whose statements others of those that stay send too. It keeps all that commit
beside other connections, since there the server's locks are tried, and all that are not known.
Statements are the same if they differ in values, or in how many there are, alone.
"""

import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

FOLDER = os.environ.get("KVIT_TEST_STATEMENTS")
IS_SECOND = "KVIT_TEST_DATABASE_URL" in os.environ
BESIDE_OTHERS = {"transactional_db", "ground"}  # fixtures
_VALUE = re.compile(r"""%s|%\(\w+\)s|\$\d+|'[^']*'|\b\d+\b|"s\d+_x\d+"|\b\w+_[0-9a-f]{8,}\b""")
_LIST = re.compile(r"\?(?:::\w+(?:\[\])?)?(?:\s*,\s*\?(?:::\w+(?:\[\])?)?)+")
_ROWS = re.compile(r"\(\?\)(?:\s*,\s*\(\?\))+")
_METHODS = (
    (psycopg.Cursor, "execute"), (psycopg.Cursor, "executemany"), (psycopg.Cursor, "copy"),
    (psycopg.ServerCursor, "execute"),
)  # fmt: skip
_sent: set[str] = set()


class Recorder:
    """Writes a line for each test: how long it took, and the statements that it sent."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.jsonl"
        for owner, name in _METHODS:
            setattr(owner, name, _noted(getattr(owner, name)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        began = time.monotonic()
        # What came since the test before is of fixtures that were ended for this one.
        answer = yield
        line = [item.nodeid, time.monotonic() - began, sorted(_sent.copy())]
        _sent.clear()
        with self._file.open("a") as out:
            out.write(json.dumps(line) + "\n")
        return answer


def _noted(send: Callable[..., Any]) -> Callable[..., Any]:
    def noted(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        text = query.as_string(cursor) if hasattr(query, "as_string") else query
        _sent.add(_name(text if isinstance(text, str) else bytes(text).decode()))
        return send(cursor, query, *args, **kwargs)

    return noted


@lru_cache(10_000)
def _name(text: str) -> str:
    return hashlib.blake2b(_shape(text).encode(), digest_size=8).hexdigest()


def _shape(text: str) -> str:
    """Return a statement without its values."""
    return _ROWS.sub("(?)", _LIST.sub("?", _VALUE.sub(_place, " ".join(text.split()))))


def _place(found: re.Match[str]) -> str:
    """Return the mark of a value. A word between quotes is a part of the statement: a format, a
    state, the name of a setting."""
    is_word = found[0].startswith("'") and not re.search(r"\d", found[0])
    return found[0] if is_word else "?"


class Chooser:
    """Leaves out, of what the marks have chosen, what need not be asked again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @pytest.hookimpl(trylast=True)  # once the marks have chosen
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        always = {item.nodeid for item in items if _is_beside_others(item)}
        kept = needed(self._folder, {item.nodeid for item in items}, always)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
        items[:] = [item for item in items if item.nodeid in kept]


def needed(folder: Path, names: set[str], always: set[str]) -> set[str]:
    """Return those of the tests without which a statement that the first pass sent is not sent;
    with those that are always asked, and those that are not known."""
    known = _known(folder)
    senders = Counter(one for name in names & known.keys() for one in known[name][1])
    kept = always | names - known.keys()
    for name in sorted(names - kept, key=lambda one: (-known[one][0], one)):
        sent = known[name][1]
        if any(senders[one] == 1 for one in sent):
            kept.add(name)
        else:
            senders.subtract(sent)
    return kept


def _known(folder: Path) -> dict[str, tuple[float, list[str]]]:
    known = {}
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(errors="replace").splitlines():
            with suppress(ValueError):  # a line cut short: its test is not known
                name, took, sent = json.loads(line)
                known[name] = (took, sent)
    return known


def _is_beside_others(item: pytest.Item) -> bool:
    marked = item.get_closest_marker("django_db")
    commits = marked is not None and marked.kwargs.get("transaction", False)
    return commits or bool(BESIDE_OTHERS & {*getattr(item, "fixturenames", ())})
