"""A fault: what is wrong, where exactly, and what to do about it, in the reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kvit.core.wording import say
from kvit.integrations.port._import_words import IMPORT_REMEDIES, IMPORT_WORDS
from kvit.integrations.port._words import REMEDIES as READING_REMEDIES
from kvit.integrations.port._words import WORDS as READING_WORDS

WORDS = {**READING_WORDS, **IMPORT_WORDS}
REMEDIES = {**READING_REMEDIES, **IMPORT_REMEDIES}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands.

    `file` is relative to the folder, with forward slashes. `row` is the line in the file, the
    first being 1, comments counted; a quoted record of several lines is named by its first.
    In Parquet it is the ordinal of the row. `field` is a column, or a path in TOML and JSON.
    """

    file: str
    row: int | None = None
    field: str = ""


@dataclass(frozen=True, slots=True)
class _Said:
    """A stable code with its place and what its texts are filled in with."""

    code: str
    place: Place
    params: Mapping[str, str] = field(default_factory=dict)

    def message(self, lang: str) -> str:
        """Say what is wrong."""
        if said := self.params.get(f"said_{lang}"):
            return said
        return say(WORDS, self.code, lang, **self._told())

    def remedy(self, lang: str) -> str:
        """Say what to do."""
        code = "price" if f"said_{lang}" in self.params else self.code
        return say(REMEDIES, code, lang, **self._told())

    def _told(self) -> dict[str, str]:
        return {"field": self.place.field, **self.params}


@dataclass(frozen=True, slots=True)
class Fault(_Said):
    """Something that keeps a row from being taken as it stands.

    A code of the pricing core (`bad_tiers`, `unknown_model` …) keeps its own words, handed over
    in `params` as "said_ru" and "said_en".
    """


@dataclass(frozen=True, slots=True)
class Notice(_Said):
    """Something worth knowing that holds nothing back, such as local times that strike twice."""


class NoCompanyFolder(Exception):
    """There is no company to read: the directory is missing, or has no company.toml."""

    def __init__(self, directory: str, *, reason: str) -> None:
        super().__init__(directory, reason)
        self.directory = directory
        self.reason = reason  # "no_folder" or "no_company"

    def message(self, lang: str) -> str:
        """Say what is wrong."""
        return say(WORDS, self.reason, lang, directory=self.directory)

    def remedy(self, lang: str) -> str:
        """Say what to do."""
        return say(REMEDIES, self.reason, lang, directory=self.directory)

    def __str__(self) -> str:
        return self.message("en")
