"""Who did a thing and why, as a reader is told it: for pages and for the API."""

from collections.abc import Mapping

from kvit.core.wording import Words, say

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
