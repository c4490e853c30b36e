"""Where the example companies lie: beside the sources, or within the installed package."""

from pathlib import Path

import kvit

DEMO = "severny-kontur"


def example(name: str) -> Path:
    """Return the folder of an example company."""
    package = Path(kvit.__file__).resolve().parent
    installed = package / "examples" / name
    return installed if installed.is_dir() else package.parents[1] / "examples" / name
