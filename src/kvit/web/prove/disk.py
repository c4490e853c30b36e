"""A disk whose power fails: what was written and not flushed is gone, or is there by half.

A process that is killed leaves all that it wrote, since the machine goes on. Where the machine
itself stops, a file has what its last flush found in it, a folder names what its own last flush
found in it; a change after that may have reached the disk, or not, or a part of it.

    disk = Disk(root)       whatever stands below is on the disk
    disk.flushed(path)      told after each fsync; `moved`, `made`, `gone` after what they say
    disk.cut(NOTHING)       the folder as it is found when power comes back

Names of a folder that was not flushed since may have reached the disk in any order. The hardest is
tried: the last change alone did, and none of those before it. A process dies after each change, so
each of them is once the last.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Loss = Literal["killed", "nothing", "half", "last name"]
KILLED: Loss = "killed"  # the process alone: the disk has everything
NOTHING: Loss = "nothing"  # of what was not flushed reached the disk
HALF: Loss = "half"  # of what was not flushed; all names did, ahead of what they name
LAST_NAME: Loss = "last name"  # of those that were not flushed: it came ahead of those before it
Tree = dict[str, bytes | None]  # by path; None is a folder


@dataclass(slots=True, eq=False)
class _Node:
    """A file, or a folder with its names, as of its last flush."""

    content: bytes = b""
    names: "dict[str, _Node] | None" = None


class Disk:
    """Follows what below a folder is safe, in the one process that writes there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._nodes: dict[Path, _Node] = {}
        # Names that were given (to a node) or taken since their folders were flushed, in order; a
        # rename takes the name it had before as well.
        self._renamed: list[tuple[Path, _Node | None, Path | None]] = []
        for path in (*sorted(root.rglob("*"), reverse=True), root):  # what lies below first
            self.flushed(path)

    def holds(self, path: Path) -> bool:
        return path == self.root or self.root in path.parents

    def flushed(self, path: Path) -> None:
        """A file's content, or a folder's names, are on the disk."""
        node = self._node(path)
        if path.is_dir():
            node.names = {below.name: self._node(below) for below in path.iterdir()}
            self._renamed = [one for one in self._renamed if one[0].parent != path]
        else:
            node.content = path.read_bytes()

    def moved(self, path: Path, to: Path) -> None:
        self._nodes[to] = self._nodes.pop(path, _Node())
        self._renamed.append((to, self._nodes[to], path))

    def made(self, path: Path) -> None:
        self._renamed.append((path, self._node(path), None))

    def gone(self, path: Path) -> None:
        self._nodes.pop(path, None)
        self._renamed.append((path, None, None))

    def is_safe(self) -> bool:
        """Whether a loss of power would lose nothing."""
        return self._safe() == read(self.root)

    def cut(self, loss: Loss) -> None:
        """Leave what would be found. Nobody writes there any more."""
        if loss == LAST_NAME:
            self._keep_last_name()
        if loss != KILLED:
            put_back(self.root, dict(self._halved()) if loss == HALF else self._safe())

    def _keep_last_name(self) -> None:
        """Let the last change of a name be safe, where its folder is."""
        for path, node, before in self._renamed[-1:]:
            if before is not None:
                self._names(before.parent).pop(before.name, None)
            names = self._names(path.parent)
            if node is None:
                names.pop(path.name, None)
            else:
                names[path.name] = node

    def _names(self, folder: Path) -> "dict[str, _Node]":
        """Return what a folder names on the disk."""
        node = self._node(folder)
        node.names = node.names or {}
        return node.names

    def _node(self, path: Path) -> _Node:
        if path not in self._nodes:
            self._nodes[path] = _Node(names={} if path.is_dir() else None)
        return self._nodes[path]

    def _safe(self) -> Tree:
        return dict(_named(self._nodes[self.root], ""))

    def _halved(self) -> Iterator[tuple[str, bytes | None]]:
        for path, content in read(self.root).items():
            if content is None:
                yield path, None
            else:
                safe = len(self._node(self.root / path).content)
                yield path, content[: safe + (len(content) - safe) // 2]


def _named(folder: _Node, place: str) -> Iterator[tuple[str, bytes | None]]:
    for name, node in sorted((folder.names or {}).items()):
        if node.names is None:
            yield place + name, node.content
        else:
            yield place + name, None
            yield from _named(node, f"{place}{name}/")


def read(root: Path) -> Tree:
    """Return everything below a folder."""
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def put_back(root: Path, tree: Tree) -> None:
    """Let nothing lie below a folder but this."""
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, content in tree.items():
        if content is None:
            (root / name).mkdir(mode=0o700)
        else:
            (root / name).write_bytes(content)
