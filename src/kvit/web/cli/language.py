"""The language of the person at the terminal."""

import os


def language() -> str:
    """Return "ru" or "en": KVIT_LANG, else what the locale says, else English."""
    for name in ("KVIT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "ru" if value.lower().startswith("ru") else "en"
    return "en"


def either(russian: str, english: str) -> str:
    """Return the text for the person at the terminal: for the help of options and the like."""
    return russian if language() == "ru" else english
