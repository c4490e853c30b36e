"""Who did a thing and why, as a reader is told it: for pages and for the API."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from uuid import UUID

from kvit.core.wording import Words, say
from kvit.parties import queries as parties
from kvit.platform.failures import Failure

ACTORS: Words = {
    "cli": ("команда kvit", "the kvit command"),
    "job": ("по расписанию", "by schedule"),
    "trigger": ("по правилу запуска", "by a trigger"),
    "system": ("Квит", "Kvit"),
    "gone": ("бывший сотрудник", "a former member"),
    "key": ("программа", "a program"),
}
# What programs write as the reason of what they do → the same for readers.
_REASONS: Words = {
    "import of the company folder": ("загрузка папки компании", "import of the company folder")
}


def people(actors: Iterable[str]) -> dict[str, str]:
    """Return who the authors of changes are: the names of users."""
    ids = {}
    for actor in actors:
        kind, _, key = actor.partition(":")
        if kind == "user":
            with suppress(ValueError):
                ids[actor] = UUID(key)
    names = parties.user_names(ids.values())
    return {actor: names.get(key, actor) for actor, key in ids.items()}


def actor_text(actor: str, people: Mapping[str, str], lang: str) -> str:
    """Name who did it; "" where nobody did."""
    if not actor:
        return ""
    if actor in people:
        return people[actor]
    kind, _, rest = actor.partition(":")
    if kind in ("user", "key"):
        return say(ACTORS, "gone" if kind == "user" else "key", lang)
    name = say(ACTORS, kind, lang) if kind in ACTORS else kind
    return f"{name} ({rest})" if rest else name


def reason_text(reason: str, lang: str) -> str:
    """Return why: what a person wrote, or in the reader's language what a program did."""
    return say(_REASONS, reason, lang) if reason in _REASONS else reason


def failure_text(error: Failure, lang: str) -> str:
    """Say a refusal; the actor that it names as `who` is named as a reader knows them."""
    who = error.params.get("who")
    if not who:
        return error.text(lang)
    name = actor_text(str(who), people([str(who)]), lang)
    return say(error.words, error.code, lang, **(error.params | {"who": name}))
