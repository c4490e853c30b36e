"""How a person types this program's name: `kvit` where it is installed, `./kvit` by the launcher.

Texts say `kvit`; whoever prints one for a terminal passes it through `typeable`.
"""

import os
import re
import shlex

NAME = "kvit"
VARIABLE = "KVIT_CALLED_AS"  # exported by the launcher: the words that started it
_IN_TEXT = re.compile(r"(?<![\w./-])(?:\./)?kvit(?= (?:[a-z]|--|КОМАНДА|COMMAND))")


def name() -> str:
    """Return the program's name as the person at the terminal typed it."""
    return shlex.quote(os.environ.get(VARIABLE) or NAME)


def typeable(text: str) -> str:
    """Write every command of a text as it can be typed here."""
    return _IN_TEXT.sub(lambda _: name(), text)
