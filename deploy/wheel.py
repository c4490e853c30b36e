"""Hatch calls this before it packs a wheel: the pages' packages and catalogues come along, so that
`pip install` needs no Node."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Pages(BuildHookInterface):
    """Makes what git does not hold and the wheel does."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sys.path.insert(0, str(Path(self.root) / "src"))
        from kvit.web import assets, translation

        assets.ensure(lambda key: print(assets.WORDS[key][1], file=sys.stderr))
        translation.ensure_compiled()
