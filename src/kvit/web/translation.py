"""The Russian catalogue of the pages: texts in the code are English, `locale/ru` has their Russian.

Gettext wants its catalogues compiled. A wheel brings them; a checkout compiles them by itself when
the text is newer, so that nobody has to remember it and nothing binary is committed.
"""

import os
from pathlib import Path

CATALOGUE = Path(__file__).resolve().parent / "locale" / "ru" / "LC_MESSAGES" / "django.po"
COMPILED = CATALOGUE.with_suffix(".mo")


def ensure_compiled() -> None:
    """Compile the catalogue unless that was done since it was last changed.

    Raises:
        ValueError: two entries of the catalogue contradict each other, or one is malformed.
    """
    if not CATALOGUE.is_file():
        return
    if COMPILED.is_file() and COMPILED.stat().st_mtime_ns >= CATALOGUE.stat().st_mtime_ns:
        return
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    changed = CATALOGUE.stat().st_mtime_ns
    with CATALOGUE.open("rb") as text:
        catalogue = read_po(text, locale="ru", abort_invalid=True)
    part = COMPILED.with_name(f"{COMPILED.name}.{os.getpid()}")
    with part.open("wb") as file:
        write_mo(file, catalogue)
    os.utime(part, ns=(changed, changed))
    part.replace(COMPILED)
