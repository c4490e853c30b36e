"""A process that runs a flow to its end, and at each boundary on its way dies as a fork of itself.

    with Walk(flow, kinds, places, store) as walk:
        for met in walk:        a Death, or the number of the boundary at which it rests

After each commit the walker rests: it holds nothing in the database, and no session setting, so a
fork of it with a connection of its own is the same process. Such forks go on one after the other,
to each boundary up to the next commit and right after that, and are killed there by SIGKILL.
Whoever listens looks at what each of them left, and puts it back before the next. Then the walker
goes on to that commit itself.
"""

import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvit.web.prove.disk import HALF, KILLED, LAST_NAME, NOTHING, Disk, Loss
from kvit.web.prove.ground import close, reconnect
from kvit.web.prove.killing import COMMITTED, Boundaries, steady_ids

if TYPE_CHECKING:
    from kvit.web.prove.flows import Flow

FIRST_LIFE = 1  # of ids
LOSSES: tuple[Loss, ...] = (KILLED, NOTHING, HALF, LAST_NAME)


@dataclass(frozen=True, slots=True)
class Death:
    """Where a fork died and what its disk lost with it; `strayed` says why it did not die there."""

    place: int
    loss: Loss
    strayed: tuple[str, ...] = ()


class Walk:
    """The listener's end; see the module."""

    def __init__(
        self, flow: "Flow", kinds: Sequence[str], places: range, store: Path | None
    ) -> None:
        self._walker = _Walker(flow, kinds, places, store)
        self._pid = 0
        self.faults: list[str] = []  # of the walker itself

    def __enter__(self) -> "Walk":
        close()
        self._ear, mouth = Pipe()
        self._pid = os.fork()
        if not self._pid:
            self._ear.close()
            self._walker.walk(mouth)
        mouth.close()
        return self

    def __iter__(self) -> "Iterator[Death | int]":
        try:
            while True:
                yield self._ear.recv()
                self._ear.send("go on")
        except EOFError:
            return

    def __exit__(self, *error: object) -> None:
        self._ear.close()  # a walker that is not heard to its end dies of it
        _, status = os.waitpid(self._pid, 0)
        if status and error[0] is None:
            self.faults.append(f"the walk ended with status {os.waitstatus_to_exitcode(status)}")


@dataclass(slots=True)
class _Walker:
    flow: "Flow"
    kinds: Sequence[str]
    places: range
    store: Path | None
    seen: Boundaries = field(default_factory=Boundaries)
    _mouth: Connection = field(init=False)
    _shared: list[object] = field(default_factory=list)  # connections of the parents of a fork

    def walk(self, mouth: Connection) -> None:
        """Run the flow in a process that does not come back."""
        from kvit.web.prove import flows

        status, self._mouth = 1, mouth
        try:
            disk = None if self.store is None else Disk(self.store)
            self.seen = Boundaries(like=self.kinds, disk=disk, at_rest=self._rest)
            self._rest()
            with self.seen, steady_ids(FIRST_LIFE):
                flows.run(self.flow)
            status = 0
        except (BrokenPipeError, EOFError):  # nobody listens any more
            status = 0
        finally:
            if status:
                traceback.print_exc()
            os._exit(status)

    def _rest(self) -> None:
        """Let forks die at the boundaries up to the next commit; come back as one of them too."""
        begun = len(self.seen.kinds)
        until = next(
            (n for n in range(begun + 1, len(self.kinds)) if self.kinds[n - 1] == COMMITTED),
            len(self.kinds),
        )
        mine = [n for n in range(begun + 1, until + 1) if n in self.places]
        if mine:
            self._tell(begun)
        for place in mine:
            for loss in LOSSES:
                said, saying = os.pipe()
                fork = os.fork()
                if not fork:
                    self._become(place, loss, saying)
                    return
                os.close(saying)
                status = os.waitpid(fork, 0)[1]
                has_more_to_lose = bool(os.read(said, 1))
                os.close(said)
                self._tell(Death(place, loss, _strayed(status)))
                if not has_more_to_lose:
                    break
        if begun >= self.places.stop:
            os._exit(0)

    def _become(self, place: int, loss: Loss, saying: int) -> None:
        """Go on as a fork that will die."""
        seen = self.seen
        is_entered = bool(seen.kinds)
        if is_entered:  # what it takes to connect anew is no boundary of the flow
            seen.__exit__(None, None, None)
            self._shared.append(reconnect())
        seen.at, seen.loss, seen.at_rest = place, loss, None

        def dying() -> None:
            if loss != LOSSES[-1] and seen.disk is not None and not seen.disk.is_safe():
                os.write(saying, b"!")

        seen.dying = dying
        if is_entered:
            seen.__enter__()

    def _tell(self, what: Any) -> None:
        self._mouth.send(what)
        self._mouth.recv()


def _strayed(status: int) -> tuple[str, ...]:
    if os.WIFSIGNALED(status):
        return ()
    return (f"ended by itself, status {os.waitstatus_to_exitcode(status)}",)
