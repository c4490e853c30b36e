"""Expected failures that speak to a person: a stable code, and its text in two languages.

A module that refuses something derives its own class, with the table of its words beside it:

    class NoServer(Failure):
        words = WORDS

    raise NoServer("server_did_not_start", log=path)

The command line prints `error.text(lang)` and no traceback; `str(error)` is the English text.
"""

from typing import Any, ClassVar

from kvit.core.wording import Words, say


class Failure(Exception):
    """Something expected went wrong; the text says what, and what the person can do."""

    words: ClassVar[Words] = {}

    def __init__(self, code: str, /, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params

    def text(self, lang: str) -> str:
        """Say it in `lang`, "ru" or "en"."""
        return say(self.words, self.code, lang, **self.params)

    def __str__(self) -> str:
        return self.text("en")
