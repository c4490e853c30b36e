"""`python -m kvit.web.prove.planted NAME run ROLE`: a process of Kvit with a bug planted in it.

What a mutant needs is there once Django is set up; so it is planted when the process is ready, a
moment before it begins its work.
"""

import sys
from contextlib import ExitStack
from importlib import import_module
from typing import Any

from kvit.web.cli import main as kvit


def main(name: str, *words: str) -> int:
    run: Any = import_module("kvit.web.cli.run")
    right = run.ready
    with ExitStack() as planted:

        def ready() -> None:
            right()
            from kvit.web.prove.mutants import known

            planted.enter_context(known()[name].plant())

        run.ready = ready
        return kvit(words)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
